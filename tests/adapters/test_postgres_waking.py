"""A receive that waits is told of a message, and nobody is told where nobody waits."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from longshore.clock import SystemClock
from longshore.identity import TaskIds
from longshore.protocol import Claim, End, Outcome, Record
from longshore.queue import Outgoing, Rejection, Release, SupportsDeadLetters
from longshore.task import TaskSpec, TaskState
from longshore.together import Settlement
from longshore_adapters.postgres import ADAPTER
from longshore_adapters.postgres.options import parse_url
from longshore_adapters.postgres.session import number_of
from tests.adapters.waited import DEADLINE, Waited
from tests.brokers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from longshore.clock import Clock
    from longshore.queue import Delivery, Queue
    from longshore.registry import Backend

pytestmark = pytest.mark.once

QUEUE = "default"
LEASE = timedelta(seconds=60)
LONG = timedelta(seconds=50)
NEVER = "&poll=60000"
"""So rarely that within a test nothing is found by looking."""
ids = TaskIds()


@asynccontextmanager
async def opened(url: str, clock: Clock | None = None) -> AsyncGenerator[Backend]:
    async with ADAPTER.open(url, clock or SystemClock()) as backend:
        yield backend


def queue_of(backend: Backend) -> Queue:
    assert backend.queue is not None
    return backend.queue(QUEUE)


def message() -> Outgoing:
    return Outgoing(key=ids(), body=b"{}")


def record() -> Record:
    now = datetime.now(UTC)
    spec = TaskSpec(id=ids(), name="add", queue=QUEUE, body=b"{}", created_at=now)
    return Record(spec=spec, state=TaskState.QUEUED, due_at=now)


async def taken(queue: Queue) -> list[Delivery]:
    return await queue.receive(limit=1, wait=timedelta(0), lease=LEASE)


@asynccontextmanager
async def one_that_waits(
    url: str, clock: Waited | None = None
) -> AsyncGenerator[asyncio.Task[list[Delivery]]]:
    """A receive by another backend, which has found nothing and waits."""
    clock = clock or Waited()
    async with opened(url, clock) as backend:
        receiving = asyncio.create_task(queue_of(backend).receive(limit=1, wait=LONG, lease=LEASE))
        await clock.until(1)
        yield receiving


# ------------------------------------------------------------------------------------------ waking


async def sent(backend: Backend) -> None:
    await queue_of(backend).send([message()])


async def enqueued(backend: Backend) -> None:
    assert backend.together is not None
    await backend.together.enqueue([record()])


async def delayed(backend: Backend) -> None:
    """Sent to be visible soon: who waits has to reckon anew."""
    await queue_of(backend).send([Outgoing(key=ids(), body=b"", delay=timedelta(seconds=0.3))])


WAYS = [sent, enqueued, delayed]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_what_another_process_sends_ends_the_wait(
    way: Callable[[Backend], Awaitable[None]], postgres_schema: str
) -> None:
    url = postgres_schema + NEVER
    async with opened(url) as backend, one_that_waits(url) as receiving:
        await way(backend)

        async with asyncio.timeout(DEADLINE):
            assert len(await receiving) == 1


async def test_what_a_caller_without_a_loop_enqueues_ends_the_wait(postgres_schema: str) -> None:
    url = postgres_schema + NEVER
    with ADAPTER.open_sync(url, SystemClock()) as producer:
        async with one_that_waits(url) as receiving:
            producer.enqueue([record()])

            async with asyncio.timeout(DEADLINE):
                assert len(await receiving) == 1


async def released(queue: Queue, delivery: Delivery) -> None:
    await queue.release([Release(delivery=delivery)])


async def redriven(queue: Queue, delivery: Delivery) -> None:
    assert isinstance(queue, SupportsDeadLetters)
    await queue.reject([Rejection(delivery=delivery, reason="error")])
    [letter] = await queue.dead_letters(limit=1)
    await queue.redrive([letter.id])


@pytest.mark.parametrize("way", [released, redriven], ids=lambda way: way.__name__)
async def test_what_comes_back_ends_the_wait(
    way: Callable[[Queue, Delivery], Awaitable[None]], postgres_schema: str
) -> None:
    url = postgres_schema + NEVER
    async with opened(url) as backend:
        await sent(backend)
        [held] = await taken(queue_of(backend))
        async with one_that_waits(url) as receiving:
            await way(queue_of(backend), held)

            async with asyncio.timeout(DEADLINE):
                assert len(await receiving) == 1


async def test_an_attempt_that_goes_back_to_its_queue_ends_the_wait(postgres_schema: str) -> None:
    url = postgres_schema + NEVER
    async with opened(url) as backend:
        assert backend.together is not None
        assert backend.task_log is not None
        entry = record()
        await backend.together.enqueue([entry])
        [held] = await taken(queue_of(backend))
        bid = Claim(spec=entry.spec, claim_id="a", worker="w", lease=LEASE, due_at=entry.due_at)
        [won] = await backend.task_log.claim([bid])
        async with one_that_waits(url) as receiving:
            outcome = Outcome(task_id=entry.spec.id, token=won.token, end=End.GIVE_BACK, held=True)
            await backend.together.settle([Settlement(outcome=outcome, delivery=held)])

            async with asyncio.timeout(DEADLINE):
                assert len(await receiving) == 1


async def test_whoever_loses_the_connection_it_listens_on_listens_on_another(
    postgres_url: str, postgres_schema: str
) -> None:
    with Proxy(int(postgres_url.rpartition(":")[2].partition("/")[0])) as proxy:
        away = postgres_schema.replace("127.0.0.1:5432", f"127.0.0.1:{proxy.port}")
        clock = Waited()
        async with (
            opened(postgres_schema) as backend,
            one_that_waits(away + NEVER, clock) as receiving,
        ):
            proxy.cut()
            await clock.until(2)
            await sent(backend)

            async with asyncio.timeout(DEADLINE):
                assert len(await receiving) == 1


async def test_without_listening_a_message_is_found_by_looking(postgres_schema: str) -> None:
    url = f"{postgres_schema}&listen=off&poll=20"
    async with opened(url) as backend, opened(url) as other:
        receiving = asyncio.create_task(queue_of(other).receive(limit=1, wait=LONG, lease=LEASE))
        await sent(backend)

        async with asyncio.timeout(DEADLINE):
            assert len(await receiving) == 1


# ---------------------------------------------------------------------------------- telling nobody


async def told(connection: psycopg.AsyncConnection[Any], channel: str) -> list[str]:
    """Everything that was notified so far, of which an own word is the last."""
    await connection.execute("SELECT pg_notify(%s, 'the end')", (channel,))
    found: list[str] = []
    async for notify in connection.notifies(timeout=DEADLINE):
        if notify.payload == "the end":
            return found
        found.append(notify.payload)
    pytest.fail("not even the own word came")


async def test_nobody_is_notified_while_nobody_waits(postgres_schema: str) -> None:
    channel = parse_url(postgres_schema).channel
    async with (
        await psycopg.AsyncConnection.connect(
            postgres_schema.partition("?")[0], autocommit=True
        ) as connection,
        opened(postgres_schema) as backend,
    ):
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        for _ in range(5):
            await sent(backend)
            await enqueued(backend)
        unawaited = await told(connection, channel)
        await queue_of(backend).delete()
        async with one_that_waits(postgres_schema) as receiving:
            await sent(backend)
            awaited = await told(connection, channel)
            await receiving

    assert unawaited == []
    assert awaited == [str(number_of(channel, QUEUE))]


async def test_a_queue_that_is_awaited_no_more_is_withdrawn(postgres_schema: str) -> None:
    channel = parse_url(postgres_schema).channel
    async with (
        await psycopg.AsyncConnection.connect(
            postgres_schema.partition("?")[0], autocommit=True
        ) as connection,
        opened(postgres_schema) as backend,
    ):
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        await queue_of(backend).receive(limit=1, wait=timedelta(milliseconds=1), lease=LEASE)

        async with asyncio.timeout(DEADLINE):
            await sent(backend)
            while await told(connection, channel):
                await sent(backend)
