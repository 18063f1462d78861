"""How queues are set up, beside how they should be. Nothing is changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

from longshore.errors import ConfigurationError, LongshoreError
from longshore.registry import Finding
from longshore_adapters.sqs.declaring import MAX_RECEIVES
from longshore_adapters.sqs.errors import QueueMissingError
from longshore_adapters.sqs.limits import MAX_MESSAGE
from longshore_adapters.sqs.names import names_of
from longshore_adapters.sqs.purpose import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from longshore_adapters.sqs.connection import Connection
    from longshore_adapters.sqs.names import Names

_DAY: Final = 86_400
_LAMBDA_LIKE: Final = 30
_INIT: Final = "run: longshore init"


async def examine(connection: Connection, queues: Sequence[str]) -> list[Finding]:
    """Look at each queue, its bands and its dead-letter queue."""
    findings: list[Finding] = []
    for queue in queues:
        try:
            names = names_of(queue, connection.options)
        except ConfigurationError as error:
            findings.append(_finding(queue, "fail", str(error), "rename the queue"))
            continue
        dead = await _attributes(connection, names.dead, findings)
        for _, name in names.bands:
            attributes = await _attributes(connection, name, findings)
            if attributes is not None:
                findings += _judged(connection, names, name, attributes, dead)
    return findings


async def _attributes(
    connection: Connection, name: str, findings: list[Finding]
) -> Mapping[str, str] | None:
    try:
        found = await connection.ask(
            Purpose.SETTLE, "GetQueueAttributes", name, AttributeNames=["All"]
        )
    except QueueMissingError:
        findings.append(_finding(name, "fail", "it does not exist", _INIT))
    except LongshoreError as error:
        step = "allow sqs:GetQueueUrl and sqs:GetQueueAttributes, and check the network"
        findings.append(_finding(name, "fail", str(error), step))
    else:
        attributes: Mapping[str, str] = found["Attributes"]
        return attributes
    return None


def _judged(
    connection: Connection,
    names: Names,
    name: str,
    attributes: Mapping[str, str],
    dead: Mapping[str, str] | None,
) -> Iterator[Finding]:
    problems = [
        *_policy(attributes, dead),
        *_retention(connection, attributes, dead),
        *_receiving(attributes),
        *(_fifo(attributes) if names.fifo else ()),
    ]
    if not problems:
        text = f"set up as it should be, {_encryption(attributes)}"
        yield _finding(name, "ok", text)
    for verdict, text, step in problems:
        yield _finding(name, verdict, text, step)


_Problem = tuple[Literal["warn", "fail"], str, str]


def _policy(attributes: Mapping[str, str], dead: Mapping[str, str] | None) -> Iterator[_Problem]:
    policy: dict[str, Any] = json.loads(attributes.get("RedrivePolicy") or "{}")
    if not policy:
        text = "it has no redrive policy: a message that kills its workers comes back for ever"
        yield "fail", text, f"set one to its dead-letter queue, with maxReceiveCount {MAX_RECEIVES}"
        return
    receives = int(policy.get("maxReceiveCount", 0))
    if receives < MAX_RECEIVES:
        text = f"SQS gives messages up after {receives} receives, and waits and drains count as one"
        yield (
            "warn",
            text,
            f"set maxReceiveCount to {MAX_RECEIVES}; attempts are counted by the log",
        )
    if dead is not None and policy.get("deadLetterTargetArn") != dead.get("QueueArn"):
        text = f"SQS gives messages up to {policy.get('deadLetterTargetArn')}, where nobody looks"
        yield "warn", text, f"set deadLetterTargetArn to {dead.get('QueueArn')}"


def _retention(
    connection: Connection, attributes: Mapping[str, str], dead: Mapping[str, str] | None
) -> Iterator[_Problem]:
    kept = int(attributes.get("MessageRetentionPeriod", 0))
    told = int(connection.options.retention.total_seconds())
    if kept < told:
        text = f"messages are kept for {_days(kept)}, and the URL says {_days(told)}"
        yield "fail", text, f"set MessageRetentionPeriod to {told}, or retention= in the URL"
    dead_kept = int((dead or {}).get("MessageRetentionPeriod", kept))
    if dead_kept < kept:
        text = f"dead letters are kept for {_days(dead_kept)}, messages for {_days(kept)}"
        yield "warn", text, "give the dead-letter queue the longer one: age counts from the send"


def _receiving(attributes: Mapping[str, str]) -> Iterator[_Problem]:
    if int(attributes.get("MaximumMessageSize", MAX_MESSAGE)) < MAX_MESSAGE:
        text = f"it takes messages of {attributes['MaximumMessageSize']} bytes only"
        yield "warn", text, f"set MaximumMessageSize to {MAX_MESSAGE}"
    if int(attributes.get("VisibilityTimeout", _LAMBDA_LIKE)) < _LAMBDA_LIKE:
        text = f"its own visibility timeout is {attributes['VisibilityTimeout']} s"
        yield "warn", text, "set VisibilityTimeout to 60, for consumers that do not say theirs"
    if int(attributes.get("DelaySeconds", 0)):
        text = f"every message waits {attributes['DelaySeconds']} s before it can be received"
        yield "warn", text, "set DelaySeconds to 0, unless that is meant"


def _fifo(attributes: Mapping[str, str]) -> Iterator[_Problem]:
    if attributes.get("ContentBasedDeduplication") == "true":
        text = "tasks of other producers with equal bodies count as one for five minutes"
        yield "warn", text, "set ContentBasedDeduplication to false, unless that is meant"
    if attributes.get("FifoThroughputLimit") != "perMessageGroupId":
        text = "it takes 300 requests a second in all"
        step = "set DeduplicationScope=messageGroup and FifoThroughputLimit=perMessageGroupId"
        yield "warn", text, step


def _encryption(attributes: Mapping[str, str]) -> str:
    if attributes.get("KmsMasterKeyId"):
        return "encrypted with a KMS key, which callers must be allowed to use"
    return "encrypted" if attributes.get("SqsManagedSseEnabled") == "true" else "not encrypted"


def _days(seconds: int) -> str:
    return f"{seconds / _DAY:g} days"


def _finding(
    name: str, verdict: Literal["ok", "warn", "fail"], text: str, step: str = ""
) -> Finding:
    return Finding(name=f"SQS queue {name}", verdict=verdict, text=text, step=step)
