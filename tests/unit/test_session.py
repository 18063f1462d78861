from __future__ import annotations

import asyncio
import os
import threading
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from longshore import Longshore
from longshore.clock import SystemClock
from longshore.errors import ClosedError, ConfigurationError, UnavailableError
from longshore.identity import TaskIds
from longshore.session import Session
from longshore.settings import Settings
from longshore.wiring import open_ports, policy_of, worker_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def task(number: int) -> int:
    return number + 1


@contextmanager
def session(url: str = "memory://session-test") -> Iterator[Session]:
    app = Longshore(url=url)
    app.task(task)
    opened = Session(app.settings, SystemClock(), TaskIds(), app.registry)
    try:
        yield opened
    finally:
        opened.close()


async def state(live: Any) -> str:
    await asyncio.sleep(0)
    return type(live.ports.task_log).__name__


def in_a_child(work: Callable[[], bool]) -> int:
    """Fork, do the work there, and answer the exit code: 0 where it answered True."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def test_nothing_is_opened_before_it_is_used() -> None:
    before = set(threading.enumerate())

    with session("nothing://here"):
        assert set(threading.enumerate()) <= before  # those of other tests may just be ending


def test_what_opening_raises_is_raised_to_the_user_each_time() -> None:
    with session("nothing://here") as opened:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="no adapter"):
                opened.call(state)

    assert not [each for each in threading.enumerate() if each.name == "longshore-client"]


def test_a_closed_session_is_closed_for_good() -> None:
    with session() as opened:
        assert opened.call(state) == "MemoryTaskLog"
        opened.close()
        opened.close()

        with pytest.raises(ClosedError):
            opened.call(state)
        with pytest.raises(ClosedError):
            opened.enqueue([])


async def test_one_session_serves_threads_and_loops_alike() -> None:
    with session() as opened:

        def from_a_loop_of_its_own() -> str:
            return asyncio.run(opened.acall(state))

        answers = [
            await opened.acall(state),
            await asyncio.to_thread(opened.call, state),
            await asyncio.to_thread(from_a_loop_of_its_own),
            opened.call(state),
        ]

        assert answers == ["MemoryTaskLog"] * 4


SLOW = """
import asyncio
import threading
from contextlib import asynccontextmanager
from longshore.errors import UnavailableError

release = threading.Event()

class Slow:
    @asynccontextmanager
    async def open(self, url, clock):
        await asyncio.to_thread(release.wait, 10)
        raise UnavailableError("too slow")
        yield

ADAPTER = Slow()
"""

BARE = """
from contextlib import asynccontextmanager
from longshore.registry import Backend

class Bare:
    @asynccontextmanager
    async def open(self, url, clock):
        yield Backend(url=url)

ADAPTER = Bare()
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, code: str) -> None:
    """Install an adapter as pip would: a module, and an entry point that names it."""
    (folder / f"{scheme}_adapter.py").write_text(code)
    described = folder / f"{scheme}_adapter-1.0.dist-info"
    described.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {scheme}-adapter\nVersion: 1.0\n"
    (described / "METADATA").write_text(metadata)
    entry = f"[longshore.adapters]\n{scheme} = {scheme}_adapter:ADAPTER\n"
    (described / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(str(folder))


async def test_opening_does_not_block_the_callers_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "slow", SLOW)
    with session("slow://server") as opened:
        waiting = asyncio.ensure_future(opened.acall(state))
        for _ in range(5):
            await asyncio.sleep(0.01)
        import_module("slow_adapter").release.set()

        with pytest.raises(UnavailableError):
            await waiting


