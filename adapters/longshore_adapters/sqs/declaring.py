"""Making queues, emptying them, and removing them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import ConfigurationError, UnavailableError
from longshore_adapters.sqs.depth import counts_of
from longshore_adapters.sqs.errors import QueueMissingError
from longshore_adapters.sqs.limits import MAX_MESSAGE, MAX_RETENTION_DAYS, MAX_WAIT
from longshore_adapters.sqs.purpose import Purpose

if TYPE_CHECKING:
    from datetime import timedelta

    from longshore_adapters.sqs.connection import Connection
    from longshore_adapters.sqs.names import Names

MAX_RECEIVES: Final = 100
"""Receives before SQS moves a message by itself: only a backstop (protocol.md §11)."""
VISIBILITY: Final = 60
"""Seconds, for receives that do not say it themselves; ours do."""
DEAD_RETENTION: Final = MAX_RETENTION_DAYS * 86_400
"""As long as can be: a message that SQS moves goes on ageing from when it was first sent."""
TAG: Final = "longshore"
"""The tag of the queues that we made; its value is the queue's name."""
SAME_NAME: Final = 60.0
"""Seconds after a deletion in which SQS makes no queue of that name."""
_PAUSE: Final = 5.0
_FIFO: Final = {
    "FifoQueue": "true",
    "ContentBasedDeduplication": "false",
    # Both, for high throughput: limits and duplicates are counted by group.
    "DeduplicationScope": "messageGroup",
    "FifoThroughputLimit": "perMessageGroupId",
}


async def declare(connection: Connection, names: Names) -> bool:
    """Make the dead-letter queue and the queues that are not there; whether any was made."""
    missing = await _missing(connection, names)
    if names.dead in missing:
        await _create(connection, names, names.dead, attributes_of(names, DEAD_RETENTION))
    wanted = [name for name in names.every[:-1] if name in missing]
    if wanted:
        attributes = attributes_of(names, _seconds(connection.options.retention))
        attributes["RedrivePolicy"] = await _redrive_policy(connection, names)
        await asyncio.gather(*(_create(connection, names, name, attributes) for name in wanted))
    return bool(wanted)


async def delete(connection: Connection, names: Names) -> None:
    """Remove the queues, the dead-letter queue last."""
    for name in names.every:
        try:
            await connection.ask(Purpose.SETTLE, "DeleteQueue", name)
        except QueueMissingError:
            continue
        finally:
            connection.forget(name)


async def purge(connection: Connection, names: Names) -> int:
    """Empty the queues; answer about how many messages there were."""
    total = 0
    for name in names.every[:-1]:
        total += sum(await counts_of(connection, name))
        await connection.ask(Purpose.SETTLE, "PurgeQueue", name)
    return total


def attributes_of(names: Names, retention: int) -> dict[str, str]:
    """What every queue is made with."""
    attributes = {
        "MaximumMessageSize": str(MAX_MESSAGE),
        "MessageRetentionPeriod": str(retention),
        "ReceiveMessageWaitTimeSeconds": str(MAX_WAIT),
        "VisibilityTimeout": str(VISIBILITY),
    }
    return attributes | _FIFO if names.fifo else attributes


async def arn_of(connection: Connection, queue: str) -> str:
    """Find a queue's ARN."""
    found = await connection.ask(
        Purpose.SETTLE, "GetQueueAttributes", queue, AttributeNames=["QueueArn"]
    )
    arn: str = found["Attributes"]["QueueArn"]
    return arn


async def _missing(connection: Connection, names: Names) -> set[str]:
    async def is_missing(name: str) -> bool:
        connection.forget(name)
        try:
            await connection.url_of(name)
        except QueueMissingError:
            return True
        return False

    found = await asyncio.gather(*map(is_missing, names.every))
    return {name for name, missing in zip(names.every, found, strict=True) if missing}


async def _create(
    connection: Connection, names: Names, name: str, attributes: dict[str, str]
) -> None:
    """Make a queue; one that another made meanwhile, in its own way, is fine as well."""
    clock = connection.clock
    end = clock.monotonic() + SAME_NAME + _PAUSE
    given: dict[str, Any] = {"QueueName": name, "Attributes": attributes, "tags": {TAG: names.name}}
    while True:
        try:
            made = await connection.call(Purpose.SETTLE, "CreateQueue", name, **given)
        except ConfigurationError as error:
            if "QueueAlreadyExists" in str(error) or "QueueNameExists" in str(error):
                return
            raise
        except UnavailableError as error:
            if "QueueDeletedRecently" not in str(error) or clock.monotonic() > end:
                raise
            await clock.sleep(_PAUSE)
        else:
            connection.remember(name, made["QueueUrl"])
            return


async def _redrive_policy(connection: Connection, names: Names) -> str:
    """Say where dead letters go; a queue just made may not be known everywhere for a second."""
    end = connection.clock.monotonic() + _PAUSE
    while True:
        try:
            arn = await arn_of(connection, names.dead)
        except QueueMissingError:
            if connection.clock.monotonic() > end:
                raise
            await connection.clock.sleep(1)
        else:
            return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())
