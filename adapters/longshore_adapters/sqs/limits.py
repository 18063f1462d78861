"""What SQS takes: its limits as constants, checked here because emulators let much of it pass.

Sources: the service's API reference, as it stands in botocore's `sqs/2012-11-05` model; the
developer guide's page "Amazon SQS quotas" where a name says QUOTA.
"""

from __future__ import annotations

import re
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

from longshore.errors import ConfigurationError, TooLargeError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.errors import LongshoreError

MAX_MESSAGE: Final = 1_048_576
"""Bytes of a body with its attributes, and of all messages of one request. SendMessageBatch."""

MAX_BODY: Final = MAX_MESSAGE - 1024
"""Bytes of a body of ours: the rest is for the attributes that travel with it."""

MAX_ENTRIES: Final = 10
"""Messages in one request. SendMessageBatch, DeleteMessageBatch, ReceiveMessage."""

MAX_BATCH: Final = 200
"""Messages in one call of ours, which becomes as many requests as it takes."""

MAX_ATTRIBUTES: Final = 10
"""User attributes of a message; SQS answers `exceeds the allowed maximum [10]`."""

MAX_WAIT: Final = 20
"""Seconds of one long poll. ReceiveMessage, WaitTimeSeconds."""

MAX_VISIBILITY: Final = timedelta(hours=12)
"""A visibility timeout, and all of them since a receive together. ChangeMessageVisibility."""

MAX_DELAY: Final = timedelta(minutes=15)
"""DelaySeconds of a message of a standard queue; FIFO queues have none. SendMessage."""

MAX_RELEASE_DELAY: Final = timedelta(minutes=15)
"""Ours: a message released with a delay stays in flight, and in its 12 hours."""

MAX_REDRIVE_RATE: Final = 500
"""Messages a second. StartMessageMoveTask, MaxNumberOfMessagesPerSecond."""

MAX_NAME: Final = 80
"""Characters of a queue's name, `.fifo` included. CreateQueue, QueueName."""

MAX_RETENTION_DAYS: Final = 14
"""MessageRetentionPeriod, at most. CreateQueue."""

_SQS: Final = "the limit of SQS"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(\.fifo)?")
_ATTRIBUTE: Final = re.compile(r"(?!.*\.\.)(?!\.)[A-Za-z0-9_.-]{1,256}(?<!\.)")
_VENDOR: Final = ("aws.", "amazon.")
_GROUP: Final = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,./:;<=>?@\[\\\]^_`{|}~-]{1,128}")
_FORBIDDEN: Final = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def unsupported(option: str, instead: str) -> UnsupportedError:
    """Make the error for what SQS does not have, or not in that size."""
    adapter = "sqs"
    return UnsupportedError(adapter, option, instead)


def is_text(text: str) -> bool:
    """Whether SQS takes it: `InvalidMessageContents` lists the characters."""
    return _FORBIDDEN.search(text) is None


def seconds(duration: timedelta) -> int:
    """Whole seconds, as SQS counts them: never fewer than asked for."""
    return max(ceil(duration.total_seconds()), 0)


def check_name(name: str) -> None:
    """Refuse a queue that SQS would not make."""
    if _NAME.fullmatch(name) is None or len(name) > MAX_NAME:
        message = (
            f"{name!r} cannot be the name of an SQS queue; use up to {MAX_NAME} letters, digits, "
            "'-' and '_', ending in .fifo for a FIFO queue (CreateQueue, QueueName)"
        )
        raise ConfigurationError(message)


def check_group(group: str) -> None:
    """Refuse a tenant or ordering group that cannot be a MessageGroupId."""
    if _GROUP.fullmatch(group) is None:
        instead = "use 1 to 128 ASCII letters, digits and punctuation (SendMessage, MessageGroupId)"
        option = f"the group {group!r:.60}"
        raise unsupported(option, instead)


def check_attributes(attributes: Mapping[str, str], ours: int) -> None:
    """Refuse what SQS would; `ours` is how many attributes of Longshore go with them."""
    if len(attributes) + ours > MAX_ATTRIBUTES:
        found = f"{len(attributes)} attributes beside {ours} of Longshore's own"
        raise unsupported(found, f"{MAX_ATTRIBUTES} in all are {_SQS}")
    for name, value in attributes.items():
        if _ATTRIBUTE.fullmatch(name) is None or name.lower().startswith(_VENDOR):
            instead = "use letters, digits, '_', '-' and '.' (SendMessage, MessageAttributes)"
            option = f"an attribute named {name!r:.60}"
            raise unsupported(option, instead)
        if not value or not is_text(value):
            instead = "give text that is not empty and has no control characters"
            option = f"this value of the attribute {name!r:.60}"
            raise unsupported(option, instead)


def check_size(body: int, size: int) -> None:
    """Refuse a body that is too long, or that is with its attributes."""
    if body > MAX_BODY:
        what = "the message"
        raise TooLargeError(what, body, MAX_BODY, f"{_SQS}, less 1 KiB for attributes")
    if size > MAX_MESSAGE:
        what = "the message with its attributes"
        raise TooLargeError(what, size, MAX_MESSAGE, _SQS)


def lease_refusal(lease: timedelta) -> LongshoreError | None:
    """Answer the error for a lease that no visibility timeout can be."""
    if lease <= MAX_VISIBILITY:
        return None
    return unsupported(f"a lease of {lease}", f"{MAX_VISIBILITY} is {_SQS}")


def hold_refusal(held: timedelta, further: timedelta) -> LongshoreError | None:
    """Answer the error for what would hide a message until more than 12 hours after its receive."""
    if held + further <= MAX_VISIBILITY:
        return None
    option = f"{further} more for a message that has been held for {held}"
    instead = f"{MAX_VISIBILITY} since the receive is {_SQS} (ChangeMessageVisibility)"
    return unsupported(option, instead)


def release_refusal(delay: timedelta) -> LongshoreError | None:
    """Answer the error for a release too far ahead, however short a message has been held."""
    if delay <= MAX_RELEASE_DELAY:
        return None
    option = f"a release with a delay of {delay}"
    return unsupported(option, f"keep waits above {MAX_RELEASE_DELAY} in the log")