async def test_a_cancelled_call_is_cancelled_on_the_sessions_loop_as_well() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def waits(live: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
            assert live is not None

    with session() as opened:
        calling = asyncio.ensure_future(opened.acall(waits))
        assert await asyncio.to_thread(begun.wait, 10)

        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

        assert await asyncio.to_thread(ended.wait, 10)


def test_a_call_from_the_sessions_own_loop_is_refused() -> None:
    with session() as opened:

        async def nested(live: Any) -> str:
            assert live is not None
            return opened.call(state)

        with pytest.raises(ConfigurationError, match="own loop"):
            opened.call(nested)

        assert opened.call(state) == "MemoryTaskLog"


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_opens_a_session_of_its_own(tmp_path: Path) -> None:
    app = Longshore(url=f"sqlite:///{tmp_path / 'tasks.db'}")
    declared = app.task(task)
    mine = declared.enqueue(1)
    assert mine.status() == "queued"

    def child() -> bool:
        theirs = declared.enqueue(2)
        return theirs.status() == "queued" and app.handle(mine.id).status() == "queued"

    codes = [in_a_child(child) for _ in range(3)]
    after = declared.enqueue(3)

    assert codes == [0, 0, 0]
    assert after.status() == "queued"
    assert app.session.call(count) == 5
    app.close()


async def count(live: Any) -> int:
    return sum([stats.total for stats in await live.ports.task_log.stats()])


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_fork_while_another_thread_opens_does_not_hang_the_child(tmp_path: Path) -> None:
    app = Longshore(url=f"sqlite:///{tmp_path / 'tasks.db'}")
    declared = app.task(task)
    opened = app.session
    holding, release = threading.Event(), threading.Event()

    async def slow(live: Any) -> None:
        holding.set()
        while not release.is_set():
            await asyncio.sleep(0.001)
        assert live is not None

    busy = threading.Thread(target=lambda: opened.call(slow))
    busy.start()
    holding.wait(10)
    code = in_a_child(lambda: declared.enqueue(2).status() == "queued")
    release.set()
    busy.join(10)
    app.close()

    assert code == 0


def test_draining_runs_what_is_due_in_every_queue() -> None:
    with Longshore(url="memory://") as app:
        declared = app.task(task)
        handles = [declared.using(queue=name).enqueue(1) for name in ("a", "b", "default")]

        stopped = app.session.drain()

        assert (stopped.reason, stopped.done) == ("idle", 3)
        assert [handle.result() for handle in handles] == [2, 2, 2]


def test_draining_an_empty_application_ends_at_once() -> None:
    with Longshore(url="memory://") as app:
        assert app.session.drain().done == 0


# ------------------------------------------------------------------------------------------ wiring


async def test_each_url_is_opened_once_and_serves_its_port() -> None:
    settings = Settings.load(url="memory://one", log_url="memory://two")

    async with open_ports(settings) as ports:
        await ports.queue("q").declare()
        apart = ports.together
    async with open_ports(Settings.load(url="memory://one")) as ports:
        together = ports.together

    assert apart is None
    assert together is not None


async def test_a_url_that_does_not_serve_a_port_is_named_with_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "bare", BARE)
    settings = Settings.load(url="memory://x", store_url="bare://user:secret@host")

    with pytest.raises(ConfigurationError, match="LONGSHORE_STORE_URL") as raised:
        async with open_ports(settings):
            pytest.fail("it cannot be opened")

    assert "secret" not in str(raised.value)


def test_settings_become_the_policy_and_the_workers_options() -> None:
    queues: Any = {"mail": {"attempts": 7, "retry_after": ["1s"], "weight": 3, "lease": "1m"}}
    settings = Settings.load(
        url="memory://", queue="main", queues=queues, concurrency=3, max_rescues=1, timeout="5s"
    )
    policy, options = policy_of(settings), worker_options(settings)

    assert policy.queue == "main"
    assert policy.max_rescues == 1
    assert policy.of("mail").retry.attempts == 7
    assert policy.of("mail").retry.delay(1).total_seconds() == 1
    assert policy.of("mail").weight == 3
    assert policy.of("mail").lease.total_seconds() == 60
    assert policy.of("other").lease.total_seconds() == 30
    assert policy.of("mail").timeout == policy.of("other").timeout == settings.timeout
    assert options.queues == ("main", "mail")
    assert options.concurrency == 3
    assert worker_options(settings, ("only",)).queues == ("only",)
