"""Redis behind a network that breaks, and a server that dies."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import pytest
import redis

from longshore.clock import SystemClock
from longshore.conformance.queue.hands import message
from longshore.errors import ClosedError, LeaseLostError, LongshoreError, UnavailableError
from longshore.identity import TaskId, TaskIds
from longshore.protocol import Answer, Change, Claim, End, Note, Outcome, Record, Renewal, Verb
from longshore.queue import Rejection, Release, SupportsDeadLetters, SupportsPurge
from longshore.store import Add, Delete, Put
from longshore.task import FINAL, Task, TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore.together import Settlement
from longshore_adapters.redis import ADAPTER, queue
from longshore_adapters.redis.connection import Connection
from longshore_adapters.redis.ledger import Ledger
from longshore_adapters.redis.ledger import Verb as Ruling
from longshore_adapters.redis.options import parse_url
from tests.adapters.waited import Waited
from tests.brokers.fixtures import running
from tests.brokers.private import PrivateServer
from tests.brokers.proxy import Proxy
from tests.brokers.servers import REDIS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from datetime import datetime

    from longshore.queue import Delivery, Queue
    from longshore.registry import Backend
    from longshore.store import Store
    from longshore.task_log import TaskLog
    from longshore.together import Together

    Verbs: TypeAlias = "dict[str, Callable[[], Awaitable[object]]]"

pytestmark = pytest.mark.once

LEASE = timedelta(seconds=30)
LONG = timedelta(seconds=20)
NO_WAIT = timedelta(0)
BRIEF = timedelta(seconds=0.3)
CLOCK = SystemClock()
IDS = TaskIds()


class Parts:
    """The parts of a backend, each surely there."""

    def __init__(self, backend: Backend) -> None:
        assert backend.queue is not None
        assert backend.task_log is not None
        assert backend.store is not None
        assert backend.together is not None
        self.named = backend.queue
        self.queue: Queue = backend.queue("q")
        self.log: TaskLog = backend.task_log
        self.store: Store = backend.store
        self.together: Together = backend.together

    async def take(self, limit: int = 1, lease: timedelta = LEASE) -> list[Delivery]:
        return await self.queue.receive(limit=limit, wait=NO_WAIT, lease=lease)


@pytest.fixture
def options() -> str:
    return f"?prefix=faults-{uuid4().hex}&timeout=0.5"


@pytest.fixture
def proxy(redis_url: str, options: str) -> Iterator[Proxy]:
    with Proxy(int(redis_url.rpartition(":")[2].partition("/")[0])) as between:
        yield between
    ADAPTER.deinit(f"{redis_url}{options}")


@pytest.fixture
def waited() -> Waited:
    return Waited()


@pytest.fixture
async def far(proxy: Proxy, options: str, waited: Waited) -> AsyncIterator[Parts]:
    """Through the proxy."""
    async with ADAPTER.open(f"redis://127.0.0.1:{proxy.port}{options}", waited) as backend:
        yield Parts(backend)
        proxy.resume()


@pytest.fixture
def url(redis_url: str, options: str) -> Iterator[str]:
    """Beside the proxy."""
    url = f"{redis_url}{options}"
    yield url
    ADAPTER.deinit(url)


@pytest.fixture
async def near(url: str) -> AsyncIterator[Parts]:
    """Beside the proxy, to see what stands."""
    async with ADAPTER.open(url, CLOCK) as backend:
        yield Parts(backend)


def clients_of(server: PrivateServer) -> Any:
    return redis.Redis(port=server.port)


def spec(task_id: TaskId | None = None) -> TaskSpec:
    return TaskSpec(
        id=task_id or IDS(), name="render", queue="q", body=b"{}", created_at=CLOCK.now()
    )


def record(of: TaskSpec | None = None) -> Record:
    return Record(spec=of or spec(), state=TaskState.QUEUED, due_at=CLOCK.now())


def bid(of: TaskSpec, claim_id: str = "a") -> Claim:
    return Claim(spec=of, claim_id=claim_id, worker="w", lease=LEASE, due_at=of.created_at)


def success(of: TaskSpec, token: int = 1) -> Outcome:
    return Outcome(task_id=of.id, token=token, end=End.SUCCESS, result=b"1")


def verbs(parts: Parts, held: Delivery, of: TaskSpec) -> Verbs:
    messages, log, store = parts.queue, parts.log, parts.store
    assert isinstance(messages, SupportsDeadLetters)
    assert isinstance(messages, SupportsPurge)
    query = TaskQuery()
    return {
        "send": lambda: messages.send([message()]),
        "receive": lambda: messages.receive(limit=1, wait=LONG, lease=LEASE),
        "ack": lambda: messages.ack([held]),
        "release": lambda: messages.release([Release(delivery=held)]),
        "reject": lambda: messages.reject([Rejection(delivery=held, reason="error")]),
        "extend": lambda: messages.extend([held], lease=LEASE),
        "depth": messages.depth,
        "declare": messages.declare,
        "delete": messages.delete,
        "purge": messages.purge,
        "dead_letters": lambda: messages.dead_letters(limit=1),
        "redrive": lambda: messages.redrive(["1"]),
        "discard": lambda: messages.discard(["1"]),
        "record": lambda: log.record([record()]),
        "claim": lambda: log.claim([bid(of)]),
        "renew": lambda: log.renew([Renewal(task_id=of.id, token=1, lease=LEASE)]),
        "finish": lambda: log.finish([success(of)]),
        "transition": lambda: log.transition([Change(task_id=of.id, verb=Verb.CANCEL)]),
        "note": lambda: log.note([Note(task_id=of.id, token=1, progress=0.5)]),
        "get": lambda: log.get([of.id]),
        "find": lambda: log.find(query),
        "count": lambda: log.count(query),
        "stats": log.stats,
        "due": lambda: log.due(before=CLOCK.now(), limit=1),
        "attempts": lambda: log.attempts(of.id),
        "prune": lambda: log.prune(states=FINAL, before=CLOCK.now(), limit=1),
        "store.get": lambda: store.get(["k"]),
        "put": lambda: store.put([Put(key="k", value=b"v")]),
        "store.delete": lambda: store.delete([Delete(key="k")]),
        "add": lambda: store.add([Add(key="n")]),
        "scan": lambda: store.scan(""),
        "enqueue": lambda: parts.together.enqueue([record()]),
        "settle": lambda: parts.together.settle([Settlement(outcome=success(of), delivery=held)]),
    }


async def stage(parts: Parts) -> tuple[Delivery, TaskSpec]:
    of = spec()
    await parts.together.enqueue([record(of)])
    [held] = await parts.take()
    await parts.log.claim([bid(of)])
    return held, of


async def test_no_verb_answers_while_the_server_is_away_and_each_does_when_it_is_back(
    proxy: Proxy, far: Parts
) -> None:
    held, of = await stage(far)
    proxy.refuse()

    for name, verb in verbs(far, held, of).items():
        with pytest.raises(UnavailableError, match=r"cannot be reached|did not answer") as raised:
            await verb()
        assert "Redis server 127.0.0.1" in str(raised.value), name

    proxy.resume()
    await far.together.enqueue([record()])
    for name, verb in verbs(far, held, of).items():
        with suppress(LeaseLostError):
            assert not isinstance(await verb(), UnavailableError), name


async def test_a_connection_cut_between_calls_is_not_noticed(proxy: Proxy, far: Parts) -> None:
    held, of = await stage(far)

    for name, verb in verbs(far, held, of).items():
        if name in {"receive", "delete", "purge"}:
            continue
        proxy.cut()
        await asyncio.sleep(0.02)  # that the end of the connection arrives
        answer = await asyncio.wait_for(verb(), 10)
        assert not isinstance(answer, LongshoreError), name


async def lost(proxy: Proxy, work: Awaitable[object]) -> None:
    """The server does what it is asked, and its answer never arrives."""
    proxy.stall("down")
    with pytest.raises(UnavailableError, match="did not answer in time"):
        await work
    proxy.cut()
    proxy.resume()


async def test_a_send_whose_answer_was_lost_leaves_a_message_too_many_never_one_too_few(
    proxy: Proxy, far: Parts, near: Parts
) -> None:
    await far.queue.send([message()])

    await lost(proxy, far.queue.send([message()]))
    assert await far.queue.send([message()]) == [None]

    assert (await near.queue.depth()).ready == 3


async def test_an_enqueue_whose_answer_was_lost_is_repeated_without_a_second_message(
    proxy: Proxy, far: Parts, near: Parts
) -> None:
    one, two = record(), record()
    await far.together.enqueue([record()])

    await lost(proxy, far.together.enqueue([one]))
    again = await far.together.enqueue([one, two])

    assert [each.inserted for each in again] == [False, True]
    assert (await near.queue.depth()).ready == 3


async def test_a_receive_whose_answer_was_lost_loses_nothing(
    proxy: Proxy, far: Parts, near: Parts
) -> None:
    await far.queue.send([message(b"kept")])

    await lost(proxy, far.take(lease=BRIEF))
    await asyncio.sleep(BRIEF.total_seconds() + 0.1)

    [again] = await near.take()
    assert (again.body, again.receives) == (b"kept", 2)


async def test_a_claim_whose_answer_was_lost_is_ours_when_it_is_repeated(
    proxy: Proxy, far: Parts
) -> None:
    of = spec()
    await far.together.enqueue([record(of)])

    await lost(proxy, far.log.claim([bid(of)]))
    [mine] = await far.log.claim([bid(of)])
    [busy] = await far.log.claim([bid(of, "b")])

    assert (mine.answer, mine.token, busy.answer) == (Answer.MINE, 1, Answer.BUSY)


@pytest.mark.parametrize("end", [End.SUCCESS, End.FAILURE])
async def test_a_settlement_whose_answer_was_lost_happened_once_and_whole(
    proxy: Proxy, far: Parts, near: Parts, end: End
) -> None:
    held, of = await stage(far)
    settlement = Settlement(
        outcome=Outcome(task_id=of.id, token=1, end=end, retry_in=None, reason=None),
        delivery=held,
    )
    proxy.stall("down")
    settling = asyncio.ensure_future(far.together.settle([settlement]))
    await asyncio.wait([settling])
    proxy.cut()
    proxy.resume()
    first = settling.exception()

    [again] = await far.together.settle([settlement])

    assert isinstance(first, UnavailableError)
    depth = await near.queue.depth()
    if end is End.SUCCESS:  # one step: it was done, and a repeated one is refused
        assert (again.accepted, depth.ready + depth.in_flight) == (False, 0)
    else:  # its row was read first, so that nothing was done yet
        assert (again.accepted, depth.dead, depth.in_flight) == (True, 1, 0)
    assert len(await near.log.attempts(of.id)) == 1


async def test_an_ack_whose_answer_was_lost_may_be_repeated(proxy: Proxy, far: Parts) -> None:
    held, _ = await stage(far)

    await lost(proxy, far.queue.ack([held]))

    assert await far.queue.ack([held]) == [None]


async def test_a_receive_that_waits_goes_on_when_its_connection_is_cut(
    proxy: Proxy, far: Parts, near: Parts, waited: Waited
) -> None:
    waiting = asyncio.ensure_future(_until_it_comes(far))
    await waited.until(1)
    proxy.cut()

    await near.queue.send([message(b"after")])

    [got] = await asyncio.wait_for(waiting, 10)
    assert got.body == b"after"


async def _until_it_comes(parts: Parts) -> list[Delivery]:
    while True:
        with suppress(UnavailableError):
            return await parts.queue.receive(limit=1, wait=LONG, lease=LEASE)


async def test_a_receive_that_waits_says_that_the_server_went_away(
    proxy: Proxy, far: Parts, waited: Waited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_LOOK", 60.0)
    waiting = asyncio.ensure_future(far.queue.receive(limit=1, wait=LONG, lease=LEASE))
    await waited.until(1)

    proxy.refuse()

    with pytest.raises(UnavailableError):
        await asyncio.wait_for(waiting, 5)


async def test_a_stalled_server_holds_nobody_for_longer_than_the_timeout(
    proxy: Proxy, far: Parts
) -> None:
    await far.queue.send([message()])
    proxy.stall()
    began = CLOCK.monotonic()

    with pytest.raises(UnavailableError, match="timeout="):
        await far.queue.send([message()])

    assert CLOCK.monotonic() - began < 3


async def test_closing_is_prompt_while_the_server_is_stalled(
    proxy: Proxy, options: str, waited: Waited
) -> None:
    async with ADAPTER.open(f"redis://127.0.0.1:{proxy.port}{options}", waited) as backend:
        parts = Parts(backend)
        waiting = asyncio.ensure_future(parts.queue.receive(limit=1, wait=LONG, lease=LEASE))
        await waited.until(1)
        proxy.stall()
        began = CLOCK.monotonic()

    assert CLOCK.monotonic() - began < 3
    with pytest.raises((ClosedError, UnavailableError)):
        await asyncio.wait_for(waiting, 5)


async def test_a_cancelled_receive_gives_back_what_came_for_it(
    proxy: Proxy, far: Parts, near: Parts
) -> None:
    await far.queue.send([message(b"back")])
    proxy.stall("down")
    receiving = asyncio.ensure_future(far.take())
    while not (await near.queue.depth()).in_flight:
        await asyncio.sleep(0.005)

    receiving.cancel()
    await asyncio.wait([receiving])
    proxy.resume()

    async with asyncio.timeout(10):  # its lease lasts longer
        while not (got := await near.take()):
            await asyncio.sleep(0.005)
    assert got[0].body == b"back"


async def test_scripts_that_the_server_forgot_are_sent_again(private_redis: PrivateServer) -> None:
    url = f"redis://127.0.0.1:{private_redis.port}"
    async with ADAPTER.open(url, CLOCK) as backend:
        parts = Parts(backend)
        held, of = await stage(parts)
        private_redis.kill()
        private_redis.start()
        await asyncio.sleep(0.02)  # that the end of the connection arrives
        lost = await parts.queue.release([Release(delivery=held)])
        await parts.together.enqueue([record(of)])
        clients_of(private_redis).script_flush()

        [claimed] = await parts.log.claim([bid(of)])

    assert list(map(type, lost)) == [LeaseLostError]
    assert claimed.answer is Answer.WON


async def test_one_receive_takes_no_more_than_arrives_in_time(near: Parts) -> None:
    body = bytes(8 * 2**20)
    await near.queue.send([message(body) for _ in range(3)])

    taken = [await near.take(limit=10), await near.take(limit=10)]

    assert [len(each) for each in taken] == [2, 1]
    assert {each.body for each in taken[0] + taken[1]} == {body}


async def test_many_receives_that_wait_leave_the_connections_to_others(
    redis_url: str, options: str, waited: Waited
) -> None:
    async with ADAPTER.open(f"{redis_url}{options}&connections=1", waited) as backend:
        parts = Parts(backend)
        queues = [parts.named(f"q{number}") for number in range(12)]
        waiting = [
            asyncio.ensure_future(each.receive(limit=1, wait=LONG, lease=LEASE)) for each in queues
        ]
        await waited.until(len(waiting))

        async with asyncio.timeout(5):
            for each in queues:
                await each.send([message(each.name.encode())])
            got = await asyncio.gather(*waiting)

    assert [one.body for [one] in got] == [each.name.encode() for each in queues]
    ADAPTER.deinit(f"{redis_url}{options}")


async def test_each_message_of_a_burst_wakes_somebody(
    private_redis: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_LOOK", 60.0)  # nobody looks by himself
    url, server = f"redis://127.0.0.1:{private_redis.port}", clients_of(private_redis)
    async with ADAPTER.open(url, CLOCK) as one, ADAPTER.open(url, CLOCK) as two:
        mine, theirs = Parts(one).queue, Parts(two).queue
        waiting = [
            asyncio.ensure_future(each.receive(limit=1, wait=LONG, lease=LEASE))
            for each in (mine, theirs) * 3
        ]
        while server.info("clients")["blocked_clients"] < 2:
            await asyncio.sleep(0.02)
        await mine.depth()

        await mine.send([message() for _ in waiting])

        got = await asyncio.wait_for(asyncio.gather(*waiting), 10)
        assert [len(each) for each in got] == [1] * len(waiting)


async def test_a_renewal_between_a_read_and_its_write_is_not_undone(near: Parts, url: str) -> None:
    of = spec()
    await near.together.enqueue([record(of)])
    await near.log.claim([bid(of)])
    longer = LEASE * 10

    async def renew() -> None:
        async with ADAPTER.open(url, CLOCK) as other:
            [done] = await Parts(other).log.renew([Renewal(task_id=of.id, token=1, lease=longer)])
            assert done.ok

    seen: list[Task | None] = []

    def rule(row: Task | None, _: TaskId, __: datetime) -> tuple[Task | None, bool, None]:
        seen.append(row)
        if len(seen) == 1:  # it was read, and is not written yet
            with ThreadPoolExecutor(1) as pool:
                pool.submit(asyncio.run, renew()).result()
        return None if row is None else replace(row, progress=0.5), True, None

    connection = Connection(parse_url(url), CLOCK)
    await Ledger(connection).decide(Ruling(lambda task_id: task_id, rule), [of.id])
    await connection.close()

    [row] = await near.log.get([of.id])
    assert row is not None
    assert row.lease_until is not None
    assert (len(seen), row.progress) == (2, 0.5)
    assert row.lease_until > CLOCK.now() + LEASE * 2


@pytest.fixture
def appending() -> Iterator[PrivateServer]:
    """A Redis that has written to its disk what it answers."""
    words = (*REDIS.program.serve, "--appendonly", "yes", "--appendfsync", "always")
    yield from running(PrivateServer(replace(REDIS, program=replace(REDIS.program, serve=words))))


async def test_what_was_answered_outlives_a_killed_server_that_appends(
    appending: PrivateServer,
) -> None:
    url = f"redis://127.0.0.1:{appending.port}?timeout=2"
    answered: set[TaskId] = set()

    async def produce(parts: Parts) -> None:
        while True:
            batch = [record() for _ in range(5)]
            await parts.together.enqueue(batch)
            answered.update(each.spec.id for each in batch)

    async with ADAPTER.open(url, CLOCK) as backend:
        producing = [asyncio.ensure_future(produce(Parts(backend))) for _ in range(4)]
        while len(answered) < 500:
            await asyncio.sleep(0.01)
        appending.kill()
        ends = await asyncio.gather(*producing, return_exceptions=True)
        appending.start()
        left = await Parts(backend).take(limit=10_000)
        rows = await Parts(backend).log.get([*answered])

    assert {type(end) for end in ends} == {UnavailableError}
    assert answered <= {each.key for each in left}
    assert None not in rows
