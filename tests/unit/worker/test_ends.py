"""What becomes of a task, by what its handler does."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic_core import from_json

from longshore import Cancel, Context, PermanentError, Reject, Report, Retry, RetryLater, Snooze
from longshore.draft import EnqueueOptions
from longshore.errors import ArgumentsError, UnknownTaskError
from longshore.task import TaskState
from longshore.worker import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.yard import Yard

ONCE = EnqueueOptions(attempts=1)
EXACT = Retry(attempts=3, backoff=["10s", "60s"], jitter=0)


async def works(number: int = 1) -> int:
    return number * 2


def works_on_a_thread(number: int = 1) -> int:
    return number * 2


class Broken(Exception):  # noqa: N818 - as an application might name it
    """An error whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


# --------------------------------------------------------------------------------------- success


@pytest.mark.parametrize("handler", [works, works_on_a_thread])
async def test_a_result_is_kept_and_the_message_is_gone(
    yard: Yard, handler: Callable[..., object]
) -> None:
    task = await yard.enqueue(handler, 21)

    stopped = await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.result, row.attempts) == (TaskState.SUCCEEDED, b"42", 1)
    assert row.error is None
    assert row.report is None
    assert row.wake_at is None
    assert await yard.outcomes(task) == ["succeeded"]
    assert await yard.depth() == await yard.depth("empty")
    assert (stopped.reason, stopped.done, stopped.failed, stopped.stuck) == ("idle", 1, 0, 0)


async def test_every_task_of_a_large_batch_runs_once(yard: Yard) -> None:
    seen: list[int] = []
    task = yard.task(seen.append, name="append")
    for number in range(300):
        await yard.enqueue(task, number)

    stopped = await yard.drain(concurrency=50)

    assert sorted(seen) == list(range(300))
    assert stopped.done == 300
    assert {row.state for row in await yard.rows()} == {TaskState.SUCCEEDED}


async def test_a_report_is_kept_beside_the_result(yard: Yard) -> None:
    async def handler(ctx: Context) -> int:
        ctx.report.success("imported", rows=3)
        ctx.report.warning("skipped", rows=1)
        return 4

    task = await yard.enqueue(handler)
    await yard.drain()

    row = await yard.row(task)
    report = Report.from_dict(from_json(row.report or b""))
    assert (row.state, row.result) == (TaskState.SUCCEEDED, b"4")
    assert [note.message for note in report.children] == ["imported", "skipped"]


async def test_a_returned_report_is_the_report_and_no_result(yard: Yard) -> None:
    async def handler(ctx: Context) -> Report:
        ctx.report.info("on the way")
        return Report.success("all of it", rows=3)

    task = await yard.enqueue(handler)
    await yard.drain()

    row = await yard.row(task)
    report = Report.from_dict(from_json(row.report or b""))
    assert row.result is None
    assert report.message == "all of it"
    assert [note.message for note in report.children] == ["on the way"]


async def test_lines_prints_and_log_records_are_kept_in_order(yard: Yard) -> None:
    def handler(ctx: Context) -> None:
        ctx.log.info("line %d of %s", 1, "two")
        print("printed", 5, sep="-")  # noqa: T201 - that is what is tested
        print("in", "parts", 3)  # noqa: T201 - that is what is tested
        print("no newline", end="")  # noqa: T201 - that is what is tested
        logging.getLogger("theirs").warning("logged %s", "too")

    task = await yard.enqueue(handler)
    await yard.drain()

    assert await yard.lines(task) == [
        "line 1 of two",
        "printed-5",
        "in parts 3",
        "logged too",
        "no newline",
    ]


