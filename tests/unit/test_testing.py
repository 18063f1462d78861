from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from longshore import Context, Longshore, Retry, Snooze
from longshore.errors import UnavailableError, WaitTimeoutError
from longshore.testing import sandbox

app = Longshore(url="nothing://is-ever-connected-to")


@app.task
def send(address: str, copies: int = 1) -> str:
    return address * copies


@app.task
async def asend(address: str) -> str:
    return address


@app.task(retry=Retry(attempts=3, backoff="10s", jitter=0))
def flaky(ctx: Context) -> int:
    if ctx.attempt < 3:
        raise UnavailableError("the mail server is away")
    return ctx.attempt


@app.task(retry=Retry(attempts=None, backoff="1 hour", jitter=0))
def hopeless() -> None:
    raise UnavailableError("always")


def test_the_example_of_the_module_holds() -> None:
    with sandbox(app) as box:
        send.using(delay="10m").enqueue("a@b.c")
        box.drain()
        before = box.one(send).state
        box.advance(minutes=10)
        stopped = box.drain()

        assert before == "scheduled"
        assert box.one(send).state == "succeeded"
        assert stopped.done == 1


def test_nothing_runs_before_it_is_drained() -> None:
    with sandbox(app) as box:
        handle = send.enqueue("a")

        assert handle.status() == "queued"
        box.drain()
        assert handle.result() == "a"


async def test_a_sandbox_may_be_used_from_a_running_loop() -> None:
    with sandbox(app) as box:
        handle = await asend.aenqueue("a")
        box.drain()

        assert await handle.aresult() == "a"


def test_a_task_runs_inside_its_enqueue_where_that_is_wanted() -> None:
    with sandbox(app, at_once=True) as box:
        handle = send.enqueue("a", copies=3)

        assert handle.result() == "aaa"
        assert [task.state for task in box.tasks()] == ["succeeded"]


def test_waiting_for_what_nobody_runs_says_so_instead_of_hanging() -> None:
    with sandbox(app):
        handle = send.enqueue("a")

        with pytest.raises(WaitTimeoutError):
            handle.result()
        with pytest.raises(WaitTimeoutError):
            handle.wait(timeout=60)


def test_retries_wait_for_the_clock() -> None:
    with sandbox(app) as box:
        handle = flaky.enqueue()
        states = []
        for _ in range(3):
            box.drain()
            states.append(handle.status().value)
            box.advance(timedelta(seconds=10))

        assert states == ["retrying", "retrying", "succeeded"]
        assert handle.result() == 3


def test_draining_all_moves_the_clock_to_each_wait() -> None:
    with sandbox(app) as box:
        flaky.using(delay="3 days").enqueue()
        send.enqueue("a")
        start = box.clock.now()

        stopped = box.drain_all()

        assert box.clock.now() - start == timedelta(days=3, seconds=20)
        assert {task.state.value for task in box.tasks()} == {"succeeded"}
        assert stopped.done == 1


def test_draining_all_of_what_never_ends_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longshore.testing._STEPS", 20)  # a thousand take as many drains
    with sandbox(app) as box:
        hopeless.enqueue()

        with pytest.raises(AssertionError, match="after 20 waits these are still open: hopeless"):
            box.drain_all()


def test_a_snoozed_task_is_not_forgotten() -> None:
    other = Longshore(url="nothing://")

    @other.task
    def polls(ctx: Context) -> object:
        return Snooze("1 hour") if ctx.fence < 4 else "ready"

    with sandbox(other) as box:
        handle = polls.enqueue()
        box.drain_all()

        assert handle.result() == "ready"
        assert handle.task().attempts == 1


def test_what_was_enqueued_can_be_asserted() -> None:
    with sandbox(app) as box:
        send.enqueue("a", copies=2)
        send.enqueue("b")

        assert box.assert_enqueued(send, address="b").spec.name == "send"
        assert [box.arguments(task)[1] for task in box.tasks(send)] == [
            {"address": "a", "copies": 2},
            {"address": "b"},
        ]
        with pytest.raises(AssertionError, match="'a'"):
            box.assert_enqueued(send, address="c")
        with pytest.raises(AssertionError):
            box.assert_enqueued(flaky)
        with pytest.raises(AssertionError, match="2 tasks"):
            box.one(send)
        with pytest.raises(AssertionError, match="0 tasks"):
            box.one(flaky)


def test_tasks_of_every_queue_are_run() -> None:
    with sandbox(app) as box:
        for queue in ("a", "b", "c"):
            send.using(queue=queue).enqueue(queue)

        assert box.drain().done == 3


def test_a_retried_task_runs_at_the_next_drain() -> None:
    with sandbox(app) as box:
        handle = send.enqueue("a")
        handle.cancel()
        box.drain()
        cancelled = handle.status().value
        handle.retry()
        box.drain()

        assert (cancelled, handle.result()) == ("cancelled", "a")


def test_a_sandbox_leaves_the_application_as_it_was() -> None:
    with Longshore(url="memory://") as own:
        task = cast("Any", own.task)(lambda: None, name="own")
        before = task.enqueue()
        with sandbox(own) as box:
            task.enqueue()
            inside = len(box.tasks())
        after = task.enqueue()

        assert inside == 1
        assert before.status() == after.status() == "queued"


def test_sandboxes_see_nothing_of_each_other() -> None:
    with sandbox(app) as first:
        send.enqueue("a")
        with sandbox(app) as second:
            assert second.tasks() == []
        assert len(first.tasks()) == 1


def test_the_clock_starts_where_the_test_says() -> None:
    start = datetime(2030, 6, 1, tzinfo=UTC)
    with sandbox(app, start=start) as box:
        task = send.enqueue("a").task()

        assert task.spec.created_at == start
        assert box.advance(hours=1) == start + timedelta(hours=1)
        assert box.advance(timedelta(0)) == start + timedelta(hours=1)


def test_an_applications_own_logging_still_reaches_its_test(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Longshore(url="nothing://")

    @other.task
    def talks() -> None:
        logging.getLogger("theirs").warning("logged")
        print("printed")  # noqa: T201 - that is what is tested

    with sandbox(other, at_once=True):
        handle = talks.enqueue()
        lines = [line.text for one in handle.attempts() for line in one.lines]

    assert lines == ["logged", "printed"]
    assert "logged" in caplog.messages
    assert capsys.readouterr().out == "printed\n"
