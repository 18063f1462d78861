"""Queue and log of one memory server under one lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.protocol import Settle
from longshore.queue import NO_DELAY, Outgoing
from longshore.task import OPEN
from longshore.together import rejection_of
from longshore_adapters.memory import queue, task_log
from longshore_adapters.memory.queue import MemoryQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.protocol import Finished, Record, Recorded
    from longshore.together import Settlement
    from longshore_adapters.memory.server import Connection, MemoryServer


class MemoryTogether:
    """Both sides of a step, atomic because they share the lock."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages."""
        return self.enqueue_now(records)

    async def settle(self, settlements: Sequence[Settlement]) -> list[Finished]:
        """Finish attempts and settle their messages."""
        with self._connection.use() as server:
            return [self._settle(server, settlement) for settlement in settlements]

    def enqueue_now(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages, in the caller's thread."""
        with self._connection.use() as server:
            for record in records:
                body = record.spec.body
                refused = queue.too_large(body) if _sends(record) else task_log.too_large(body)
                if refused is not None:
                    raise refused
            return [self._enqueue(server, record) for record in records]

    def _enqueue(self, server: MemoryServer, record: Record) -> Recorded:
        answer = task_log.insert(server, record)
        if answer.inserted and _sends(record):
            spec = record.spec
            message = Outgoing(
                key=spec.id,
                body=spec.body,
                priority=spec.priority,
                delay=max(record.due_at - server.clock.now(), NO_DELAY),
                group=spec.tenant,
            )
            MemoryQueue(self._connection, spec.queue).put(server, message)
        return answer

    def _settle(self, server: MemoryServer, settlement: Settlement) -> Finished:
        answer = task_log.end(server, settlement.outcome)
        delivery = settlement.delivery
        if delivery is None:
            return answer
        held_in = MemoryQueue(self._connection, delivery.queue)
        if answer.settle is Settle.ACK:
            held_in.forget(server, delivery)
        elif answer.settle is Settle.RELEASE:
            held_in.give_back(server, delivery, answer.delay)
        elif answer.settle is Settle.DEAD_LETTER:
            held_in.bury(server, rejection_of(settlement.outcome, delivery, answer))
        return answer


class MemorySyncTogether:
    """The enqueueing half, for callers without a loop."""

    def __init__(self, together: MemoryTogether) -> None:
        self._together = together

    def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        """Insert rows and their messages."""
        return self._together.enqueue_now(records)


def _sends(record: Record) -> bool:
    return record.state in OPEN and not record.armed
