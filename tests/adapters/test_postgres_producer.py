"""What is sent without a loop: a lone row as one of a batch, and what is said where none was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from longshore.clock import SystemClock
from longshore.errors import LongshoreError, UnavailableError
from longshore.identity import TaskIds
from longshore.protocol import Record
from longshore.task import TaskSpec, TaskState
from longshore_adapters.postgres import ADAPTER
from longshore_adapters.postgres.connection import connect
from longshore_adapters.postgres.options import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from longshore_adapters.postgres.connection import Bounded

ids = TaskIds()
LARGE = 16 * 1024 * 1024
COLUMNS = """
SELECT t.queue, name, state, t.priority, max_attempts, created_at, due_at, t.body, wake_at,
    wake_no, delete_on_complete, m.queue, m.priority, m.ready, m.task = t.seq, m.group_key, m.body
FROM task AS t LEFT JOIN message AS m ON m.key = t.id WHERE t.id = ANY(%s)
"""
HOLD = """
INSERT INTO task (id, queue, name, state, priority, created_at, due_at, updated_at)
VALUES (%s, '', '', 'queued', 5, now(), now(), now())
"""
END_WHO_WAITS = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE NOT granted AND locktype = 'transactionid' AND %s = ANY(pg_blocking_pids(pid))
"""


def record(**given: Any) -> Record:
    now = datetime.now(UTC)
    spec = TaskSpec(id=ids(), name="add", queue="default", body=b"{}", created_at=now)
    return Record(spec=replace(spec, **given), state=TaskState.QUEUED, due_at=now)


@pytest.fixture
def outside(postgres_schema: str) -> Iterator[Bounded]:
    with connect(parse_url(postgres_schema)) as connection:
        yield connection


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"name": "ünïcode ' \\ { \" $1", "queue": "a b", "body": bytes(range(256))},
        {"name": "\x00\x1a\ud800", "queue": "\udfff", "priority": 9, "max_attempts": None},
        {"created_at": datetime(1, 1, 1, tzinfo=UTC), "max_attempts": 3, "priority": 1},
    ],
)
def test_a_lone_row_is_that_of_a_batch(
    given: dict[str, Any], postgres_schema: str, outside: Bounded
) -> None:
    due = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    for moment in (datetime.now(UTC), due):
        lone, *batch = (replace(record(**given), due_at=moment) for _ in range(3))
        batch = [replace(each, spec=replace(lone.spec, id=each.spec.id)) for each in batch]

        with ADAPTER.open_sync(postgres_schema, SystemClock()) as producer:
            answers = [*producer.enqueue([lone]), *producer.enqueue(batch)]

        keys = [each.spec.id for each in (lone, *batch)]
        rows = outside.execute(COLUMNS, (keys,)).fetchall()
        assert [answer.inserted for answer in answers] == [True] * 3
        assert len(rows) == 3
        assert rows[0] == rows[1] == rows[2]


def test_a_lone_task_that_is_there_is_found(postgres_schema: str, outside: Bounded) -> None:
    entry = record()
    with ADAPTER.open_sync(postgres_schema, SystemClock()) as producer:
        [first] = producer.enqueue([entry])
        [second] = producer.enqueue([entry])

    assert (first.inserted, second.inserted) == (True, False)
    assert second.state is TaskState.QUEUED
    assert len(outside.execute(COLUMNS, ([entry.spec.id],)).fetchall()) == 1


def test_a_body_that_no_buffer_holds_is_sent(postgres_schema: str, outside: Bounded) -> None:
    entry = record(body=bytes(LARGE))
    with ADAPTER.open_sync(postgres_schema, SystemClock()) as producer:
        producer.enqueue([entry])

    [(size,)] = outside.execute("SELECT length(body) FROM task").fetchall()
    assert size == LARGE


@pytest.mark.parametrize("warm", [0, 2])
def test_what_the_server_refuses_is_said_and_leaves_a_producer_that_works(
    warm: int, postgres_schema: str, outside: Bounded
) -> None:
    with ADAPTER.open_sync(postgres_schema, SystemClock()) as producer:
        for _ in range(warm):
            producer.enqueue([record()])
        outside.execute("ALTER TABLE message RENAME TO hidden")
        with pytest.raises(LongshoreError):
            producer.enqueue([record()])
        outside.execute("ALTER TABLE hidden RENAME TO message")
        [done] = producer.enqueue([record()])

    assert done.inserted
    assert outside.execute("SELECT count(*) FROM message").fetchall() == [(warm + 1,)]


@pytest.mark.parametrize("warm", [0, 2])
def test_a_session_that_is_ended_meanwhile_is_said_and_the_next_is_new(
    warm: int, postgres_schema: str, outside: Bounded
) -> None:
    entry = record()
    with (
        ADAPTER.open_sync(postgres_schema, SystemClock()) as producer,
        ThreadPoolExecutor(1) as pool,
        connect(parse_url(postgres_schema)) as holder,
    ):
        for _ in range(warm):
            producer.enqueue([record()])
        with holder.transaction(force_rollback=True):
            holder.execute(HOLD, (entry.spec.id,))
            sent = pool.submit(producer.enqueue, [entry])
            while not outside.execute(END_WHO_WAITS, (holder.info.backend_pid,)).fetchall():
                assert not sent.done()
            with pytest.raises(UnavailableError):
                sent.result(timeout=20)
        [done] = producer.enqueue([entry])

    assert done.inserted
