from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from longshore import Context, EnqueueOptions, Longshore, Report
from longshore.clock import SystemClock
from longshore.errors import (
    ArgumentsError,
    ClosedError,
    ConfigurationError,
    TaskFailedError,
    TaskNotFoundError,
    TransitionError,
    UnknownTaskError,
    WaitTimeoutError,
)
from longshore.testing import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = __name__


class Invoice(BaseModel):
    number: int
    due: date | None = None


def imported(number: int) -> int:
    return number + 1


@pytest.fixture
def app() -> Iterator[Longshore]:
    with Longshore(url="memory://?sync=true") as opened:
        yield opened


# ---- what importing costs


def test_importing_the_package_loads_no_validator_database_or_broker() -> None:
    code = (
        "import sys, longshore; "
        "app = longshore.Longshore(url='memory://'); "
        "task = app.task(lambda number: number, name='t'); "
        "heavy = 'pydantic pydantic_settings sqlite3 multiprocessing boto3 kombu click rich'; "
        "print(sorted(set(heavy.split()) & set(sys.modules)))"
    )

    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )

    assert out.stdout.strip() == "[]"


def test_making_an_application_reads_and_connects_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "longshore.toml").write_text("this is not TOML")

    app = Longshore(url="nothing://here")

    @app.task
    def task() -> None: ...

    assert task() is None
    assert list(tmp_path.iterdir()) == [tmp_path / "longshore.toml"]


