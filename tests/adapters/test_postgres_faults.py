"""PostgreSQL killed, cut off and stalled, and rows that several want at once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import sql

from longshore.clock import SystemClock
from longshore.errors import ClosedError, LongshoreError, UnavailableError
from longshore.identity import TaskIds
from longshore.protocol import (
    Answer,
    Change,
    Claim,
    End,
    Note,
    Outcome,
    Record,
    Renewal,
    Verb,
)
from longshore.queue import Outgoing, Rejection, Release, SupportsDeadLetters, SupportsPurge
from longshore.store import Add, Delete, Put
from longshore.task import FINAL, TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore.together import Settlement
from longshore_adapters.postgres import ADAPTER, connection
from longshore_adapters.postgres.options import parse_url
from tests.brokers.private import PrivateServer
from tests.brokers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

    from longshore.protocol import Finished
    from longshore.queue import Delivery, Queue
    from longshore.registry import Backend
    from longshore.store import Store
    from longshore.task_log import TaskLog
    from longshore.together import Together

pytestmark = pytest.mark.once

QUEUE: Final = "default"
LEASE: Final = timedelta(seconds=60)
NO_WAIT: Final = timedelta(0)
DEADLINE: Final = 30.0
ids = TaskIds()


class Ports:
    """The ports of one backend, all of which are there."""

    def __init__(self, backend: Backend) -> None:
        assert backend.queue is not None
        assert backend.task_log is not None
        assert backend.store is not None
        assert backend.together is not None
        self.queue: Queue = backend.queue(QUEUE)
        self.log: TaskLog = backend.task_log
        self.store: Store = backend.store
        self.together: Together = backend.together

    async def held(self) -> Delivery:
        [delivery] = await self.queue.receive(limit=1, wait=NO_WAIT, lease=LEASE)
        return delivery


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Ports]:
    async with ADAPTER.open(url, SystemClock()) as backend:
        yield Ports(backend)


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    with Proxy(int(postgres_url.rpartition(":")[2].partition("/")[0])) as standing:
        yield standing


@pytest.fixture
def away(proxy: Proxy, postgres_schema: str) -> str:
    """The URL of the test's schema, by way of the proxy."""
    return postgres_schema.replace("127.0.0.1:5432", f"127.0.0.1:{proxy.port}")


def record(task_id: str | None = None) -> Record:
    now = datetime.now(UTC)
    key = ids() if task_id is None else type(ids())(task_id)
    spec = TaskSpec(id=key, name="add", queue=QUEUE, body=b"{}", created_at=now)
    return Record(spec=spec, state=TaskState.QUEUED, due_at=now)


def bid(entry: Record, claim_id: str = "a") -> Claim:
    return Claim(spec=entry.spec, claim_id=claim_id, worker="w", lease=LEASE, due_at=entry.due_at)


def success(entry: Record, token: int) -> Outcome:
    return Outcome(task_id=entry.spec.id, token=token, end=End.SUCCESS, held=True)


# ------------------------------------------------------------------------------------- connections