async def test_what_is_printed_goes_where_it_went_before_as_well(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    def handler() -> None:
        print("hello", "there")  # noqa: T201 - that is what is tested

    await yard.enqueue(handler)
    await yard.drain()
    print("afterwards")  # noqa: T201 - that is what is tested

    assert capsys.readouterr().out == "hello there\nafterwards\n"


async def test_nothing_is_captured_where_it_is_not_wanted(yard: Yard) -> None:
    def handler(ctx: Context) -> None:
        ctx.log.info("mine")
        print("printed")  # noqa: T201 - that is what is tested

    task = await yard.enqueue(handler)
    await yard.drain(capture=False)

    assert await yard.lines(task) == ["mine"]


async def test_two_workers_of_a_process_capture_each_line_once(yard: Yard) -> None:
    def handler() -> None:
        print("once")  # noqa: T201 - that is what is tested
        logging.getLogger("theirs").warning("logged once")

    async with yard.working(queues=("other",)):
        task = await yard.enqueue(handler)
        await yard.drain()
    again = await yard.enqueue(yard.registry.get("handler"))
    await yard.drain()

    assert await yard.lines(task) == ["once", "logged once"]
    assert await yard.lines(again) == ["once", "logged once"]


async def test_progress_is_written_while_it_runs(yard: Yard) -> None:
    async def handler(ctx: Context) -> None:
        ctx.progress(0.25, "a quarter")
        ctx.progress(0.5)
        ctx.progress(7)
        await ctx.clock.sleep(10)

    task = await yard.enqueue(handler)
    async with yard.working():
        await yard.reaches(task, "running")
        await yard.passes(3)
        row = await yard.row(task)
        await yard.reaches(task, "succeeded", moving=True)

    assert (row.progress, row.progress_note) == (1.0, "a quarter")


async def test_an_unserialisable_result_succeeds_with_a_warning(yard: Yard) -> None:
    async def handler() -> object:
        return object()

    task = await yard.enqueue(handler)
    await yard.drain()

    row = await yard.row(task)
    report = Report.from_dict(from_json(row.report or b""))
    assert (row.state, row.result) == (TaskState.SUCCEEDED, None)
    assert report.kind == "warning"
    assert "object" in report.message


class Hostile:
    """A result that fights being looked at."""

    def __iter__(self) -> Iterator[int]:
        raise SystemError("not iterable today")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def deep() -> list[object]:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def endless() -> Iterator[int]:
    yield 1
    raise KeyError("halfway")


@pytest.mark.parametrize(
    "make",
    [Hostile, deep, endless, lambda: float("nan"), lambda: "\ud800", lambda: {1: {"\ud800"}}],
    ids=["hostile", "deep", "generator", "nan", "surrogate", "surrogate-in-set"],
)
async def test_no_result_whatever_it_is_undoes_the_work(
    yard: Yard, make: Callable[[], object]
) -> None:
    async def handler() -> object:
        return make()

    task = await yard.enqueue(handler)
    await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.result) == (TaskState.SUCCEEDED, None)
    assert b"not kept" in (row.report or b"")


async def test_a_result_above_its_limit_is_left_out_and_said(yard: Yard) -> None:
    async def handler(size: int) -> str:
        return "x" * size

    fits = await yard.enqueue(handler, 98)
    above = await yard.enqueue(yard.registry.get("handler"), 99)
    await yard.drain(limits=Limits(result=100))

    assert (await yard.row(fits)).result == b'"' + b"x" * 98 + b'"'
    assert (await yard.row(above)).result is None
    assert b"101 bytes" in ((await yard.row(above)).report or b"")


async def test_reports_and_lines_above_their_limits_are_cut_and_said(yard: Yard) -> None:
    async def handler(ctx: Context) -> None:
        for number in range(100):
            ctx.log.info("line %d", number)
            ctx.report.info(f"note {number}")
        ctx.log.info("x" * 1000)

    task = await yard.enqueue(handler)
    await yard.drain(limits=Limits(report=1000, log_lines=10, log_bytes=500))

    row = await yard.row(task)
    lines = await yard.lines(task)
    assert len(row.report or b"") <= 1000
    assert b"left out" in (row.report or b"")
    assert lines[:10] == [f"line {number}" for number in range(10)]
    assert lines[10:] == ["91 more lines were left out (size cap)"]


async def test_lines_that_cannot_be_made_or_stored_harm_nothing(yard: Yard) -> None:
    async def handler(ctx: Context) -> None:
        ctx.log.info("%d and %d", 1)  # noqa: PLE1206 - wrong on purpose
        ctx.log.info("%s", Broken())
        ctx.log.info("half \ud800 a pair")
        ctx.progress(0.5, "half \ud800 a pair")

    task = await yard.enqueue(handler)
    await yard.drain()

    lines = await yard.lines(task)
    assert await yard.state(task) == "succeeded"
    assert len(lines) == 3
    assert all(line.encode() for line in lines)


# --------------------------------------------------------------------------------------- failure


