"""New rows, with or without a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore import protocol
from longshore.protocol import Recorded
from longshore.task import OPEN
from longshore_adapters.redis import scripts
from longshore_adapters.redis.ledger import Queues
from longshore_adapters.redis.letters import payload_head
from longshore_adapters.redis.limits import FIT
from longshore_adapters.redis.scalars import EPOCH, raw
from longshore_adapters.redis.wire import ABSENT, STATES, to_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.protocol import Record
    from longshore_adapters.redis.connection import Connection


def sends(record: Record) -> bool:
    """Whether an enqueued record gets a message."""
    return record.state in OPEN and not record.armed


def check(records: Sequence[Record]) -> None:
    """Raise where one is too long, with its message."""
    for record in records:
        if error := FIT.record(record, sends=sends(record)):
            raise error


def arguments_of(queues: Queues, records: Sequence[Record], *, silent: bool) -> list[bytes | int]:
    """Write what `enqueue.lua` is given; without messages where `silent`."""
    arguments: list[bytes | int] = []
    for record in records:
        spec = record.spec
        row = to_row(protocol.record(record, EPOCH), ABSENT)  # the server sets the time
        sent = not silent and sends(record)
        place = queues.place(spec.queue) if sent else 0
        head = payload_head(spec.tenant, {}) if sent else b""
        arguments += (raw(spec.id), row, spec.body, place, spec.priority, head)
    return [*queues.names(), *arguments]


def answers_of(records: Sequence[Record], told: Sequence[int]) -> list[Recorded]:
    """Read what it answered."""
    return [
        Recorded(
            task_id=record.spec.id,
            inserted=code == 0,
            state=STATES[code - 1] if code else record.state,
        )
        for record, code in zip(records, told, strict=True)
    ]


async def insert(
    connection: Connection, records: Sequence[Record], *, silent: bool
) -> list[Recorded]:
    """Insert rows that are absent, in one step."""
    queues = Queues(connection.keys)
    arguments = arguments_of(queues, records, silent=silent)
    told = await connection.run(scripts.ENQUEUE, queues.keys(), *arguments)
    return answers_of(records, told)