VERBS: Final[dict[str, Callable[[Ports, Delivery, Record], Awaitable[object]]]] = {
    "send": lambda on, _, __: on.queue.send([Outgoing(key=ids(), body=b"")]),
    "receive": lambda on, _, __: on.queue.receive(limit=1, wait=NO_WAIT, lease=LEASE),
    "ack": lambda on, held, _: on.queue.ack([held]),
    "release": lambda on, held, _: on.queue.release([Release(delivery=held)]),
    "reject": lambda on, held, _: on.queue.reject([Rejection(delivery=held, reason="error")]),
    "extend": lambda on, held, _: on.queue.extend([held], lease=LEASE),
    "depth": lambda on, _, __: on.queue.depth(),
    "declare": lambda on, _, __: on.queue.declare(),
    "record": lambda on, _, entry: on.log.record([entry]),
    "claim": lambda on, _, entry: on.log.claim([bid(entry)]),
    "renew": lambda on, _, entry: on.log.renew(
        [Renewal(task_id=entry.spec.id, token=1, lease=LEASE)]
    ),
    "finish": lambda on, _, entry: on.log.finish([success(entry, 1)]),
    "transition": lambda on, _, entry: on.log.transition(
        [Change(task_id=entry.spec.id, verb=Verb.CANCEL)]
    ),
    "note": lambda on, _, entry: on.log.note([Note(task_id=entry.spec.id, token=1, text="a")]),
    "get": lambda on, _, entry: on.log.get([entry.spec.id]),
    "find": lambda on, _, __: on.log.find(TaskQuery()),
    "prune": lambda on, _, entry: on.log.prune(states=FINAL, before=entry.due_at, limit=1),
    "store get": lambda on, _, __: on.store.get(["a"]),
    "store put": lambda on, _, __: on.store.put([Put(key="a", value=b"")]),
    "store delete": lambda on, _, __: on.store.delete([Delete(key="a")]),
    "store add": lambda on, _, __: on.store.add([Add(key="n")]),
    "enqueue": lambda on, _, entry: on.together.enqueue([entry]),
    "settle": lambda on, held, entry: on.together.settle(
        [Settlement(outcome=success(entry, 1), delivery=held)]
    ),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_whose_server_goes_away_says_so_and_works_when_it_is_back(
    verb: str, proxy: Proxy, away: str
) -> None:
    entry = record()
    async with opened(away) as on:
        await on.together.enqueue([entry])
        held = await on.held()
        await on.log.claim([bid(entry)])
        proxy.refuse()

        with pytest.raises(UnavailableError, match="cannot be reached"):
            await VERBS[verb](on, held, entry)
        proxy.resume()
        await VERBS[verb](on, held, entry)


async def test_a_connection_that_ended_while_it_lay_idle_is_not_used(
    proxy: Proxy, away: str
) -> None:
    async with opened(away) as on:
        await asyncio.gather(*(on.queue.depth() for _ in range(4)))
        proxy.cut()
        async with asyncio.timeout(DEADLINE):
            while proxy.connections:
                await asyncio.sleep(0.01)

        assert (await on.queue.depth()).ready == 0


async def test_an_answer_that_never_comes_is_given_up(
    proxy: Proxy, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER", 0.5)
    entry = record()
    async with opened(away) as on:
        await on.together.enqueue([entry])
        proxy.forget()

        with pytest.raises(UnavailableError, match=r"no answer within 0\.5 s"):
            await on.log.claim([bid(entry)])
        [again] = await on.log.claim([bid(entry)])

    assert (again.answer, again.token) == (Answer.WON, 1)


async def test_a_lease_outlives_connections_that_a_firewall_has_forgotten(
    proxy: Proxy, away: str
) -> None:
    entry, lease = record(), timedelta(seconds=8)
    async with opened(away) as on:
        await on.together.enqueue([entry])
        await on.log.claim([replace(bid(entry), lease=lease)])
        await asyncio.gather(*(on.queue.depth() for _ in range(4)))
        renewal = Renewal(task_id=entry.spec.id, token=1, lease=lease)
        proxy.forget()

        async with asyncio.timeout(lease.total_seconds()):
            with pytest.raises(UnavailableError, match="no answer within 2 s"):
                await on.log.renew([renewal])
            [renewed] = await on.log.renew([renewal])

    assert renewed.ok


async def test_an_answer_that_never_comes_to_a_caller_without_a_loop_is_given_up(
    proxy: Proxy, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER", 0.5)
    entry = record()
    with ADAPTER.open_sync(away, SystemClock()) as producer:
        proxy.forget()

        with pytest.raises(UnavailableError):
            await asyncio.to_thread(producer.enqueue, [entry])
        [again] = await asyncio.to_thread(producer.enqueue, [entry])
        [twice] = await asyncio.to_thread(producer.enqueue, [entry])

    assert again.state is twice.state is TaskState.QUEUED
    assert not twice.inserted


async def test_a_lost_answer_to_a_claim_or_a_finish_is_given_again(
    proxy: Proxy, away: str, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER", 0.5)
    entry = record()
    async with opened(postgres_schema) as sure, opened(away) as on:
        await sure.together.enqueue([entry])
        held = await sure.held()
        await on.queue.depth()
        proxy.stall("down")

        with pytest.raises(UnavailableError):
            await on.log.claim([bid(entry)])
        await until(lambda: has_token(sure, entry, 1))
        proxy.resume()
        [claimed] = await on.log.claim([bid(entry)])
        proxy.stall("down")
        settlement = Settlement(outcome=success(entry, claimed.token), delivery=held)
        with pytest.raises(UnavailableError):
            await on.together.settle([settlement])
        await until(lambda: has_ended(sure, entry))
        proxy.resume()
        [finished] = await on.together.settle([settlement])
        depth = await sure.queue.depth()
        attempts = await sure.log.attempts(entry.spec.id)

    assert (claimed.answer, claimed.token) == (Answer.MINE, 1)
    assert finished.state is TaskState.SUCCEEDED
    assert (depth.ready, depth.in_flight, len(attempts)) == (0, 0, 1)


async def has_token(on: Ports, entry: Record, token: int) -> bool:
    [row] = await on.log.get([entry.spec.id])
    return row is not None and row.token == token


async def has_ended(on: Ports, entry: Record) -> bool:
    [row] = await on.log.get([entry.spec.id])
    return row is not None and row.state in FINAL


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_a_receive_that_is_cancelled_leaves_its_message_to_others(
    postgres_schema: str,
) -> None:
    async with opened(postgres_schema) as on:
        for _ in range(20):
            receiving = asyncio.create_task(
                on.queue.receive(limit=1, wait=timedelta(seconds=30), lease=LEASE)
            )
            sending = asyncio.create_task(on.queue.send([Outgoing(key=ids(), body=b"")]))
            await asyncio.sleep(0.001 * Random(_).random())  # noqa: S311 - anywhere in the call
            receiving.cancel()
            got = (await asyncio.gather(receiving, return_exceptions=True))[0]
            await sending
            if isinstance(got, asyncio.CancelledError):
                got = await on.queue.receive(limit=2, wait=NO_WAIT, lease=LEASE)
            assert isinstance(got, list)
            assert len(got) == 1
            await on.queue.ack(got)


async def test_closing_ends_a_receive_that_waits(postgres_schema: str) -> None:
    async with opened(postgres_schema) as on:
        receiving = asyncio.create_task(
            on.queue.receive(limit=1, wait=timedelta(seconds=60), lease=LEASE)
        )
        await on.queue.depth()

    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ClosedError):
            await receiving


# ------------------------------------------------------------------------------- the server's death


async def test_what_was_answered_outlives_a_server_that_is_killed(
    private_postgres: PrivateServer,
) -> None:
    url = f"postgresql://postgres@127.0.0.1:{private_postgres.port}/postgres"
    ADAPTER.init(url)
    answered: list[str] = []
    async with opened(url) as on:
        sending = asyncio.create_task(send_until_it_fails(on, answered))
        await until(lambda: enough(answered))
        private_postgres.kill()
        await sending
        private_postgres.start()
        await until(lambda: serves(on))
        found = await drained(on.queue)
        rows = await standing(on.log)

    assert set(answered) <= set(found)
    assert sorted(found) == sorted(rows), "a row and its message are one step"


async def enough(answered: list[str]) -> bool:
    await asyncio.sleep(0)
    return len(answered) >= 200


async def send_until_it_fails(on: Ports, answered: list[str]) -> None:
    while True:
        batch = [record() for _ in range(5)]
        try:
            await on.together.enqueue(batch)
        except UnavailableError:
            return
        answered += [each.spec.id for each in batch]


async def serves(on: Ports) -> bool:
    try:
        await on.queue.depth()
    except UnavailableError:
        return False
    return True


async def drained(queue: Queue) -> list[str]:
    found: list[str] = []
    while got := await queue.receive(limit=500, wait=NO_WAIT, lease=LEASE):
        found += [str(each.key) for each in got]
        await queue.ack(got)
    return found


async def standing(log: TaskLog) -> list[str]:
    """The ids of all rows that wait to be run."""
    found: list[str] = []
    query, cursor = TaskQuery(states=frozenset({TaskState.QUEUED})), None
    while True:
        page = await log.find(query, limit=500, cursor=cursor)
        found += [task.id for task in page.tasks]
        if (cursor := page.cursor) is None:
            return found


# ------------------------------------------------------------------------------------ many at once


async def test_batches_that_want_the_same_rows_in_any_order_all_get_answers(
    postgres_schema: str,
) -> None:
    random = Random(7)  # noqa: S311 - the same orders every time
    entries = [record() for _ in range(20)]
    async with opened(postgres_schema) as one, opened(postgres_schema) as other:
        await one.together.enqueue(entries)

        async def contend(on: Ports, name: str) -> int:
            won = 0
            for turn in range(15):
                some = random.sample(entries, 12)
                claims = await on.log.claim([bid(each, f"{name}-{turn}") for each in some])
                mine = [
                    (each, claim.token)
                    for each, claim in zip(some, claims, strict=True)
                    if claim.answer is Answer.WON
                ]
                won += len(mine)
                back = [
                    Outcome(task_id=each.spec.id, token=token, end=End.GIVE_BACK, held=True)
                    for each, token in random.sample(mine, len(mine))
                ]
                finished: list[Finished] = await on.log.finish(back)
                assert all(answer.accepted for answer in finished)
            return won

        wins = await asyncio.gather(
            *(contend(on, f"{place}") for place, on in enumerate([one, other, one, other]))
        )
        rows = await one.log.get([each.spec.id for each in entries])

    assert sum(row.token for row in rows if row is not None) == sum(wins)


async def test_a_row_that_somebody_else_keeps_locked_is_not_waited_for_without_end(
    postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection._TIMEOUTS, "lock_timeout", "200ms")  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - 5 s would be waited for
    entry = record()
    lock = sql.SQL("SELECT 1 FROM {} FOR UPDATE")
    table = sql.Identifier(parse_url(postgres_schema).schema, "task")
    async with (
        opened(postgres_schema) as on,
        await psycopg.AsyncConnection.connect(postgres_schema.partition("?")[0]) as other,
    ):
        await on.together.enqueue([entry])
        await other.execute(lock.format(table))

        with pytest.raises(UnavailableError, match="kept a row locked for too long"):
            await on.log.claim([bid(entry)])
        await other.rollback()
        [won] = await on.log.claim([bid(entry)])

    assert won.answer is Answer.WON


async def test_of_many_who_adopt_the_same_messages_each_is_owned_once(postgres_schema: str) -> None:
    entries = [record() for _ in range(30)]
    async with opened(postgres_schema) as one, opened(postgres_schema) as other:
        answers = await asyncio.gather(
            *(
                on.log.claim([bid(each, str(place)) for each in Random(place).sample(entries, 30)])  # noqa: S311 - as above
                for place, on in enumerate([one, other] * 4)
            )
        )
        rows = await one.log.get([each.spec.id for each in entries])

    assert sum(claim.answer is Answer.WON for some in answers for claim in some) == len(entries)
    assert {row.token for row in rows if row is not None} == {1}


async def test_no_message_of_a_dead_letter_outlives_its_row(postgres_schema: str) -> None:
    """Pruning and redriving at once: either the row stands or the letter is gone with it."""
    async with opened(postgres_schema) as on, opened(postgres_schema) as other:
        queue = on.queue
        assert isinstance(queue, SupportsDeadLetters)
        assert isinstance(queue, SupportsPurge)
        for _ in range(25):
            entry = record()
            await on.together.enqueue([entry])
            held = await on.held()
            [won] = await on.log.claim([bid(entry)])
            failed = Outcome(
                task_id=entry.spec.id, token=won.token, end=End.FAILURE, held=True, reason="error"
            )
            await on.together.settle([Settlement(outcome=failed, delivery=held)])
            [letter] = await queue.dead_letters(limit=1)
            after = datetime.now(UTC) + LEASE

            await asyncio.gather(
                queue.redrive([letter.id]),
                other.log.prune(states=FINAL, before=after, limit=9),
            )

            [row] = await on.log.get([entry.spec.id])
            assert (row is None) == ((await queue.depth()).ready == 0)
            await queue.purge()
            await on.log.prune(states=FINAL, before=after, limit=9)


@pytest.mark.parametrize("way", ["send", "depth"])
async def test_a_backend_that_is_closed_says_so(way: str, postgres_schema: str) -> None:
    async with opened(postgres_schema) as on:
        pass

    with pytest.raises(ClosedError) as closed:
        await (on.queue.send([]) if way == "send" else on.queue.depth())

    assert isinstance(closed.value, LongshoreError)
