"""What the caller may do, found out by calls that cannot alter anything.

A request that can never be carried out tells: it is refused as not allowed, or for what is wrong
with it, since AWS asks first whether the caller is allowed. That order is not promised; see the
README. Actions of which there is no such request are not tried.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

from longshore.errors import LongshoreError, UnavailableError
from longshore.registry import Permit, Role
from longshore_adapters.sqs.errors import DeniedError, QueueMissingError
from longshore_adapters.sqs.limits import MAX_ENTRIES
from longshore_adapters.sqs.permissions import arn_of, grants
from longshore_adapters.sqs.purpose import Purpose

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from longshore_adapters.sqs.connection import Connection


class _Call(NamedTuple):
    operation: str
    given: Mapping[str, Any]


_NOBODYS: Final = {"Id": "0", "ReceiptHandle": "longshore-doctor"}
_UNSENDABLE: Final = {"Id": "0", "MessageBody": "longshore doctor"}
_HARMLESS: Final = {
    "sqs:ChangeMessageVisibility": _Call(
        "ChangeMessageVisibilityBatch", {"Entries": [{**_NOBODYS, "VisibilityTimeout": 0}]}
    ),
    "sqs:DeleteMessage": _Call("DeleteMessageBatch", {"Entries": [_NOBODYS]}),
    "sqs:GetQueueAttributes": _Call("GetQueueAttributes", {"AttributeNames": ["QueueArn"]}),
    # More than a request may take: none is taken.
    "sqs:ReceiveMessage": _Call("ReceiveMessage", {"MaxNumberOfMessages": MAX_ENTRIES + 1}),
    # Two of one id: neither is sent.
    "sqs:SendMessage": _Call("SendMessageBatch", {"Entries": [_UNSENDABLE, _UNSENDABLE]}),
}
"""For each action a request that is only read, or refused."""

_URL: Final = "sqs:GetQueueUrl"


async def probe(connection: Connection, queues: Sequence[str]) -> list[Permit]:
    """Try whatever any role does."""
    permits: list[Permit] = []
    actions: defaultdict[str, set[str]] = defaultdict(set)
    for role in get_args(Role):
        for _, needed, names in grants(connection.options, queues, role):
            for name in names:
                actions[name].update(needed)
    for name, every in actions.items():
        resource = arn_of(name, connection.options)
        url = await _tried(_URL, resource, connection.url_of(name))
        others = sorted(every - {_URL})
        permits += [url, *[await _one(connection, name, action, url) for action in others]]
    return permits


async def _one(connection: Connection, name: str, action: str, url: Permit) -> Permit:
    if not url.allowed:
        text = url.text if url.allowed is None else f"{_URL} is denied"
        return replace(url, action=action, allowed=None, text=text)
    call = _HARMLESS.get(action)
    if call is None:
        return replace(url, action=action, allowed=None, text="not tried")
    asked = connection.ask(Purpose.SETTLE, call.operation, name, **call.given)
    return await _tried(action, url.resource, asked)


async def _tried(action: str, resource: str, asked: Awaitable[object]) -> Permit:
    permit = Permit(action=action, resource=resource, allowed=True)
    try:
        await asked
    except DeniedError as error:
        return replace(permit, allowed=False, text=str(error))
    except QueueMissingError:
        text = "there is no such queue, or none that this caller may see"
        return replace(permit, allowed=None, text=text)
    except UnavailableError as error:
        return replace(permit, allowed=None, text=str(error))
    except LongshoreError:
        pass  # refused for what is wrong with it, as it was meant to be
    return permit