def test_every_public_name_is_there_and_no_other() -> None:
    import longshore  # noqa: PLC0415 - its names, not what they stand for

    assert set(dir(longshore)) == set(longshore.__all__)
    assert all(getattr(longshore, name) is not None for name in longshore.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        longshore.nonsense  # noqa: B018 - that it is not there is what is tested


# ---- enqueuing


def test_a_task_that_runs_at_once_has_its_result_when_enqueue_returns(app: Longshore) -> None:
    @app.task
    def invoice(number: int, due: date) -> Invoice:
        return Invoice(number=number, due=due)

    handle = invoice.enqueue(7, due=date(2030, 1, 2))

    assert handle.status() == "succeeded"
    assert handle.result() == Invoice(number=7, due=date(2030, 1, 2))
    assert handle.is_enqueued
    assert (handle.name, handle.queue) == ("invoice", "default")
    assert repr(handle) == f"<Handle invoice {handle.id}>"


@pytest.mark.parametrize("sync", ["1", "true", "YES", "True"])
def test_sync_may_be_said_in_several_words(sync: str) -> None:
    with Longshore(url=f"memory://?sync={sync}") as app:
        task = app.task(imported)
        assert task.enqueue(1).result() == 2


@pytest.mark.parametrize("sync", ["0", "false", "no"])
def test_a_sync_of_no_queues_as_ever(sync: str) -> None:
    with Longshore(url=f"memory://named?sync={sync}") as app:
        task = app.task(imported)
        assert task.enqueue(1).status() == "queued"


@pytest.mark.parametrize("url", ["memory://?sync=maybe", "memory://?sink=true", "memory://x/y"])
def test_a_memory_url_with_anything_else_is_refused(url: str) -> None:
    app = Longshore(url=url)
    task = app.task(imported)

    with pytest.raises(ConfigurationError):
        task.enqueue(1)


def test_a_task_that_runs_at_once_may_enqueue_others(app: Longshore) -> None:
    @app.task
    def inner(number: int) -> int:
        return number * 2

    @app.task
    def outer(number: int) -> int:
        return inner.enqueue(number).result() + 1

    @app.task
    async def aouter(number: int) -> int:
        handle = await inner.aenqueue(number)
        return await handle.aresult() + 1

    assert outer.enqueue(5).result() == 11
    assert aouter.enqueue(5).result() == 11


def test_a_task_on_the_sessions_own_loop_is_told_not_to_block_it(app: Longshore) -> None:
    """It would wait for itself, for ever."""

    @app.task
    def inner() -> None: ...

    @app.task(retry=1)
    async def outer() -> None:
        inner.enqueue()

    handle = outer.enqueue()

    with pytest.raises(TaskFailedError, match="aenqueue"):
        handle.result()


def test_a_failure_at_once_is_kept_like_any_other(app: Longshore) -> None:
    @app.task(retry=1)
    def fails() -> None:
        raise ValueError("no")

    handle = fails.enqueue()

    with pytest.raises(TaskFailedError, match="ValueError: no"):
        handle.result()
    assert [one.outcome for one in handle.attempts()] == ["failed"]


def test_bad_arguments_enqueue_nothing(app: Longshore) -> None:
    task = app.task(imported)

    with pytest.raises(ArgumentsError):
        task.enqueue("many")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - that is what is tested

    with sandbox(app) as box:
        with pytest.raises(ArgumentsError):
            app.enqueue_many([task.message(1), task.message("many")])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - as above
        assert box.tasks() == []


def test_a_name_enqueues_a_registered_task(app: Longshore) -> None:
    app.task(name="math.add")(imported)

    assert app.enqueue("math.add", 1).result() == 2
    assert app.enqueue("math.add", number=4).result() == 5
    with pytest.raises(UnknownTaskError, match=r"registered: math\.add"):
        app.enqueue("math.sub", 1)


def test_a_name_may_be_a_function_of_an_allowed_module() -> None:
    with Longshore(url="memory://?sync=true", imports=[HERE]) as app:
        assert app.enqueue(f"{HERE}:imported", 1).result() == 2
        with pytest.raises(UnknownTaskError):
            app.enqueue("os:getcwd")


def test_a_tasks_own_parameters_may_be_called_like_ours(app: Longshore) -> None:
    @app.task
    def odd(name: str, task: str, definition: str) -> str:
        return name + task + definition

    assert app.enqueue("odd", name="a", task="b", definition="c").result() == "abc"
    with sandbox(app) as box:
        odd.enqueue(name="a", task="b", definition="c")
        box.assert_enqueued(odd, task="b")


def test_options_may_go_with_a_name(app: Longshore) -> None:
    task = app.task(imported)

    handle = app.enqueue(task.name, 1, options=EnqueueOptions(queue="slow"))

    assert handle.queue == "slow"


def test_many_tasks_are_enqueued_in_their_order() -> None:
    with Longshore(url="memory://") as app:
        task = app.task(imported)

        handles = app.enqueue_many(task.message(n) for n in range(2500))

        assert len({handle.id for handle in handles}) == 2500
        assert handles[2499].status() == "queued"
        assert app.enqueue_many([]) == []


async def test_everything_can_be_awaited(app: Longshore) -> None:
    @app.task
    def fails() -> None:
        raise ValueError("no")

    task = app.task(imported)
    handle = await task.aenqueue(1)
    (many,) = await app.aenqueue_many([task.message(2)])
    failed = await fails.using(attempts=1).aenqueue()

    assert await handle.astatus() == "succeeded"
    assert await handle.aresult() == 2
    assert await many.aresult() == 3
    assert (await handle.atask()).attempts == 1
    assert await handle.areport() is None
    assert [one.outcome for one in await failed.aattempts()] == ["failed"]
    assert (await failed.aretry()).state == "queued"
    assert (await failed.acancel()).state == "cancelled"


# ---- handles


def test_a_handle_can_be_had_by_its_id(app: Longshore) -> None:
    @app.task
    def invoice(number: int) -> Invoice:
        return Invoice(number=number)

    first = invoice.enqueue(7)
    again = app.handle(first.id)

    assert again.result() == Invoice(number=7)
    with pytest.raises(TaskNotFoundError):
        app.handle("0198f3aa-0000-7000-8000-000000000000")


def test_a_result_is_read_as_its_annotation_where_that_can_be_done(app: Longshore) -> None:
    class Unknown:
        """No validator knows it."""

    @app.task
    def typed() -> list[Invoice]:
        return [Invoice(number=1)]

    @app.task
    def untyped(ctx: Context):  # type: ignore[no-untyped-def]  # noqa: ANN202 - that is what is tested
        return {"attempt": ctx.attempt}

    @app.task
    def wrong() -> int:
        return "not a number"  # type: ignore[return-value]  # pyright: ignore[reportReturnType] - that is what is tested

    @app.task
    def odd() -> Unknown:
        return {"plain": True}  # type: ignore[return-value]  # pyright: ignore[reportReturnType] - that is what is tested

    @app.task
    def nothing() -> None: ...

    assert typed.enqueue().result() == [Invoice(number=1)]
    assert untyped.enqueue().result() == {"attempt": 1}
    assert wrong.enqueue().result() == "not a number"  # type: ignore[comparison-overlap]  # as it was returned
    assert odd.enqueue().result() == {"plain": True}  # type: ignore[comparison-overlap]  # its annotation has no meaning
    assert nothing.enqueue().result() is None


def test_a_report_is_its_tasks_result_and_its_report(app: Longshore) -> None:
    @app.task
    def reports() -> Report:
        return Report.success("imported", rows=3)

    handle = reports.enqueue()

    assert handle.report() == Report.success("imported", rows=3)
    assert handle.result() == Report.success("imported", rows=3)


def test_a_taken_key_answers_the_first_task(app: Longshore) -> None:
    task = app.task(imported)

    first, second = (task.using(key="k").enqueue(n) for n in (1, 2))

    assert (first.is_enqueued, second.is_enqueued) == (True, False)
    assert second.result() == 2


def test_an_operator_acts_on_a_handle() -> None:
    with Longshore(url="memory://") as app:
        handle = app.task(imported).enqueue(1)

        assert handle.cancel().state == "cancelled"
        with pytest.raises(TaskFailedError, match="cancelled"):
            handle.result(timeout=1)
        assert handle.retry().state == "queued"
        with pytest.raises(TransitionError):
            handle.retry()
        with pytest.raises(WaitTimeoutError):
            handle.wait(timeout=0.01)


# ---- threads and ends


def test_threads_that_use_an_application_first_at_once_share_one_session() -> None:
    for _ in range(20):
        with Longshore(url="memory://") as app, ThreadPoolExecutor(8) as pool:
            task = app.task(imported)
            start = threading.Barrier(8)

            def enqueue(number: int) -> str:
                start.wait()  # noqa: B023 - used up before the next round
                return task.enqueue(number).id  # noqa: B023 - as above

            ids = [*pool.map(enqueue, range(8))]

            assert len(ids) == 8
            assert all(app.handle(task_id).status() == "queued" for task_id in ids)
            assert sum(each.name == "longshore-client" for each in threading.enumerate()) == 1


def test_a_closed_application_opens_again_when_it_is_used() -> None:
    app = Longshore(url="memory://?sync=true")
    task = app.task(imported)
    assert task.enqueue(1).result() == 2

    app.close()
    app.close()

    assert task.enqueue(2).result() == 3
    app.close()
    assert not [each for each in threading.enumerate() if each.name == "longshore-client"]


def test_closing_wakes_who_waits_on_another_thread() -> None:
    app = Longshore(url="memory://")
    handle = app.task(imported).enqueue(1)
    handle.status()
    problems: list[BaseException] = []

    def wait() -> None:
        try:
            handle.wait()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is looked at below
            problems.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    waiting.join(0.05)
    app.close()
    waiting.join(10)

    assert not waiting.is_alive()
    assert [type(error) for error in problems] == [ClosedError]


def test_settings_of_the_application_are_those_given() -> None:
    clock = SystemClock()
    app = Longshore(url="memory://here", attempts=5, clock=clock)

    assert app.settings.attempts == 5
    assert app.settings.url == "memory://here"


def test_unnamed_memory_is_one_server_for_all_of_an_application() -> None:
    app = Longshore(queue_url="memory://", log_url="memory://", store_url="memory://")
    settings = app.settings

    assert settings.queue_url == settings.log_url == settings.store_url
    assert settings.queue_url != "memory://"


def test_a_schedule_is_read_in_the_zone_of_the_settings() -> None:
    with Longshore(url="memory://", timezone="Europe/Berlin") as app:
        handle = app.task(imported).using(schedule="2050-06-01T10:00").enqueue(1)

        assert handle.task().due_at == datetime(2050, 6, 1, 8, tzinfo=UTC)


def test_routes_and_queue_settings_hold_for_enqueues() -> None:
    queues: Any = {"mail": {"priority": 9, "attempts": 2, "tags": ["m"]}}
    with Longshore(url="memory://", routes={"imp*": "mail"}, queues=queues) as app:
        spec = app.task(imported).enqueue(1).task().spec

        assert (spec.queue, spec.priority, spec.max_attempts, spec.tags) == ("mail", 9, 2, ("m",))
