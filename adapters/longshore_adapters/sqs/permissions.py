"""IAM statements that let a caller do its work, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from longshore_adapters.sqs.names import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.registry import Role
    from longshore_adapters.sqs.options import Options

ANY_ACCOUNT: Final = "ACCOUNT_ID"
ANY_REGION: Final = "REGION"
"""What stands where the URL does not say."""

Grant: TypeAlias = tuple[str, frozenset[str], Sequence[str]]
"""What it is for, actions, and the queues of SQS that they are allowed on."""

_FIND: Final = frozenset({"sqs:GetQueueUrl"})
_SEND: Final = _FIND | {"sqs:SendMessage"}
_COUNT: Final = _FIND | {"sqs:GetQueueAttributes"}
_RECEIVE: Final = _FIND | {
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:ReceiveMessage",
}
_MAKE: Final = _FIND | {
    "sqs:CreateQueue",
    "sqs:DeleteQueue",
    "sqs:TagQueue",
}


def statements(options: Options, queues: Sequence[str], role: Role) -> list[Mapping[str, object]]:
    """List a role's statements.

    Producers send. Workers also receive, reject, and publish what is due. Operators send, count,
    make and remove queues, empty them, and receive dead letters: no others.

    An action covers its batch form. A queue encrypted with a KMS key of your own needs
    kms:GenerateDataKey to send and kms:Decrypt to receive, on that key, besides.
    """
    return [_allow(sid, actions, options, on) for sid, actions, on in grants(options, queues, role)]


def grants(options: Options, queues: Sequence[str], role: Role) -> list[Grant]:
    """Name what a role does, and on which queues, by the names that SQS knows."""
    names = [names_of(queue, options) for queue in queues]
    bands = [name for each in names for _, name in each.bands]
    dead = [each.dead for each in names]
    every = [*bands, *dead]
    found: list[Grant] = [("Send", _SEND, bands)]
    if role == "worker":
        found += [("Receive", _RECEIVE, bands), ("Reject", _SEND, dead), ("Count", _COUNT, every)]
    if role == "operator":
        found += [
            ("DeadLetters", _RECEIVE | {"sqs:StartMessageMoveTask"}, dead),
            ("Make", _MAKE | _COUNT, every),
            ("Empty", _FIND | {"sqs:PurgeQueue"}, bands),
        ]
    return found


def arn_of(queue: str, options: Options) -> str:
    """Name a queue as policies do."""
    where = f"{options.region or ANY_REGION}:{options.account or ANY_ACCOUNT}"
    return f"arn:aws:sqs:{where}:{queue}"


def _allow(
    sid: str, actions: frozenset[str], options: Options, queues: Sequence[str]
) -> Mapping[str, object]:
    return {
        "Sid": f"Longshore{sid}",
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": [arn_of(queue, options) for queue in queues],
    }