async def test_a_failure_is_tried_again_with_its_waits_and_then_failed(yard: Yard) -> None:
    async def handler(ctx: Context) -> None:
        ctx.log.info("attempt %d", ctx.attempt)
        raise ValueError(f"no {ctx.attempt}")

    task = await yard.enqueue(yard.task(handler, retry=EXACT))
    started = yard.clock.now()
    await yard.drain()
    first = await yard.row(task)
    await yard.passes(9, step=9)
    await yard.drain()
    early = await yard.row(task)
    await yard.passes(1)
    await yard.drain()
    second = await yard.row(task)
    await yard.passes(60, step=60)
    stopped = await yard.drain()
    last = await yard.row(task)

    assert (first.state, first.due_at - started) == (TaskState.RETRYING, timedelta(seconds=10))
    assert early.attempts == 1
    assert (second.state, second.attempts) == (TaskState.RETRYING, 2)
    assert (last.state, last.reason, last.attempts) == (TaskState.FAILED, "error", 3)
    assert last.error is not None
    assert (last.error.type, last.error.message) == ("ValueError", "no 3")
    assert 'raise ValueError(f"no {ctx.attempt}")' in last.error.traceback
    assert last.body is not None
    assert await yard.outcomes(task) == ["retrying", "retrying", "failed"]
    assert await yard.lines(task) == ["attempt 1", "attempt 2", "attempt 3"]
    assert stopped.failed == 1


async def test_a_failed_task_leaves_a_stamped_dead_letter(yard: Yard) -> None:
    async def handler() -> None:
        raise ValueError("no")

    task = await yard.enqueue(yard.task(handler), options=ONCE)
    await yard.drain()

    (letter,) = await yard.letters()
    row = await yard.row(task)
    assert (letter.key, letter.reason, letter.stamp) == (task, "error", row.run)
    assert letter.detail == "no"
    assert letter.body == row.body
    assert (await yard.depth()).ready == 0


async def test_a_redriven_dead_letter_starts_its_task_once_more(yard: Yard) -> None:
    async def handler(ctx: Context) -> str:
        if ctx.run == 0:
            raise ValueError("no")
        return f"run {ctx.run} attempt {ctx.attempt}"

    task = await yard.enqueue(yard.task(handler), options=ONCE)
    await yard.drain()
    (letter,) = await yard.letters()
    port: Any = yard.ports.queue("default")
    await port.redrive([letter.id])
    await yard.drain()

    assert (await yard.row(task)).result == b'"run 1 attempt 1"'
    assert await yard.letters() == []


async def test_a_call_may_allow_more_attempts_than_the_definition(yard: Yard) -> None:
    async def handler(ctx: Context) -> int:
        assert ctx.max_attempts == 5
        if ctx.attempt < 5:
            raise ValueError("not yet")
        return ctx.attempt

    retry = Retry(attempts=1, backoff=0)
    task = await yard.enqueue(yard.task(handler, retry=retry), options=EnqueueOptions(attempts=5))
    await yard.drain()

    assert (await yard.row(task)).result == b"5"


@pytest.mark.parametrize("raised", [True, False], ids=["raised", "returned"])
async def test_retry_later_waits_exactly_as_asked(
    yard: Yard,
    raised: bool,  # noqa: FBT001 - both ways
) -> None:
    async def handler(ctx: Context) -> object:
        if ctx.attempt == 1:
            later = RetryLater("5 minutes", "busy")
            if raised:
                raise later
            return later
        return "done"

    task = await yard.enqueue(yard.task(handler, retry=Retry(attempts=2, never=(RetryLater,))))
    started = yard.clock.now()
    await yard.drain()
    waiting = await yard.row(task)
    await yard.passes(300, step=300)
    await yard.drain()

    assert waiting.due_at - started == timedelta(minutes=5)
    assert waiting.error is not None
    assert waiting.error.message == "retry in 5m: busy"
    assert (await yard.row(task)).result == b'"done"'


async def test_retry_later_fails_when_no_attempt_is_left(yard: Yard) -> None:
    async def handler() -> None:
        raise RetryLater(1)

    task = await yard.enqueue(yard.task(handler), options=ONCE)
    await yard.drain()

    assert (await yard.row(task)).reason == "error"


