"""The ends of deliveries: one batcher for each operation and queue of SQS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from longshore_adapters.sqs.batcher import Batcher
from longshore_adapters.sqs.purpose import Purpose
from longshore_adapters.sqs.wire import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.errors import LongshoreError
    from longshore.queue import Delivery
    from longshore_adapters.sqs.connection import Connection
    from longshore_adapters.sqs.names import Names

SEND_LINGER: Final = 0.003
"""Seconds that a send waits for company while others are on their way."""
ACK_LINGER: Final = 0.02
"""Seconds that an ack waits for company: nobody waits for it, and a full request costs the same."""


class Requests:
    """The requests of one queue of ours, to all the queues of SQS that it is made of."""

    def __init__(self, connection: Connection, names: Names) -> None:
        """Start with nothing on its way."""
        self._connection = connection
        self._names = names
        self._batchers: dict[tuple[str, str], Batcher] = {}
        self._bands = {f"{threshold}": name for threshold, name in names.bands[:-1]}

    async def send(self, queue: str, entries: Sequence[Entry]) -> list[LongshoreError | None]:
        """Send messages to a queue of SQS."""
        return await self._batcher("SendMessageBatch", queue).add(entries)

    async def delete(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Delete messages."""
        fields = [self._fields(each) for each in deliveries]
        return await self.settle("DeleteMessageBatch", fields)

    async def change(
        self, deliveries: Sequence[Delivery], visible_in: Sequence[int]
    ) -> list[LongshoreError | None]:
        """Make each message visible in so many seconds from now."""
        fields: list[tuple[str, dict[str, Any]]] = []
        for delivery, seconds in zip(deliveries, visible_in, strict=True):
            queue, given = self._fields(delivery)
            fields.append((queue, {**given, "VisibilityTimeout": seconds}))
        return await self.settle("ChangeMessageVisibilityBatch", fields)

    async def settle(
        self, operation: str, fields: Sequence[tuple[str, dict[str, Any]]]
    ) -> list[LongshoreError | None]:
        """Carry out an operation on items of several queues of SQS; answers in their order."""
        queues = list(dict.fromkeys(queue for queue, _ in fields))
        batches = [[Entry(given) for queue, given in fields if queue == one] for one in queues]
        answers = await asyncio.gather(
            *(
                self._batcher(operation, queue).add(batch)
                for queue, batch in zip(queues, batches, strict=True)
            )
        )
        by_queue = {queue: iter(found) for queue, found in zip(queues, answers, strict=True)}
        return [next(by_queue[queue]) for queue, _ in fields]

    async def settled(self) -> None:
        """Wait until nothing is on its way."""
        for batcher in list(self._batchers.values()):
            await batcher.settled()

    def _fields(self, delivery: Delivery) -> tuple[str, dict[str, Any]]:
        mark, _, handle = delivery.receipt.rpartition(" ")
        queue = self._bands.get(mark, self._names.bands[-1][1])
        return queue, {"ReceiptHandle": handle}

    def _batcher(self, operation: str, queue: str) -> Batcher:
        found = self._batchers.get((operation, queue))
        if found is None:
            sends = operation == "SendMessageBatch"
            found = self._batchers[operation, queue] = Batcher(
                self._connection,
                Purpose.SEND if sends else Purpose.SETTLE,
                operation,
                queue,
                linger=ACK_LINGER if operation == "DeleteMessageBatch" else SEND_LINGER,
                eager=operation != "DeleteMessageBatch",
                ordered=sends and self._names.fifo,
            )
        return found
