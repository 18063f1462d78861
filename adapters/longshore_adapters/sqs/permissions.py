"""IAM statements that let a caller do its work, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore_adapters.sqs.names import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.registry import Role
    from longshore_adapters.sqs.options import Options

ANY_ACCOUNT: Final = "ACCOUNT_ID"
ANY_REGION: Final = "REGION"
"""What stands where the URL does not say."""

LIST: Final = "sqs:ListQueues"
EVERYWHERE: Final = "*"

_SEND: Final = ("sqs:GetQueueUrl", "sqs:SendMessage")
_RECEIVE: Final = (
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
)
_MAKE: Final = (
    "sqs:CreateQueue",
    "sqs:DeleteQueue",
    "sqs:ListQueueTags",
    "sqs:PurgeQueue",
    "sqs:SetQueueAttributes",
    "sqs:TagQueue",
)
_MOVE: Final = ("sqs:CancelMessageMoveTask", "sqs:ListMessageMoveTasks", "sqs:StartMessageMoveTask")


def statements(options: Options, queues: Sequence[str], role: Role) -> list[Mapping[str, object]]:
    """List a role's statements: producers send, workers also receive and reject, operators all.

    An action covers its batch form. A queue encrypted with a KMS key of your own needs
    kms:GenerateDataKey to send and kms:Decrypt to receive, on that key, besides.
    """
    made = [_allow(sid, actions, options, on) for sid, actions, on in grants(options, queues, role)]
    if role == "operator":
        everywhere = {"Action": [LIST], "Resource": EVERYWHERE}
        made.append({"Sid": "LongshoreList", "Effect": "Allow", **everywhere})
    return made


def grants(
    options: Options, queues: Sequence[str], role: Role
) -> list[tuple[str, set[str], Sequence[str]]]:
    """Name what a role does, and on which queues, by the names that SQS knows."""
    names = [names_of(queue, options) for queue in queues]
    bands = [name for each in names for _, name in each.bands]
    dead = [each.dead for each in names]
    found: list[tuple[str, set[str], Sequence[str]]] = [("Send", {*_SEND}, bands)]
    if role != "producer":
        found.append(("Receive", {*_RECEIVE}, bands))
        found.append(("Reject", {*_SEND, "sqs:GetQueueAttributes"}, dead))
    if role == "operator":
        found.append(("DeadLetters", {*_RECEIVE, *_MOVE}, dead))
        found.append(("Make", {*_MAKE}, [*bands, *dead]))
    return found


def arn_of(queue: str, options: Options) -> str:
    """Name a queue as policies do."""
    where = f"{options.region or ANY_REGION}:{options.account or ANY_ACCOUNT}"
    return f"arn:aws:sqs:{where}:{queue}"


def _allow(
    sid: str, actions: set[str], options: Options, queues: Sequence[str]
) -> Mapping[str, object]:
    return {
        "Sid": f"Longshore{sid}",
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": [arn_of(queue, options) for queue in queues],
    }