@pytest.mark.parametrize("raised", [True, False], ids=["raised", "returned"])
async def test_a_snooze_gives_its_attempt_back(
    yard: Yard,
    raised: bool,  # noqa: FBT001 - both ways
) -> None:
    runs: list[int] = []

    async def handler(ctx: Context) -> object:
        runs.append(ctx.attempt)
        if len(runs) <= 2:
            snooze = Snooze("1 hour")
            if raised:
                raise snooze
            return snooze
        return "done"

    task = await yard.enqueue(yard.task(handler), options=ONCE)
    for _ in range(3):
        await yard.drain()
        await yard.passes(3600, step=3600)

    assert runs == [1, 1, 1]
    assert await yard.outcomes(task) == ["given_back", "given_back", "succeeded"]
    assert (await yard.row(task)).attempts == 1


async def test_a_snooze_until_then_is_scheduled_then(yard: Yard) -> None:
    until = yard.clock.now() + timedelta(days=2)

    async def handler() -> Snooze:
        return Snooze(until=until)

    task = await yard.enqueue(handler)
    await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.due_at, row.attempts) == (TaskState.SCHEDULED, until, 0)


class Hopeless(PermanentError):  # noqa: N818 - a test's own
    """An application's own."""


@pytest.mark.parametrize("raised", [True, False], ids=["raised", "returned"])
@pytest.mark.parametrize("error", [Reject("not ours"), PermanentError("never"), Hopeless("no")])
async def test_a_permanent_error_is_not_tried_again(
    yard: Yard,
    error: PermanentError,
    raised: bool,  # noqa: FBT001 - both ways
) -> None:
    async def handler() -> object:
        if raised:
            raise error
        return error

    task = await yard.enqueue(yard.task(handler, retry=EXACT))
    await yard.drain()

    row = await yard.row(task)
    (letter,) = await yard.letters()
    assert (row.state, row.reason, row.attempts) == (TaskState.FAILED, "permanent", 1)
    assert letter.reason == "permanent"
    assert str(error) in letter.detail


@pytest.mark.parametrize("raised", [True, False], ids=["raised", "returned"])
async def test_a_handler_may_cancel_its_task(
    yard: Yard,
    raised: bool,  # noqa: FBT001 - both ways
) -> None:
    async def handler() -> object:
        cancel = Cancel("no longer wanted")
        if raised:
            raise cancel
        return cancel

    task = await yard.enqueue(handler)
    await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.reason, row.error) == (TaskState.CANCELLED, "no longer wanted", None)
    assert await yard.letters() == []
    assert (await yard.depth()).ready == 0


async def test_a_report_with_an_error_fails_the_task_for_good(yard: Yard) -> None:
    async def handler(ctx: Context) -> str:
        ctx.report.success("three rows")
        ctx.report.error("one row is broken", row=4)
        return "unused"

    task = await yard.enqueue(yard.task(handler, retry=EXACT))
    await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.reason, row.attempts) == (TaskState.FAILED, "error", 1)
    assert b"one row is broken" in (row.report or b"")
    assert row.result is None


async def test_an_error_noted_beside_a_returned_report_fails_the_task(yard: Yard) -> None:
    async def handler(ctx: Context) -> Report:
        ctx.report.error("one row is broken")
        return Report.success("all fine")

    task = await yard.enqueue(handler)
    await yard.drain()

    row = await yard.row(task)
    assert row.state is TaskState.FAILED
    assert b"one row is broken" in (row.report or b"")
    assert b"all fine" in (row.report or b"")


async def test_a_deadline_ends_the_retries(yard: Yard) -> None:
    async def handler() -> None:
        raise ValueError("no")

    retry = Retry(attempts=None, backoff="1 minute", jitter=0, deadline="90s")
    task = await yard.enqueue(yard.task(handler, retry=retry))
    for _ in range(3):
        await yard.drain()
        await yard.passes(60, step=60)

    assert await yard.outcomes(task) == ["retrying", "failed"]


async def test_a_backoff_that_fails_is_stood_in_for_and_said(yard: Yard) -> None:
    def backoff(attempt: int) -> float:
        raise ZeroDivisionError(attempt)

    async def handler() -> None:
        raise ValueError("no")

    task = await yard.enqueue(yard.task(handler, retry=Retry(backoff=backoff)))
    await yard.drain()

    assert await yard.state(task) == "retrying"
    assert "ZeroDivisionError" in "".join(await yard.lines(task))


async def test_an_exception_without_a_text_is_still_recorded(yard: Yard) -> None:
    async def handler() -> None:
        raise Broken

    task = await yard.enqueue(yard.task(handler), options=ONCE)
    await yard.drain()

    row = await yard.row(task)
    assert row.state is TaskState.FAILED
    assert row.error is not None
    assert row.error.type == "Broken"
    assert "raise Broken" in row.error.traceback


async def test_an_error_that_no_store_could_hold_is_cut(yard: Yard) -> None:
    async def handler() -> None:
        raise ValueError("\ud800" + "x" * 1_000_000)

    task = await yard.enqueue(yard.task(handler), options=ONCE)
    await yard.drain(limits=Limits(error=4000))

    error = (await yard.row(task)).error
    assert error is not None
    assert len(error.message.encode()) <= 1000
    assert len(error.traceback.encode()) <= 4000


async def test_the_errors_of_other_tasks_calls_are_ordinary_failures(yard: Yard) -> None:
    """A handler that enqueues badly has failed; its own message was fine."""

    async def misfit() -> None:
        raise ArgumentsError("another", "number: missing")

    async def unknown() -> None:
        raise UnknownTaskError("another")

    tasks = [await yard.enqueue(yard.task(handler, retry=EXACT)) for handler in (misfit, unknown)]
    await yard.drain()

    assert [await yard.state(task) for task in tasks] == ["retrying", "retrying"]


async def test_a_coroutine_from_a_blocking_handler_is_a_failure_and_not_a_success(
    yard: Yard,
) -> None:
    def handler() -> object:
        return works()

    task = await yard.enqueue(yard.task(handler), options=ONCE)
    await yard.drain()

    row = await yard.row(task)
    assert row.state is TaskState.FAILED
    assert row.error is not None
    assert "async def" in row.error.message


async def test_an_attempt_that_fails_is_not_remembered_by_the_next(yard: Yard) -> None:
    class Remembers:
        def __init__(self, start: int) -> None:
            self.seen = [start]

        def run(self, ctx: Context) -> list[int]:
            self.seen.append(ctx.attempt)
            if ctx.attempt < 3:
                raise ValueError("again")
            return self.seen

    task = await yard.enqueue(yard.task(Remembers, retry=Retry(backoff=0)), 0)
    await yard.drain()

    assert (await yard.row(task)).result == b"[0,3]"


async def test_a_stripped_task_keeps_its_key_and_state_alone(yard: Yard) -> None:
    task = await yard.enqueue(works, options=EnqueueOptions(delete_on_complete=True, key="k"))
    await yard.drain()

    row = await yard.row(task)
    assert (row.state, row.result, row.body) == (TaskState.SUCCEEDED, None, None)
    assert row.deleted_at is not None


class BrokenSnooze(Snooze):
    """An outcome whose own code fails."""

    def due(self, now: datetime) -> datetime:
        raise ZeroDivisionError(now)


async def test_an_end_that_cannot_be_described_is_still_an_end(yard: Yard) -> None:
    async def handler() -> None:
        raise BrokenSnooze("1 hour")

    bad = await yard.enqueue(yard.task(handler), options=ONCE)
    good = await yard.enqueue(works)
    await yard.drain(concurrency=1)

    row = await yard.row(bad)
    assert (row.state, row.reason) == (TaskState.FAILED, "error")
    assert row.error is not None
    assert row.error.type == "ZeroDivisionError"
    assert await yard.state(good) == "succeeded"


async def test_reports_too_large_together_leave_the_worse(yard: Yard) -> None:
    def deep(kind: str) -> Report:
        report = Report.error("deep") if kind == "error" else Report.info("deep")
        for _ in range(31):
            report = Report.info("above").add(report)
        return report

    async def handler(ctx: Context, noted: str, returned: str) -> Report:
        ctx.report.take(deep(noted))
        return deep(returned)

    definition = yard.task(handler)
    tasks = [
        await yard.enqueue(definition, noted, returned, options=ONCE)
        for noted, returned in [("info", "info"), ("error", "info"), ("info", "error")]
    ]
    await yard.drain()

    assert [await yard.state(task) for task in tasks] == ["succeeded", "failed", "failed"]
