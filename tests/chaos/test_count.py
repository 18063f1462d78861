"""Each planted violation is reported, and a run without one is not accused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from longshore.chaos.count import Evidence
from longshore.chaos.journal import Line
from longshore.chaos.monkey import Deed
from longshore.chaos.run import Ran, Settings
from longshore.chaos.wording import document, promises, violations
from longshore.identity import TaskId
from longshore.task import Attempt, Task, TaskSpec, TaskState

START = datetime(2026, 11, 22, 9, tzinfo=UTC)
LEASE = 10.0
ONE, TWO = TaskId("one"), TaskId("two")


def test_a_run_in_which_nothing_happened_breaks_no_promise() -> None:
    seen = evidence(rows=[row(ONE), row(TWO)], attempts=[attempt(ONE), attempt(TWO)])

    assert broken(seen) == set()
    assert list(violations(promises(ran(seen)))) == []


@pytest.mark.parametrize("state", [each for each in TaskState if each is not TaskState.SUCCEEDED])
def test_a_task_that_has_not_succeeded_is_lost(state: TaskState) -> None:
    rows = [row(ONE), row(TWO, state=state)]
    seen = evidence(rows=rows, attempts=[attempt(ONE), attempt(TWO)])

    assert seen.lost == [f"two: {state}"]
    assert broken(seen) == {"lost"}


def test_a_task_without_a_row_is_lost() -> None:
    seen = evidence(rows=[row(ONE)], attempts=[attempt(ONE)])

    assert seen.lost == ["two: not in the log"]
    assert broken(seen) == {"lost", "succeeded_not_once"}


@pytest.mark.parametrize("other", ["succeeded", "retrying", "failed", "cancelled"])
def test_an_attempt_that_was_let_finish_twice_is_reported(other: str) -> None:
    twice = [attempt(ONE), attempt(ONE, token=2, outcome=other), attempt(TWO)]
    seen = evidence(rows=[row(ONE), row(TWO)], attempts=twice)

    assert seen.finished_twice == ["one: attempt 1 of run 0 ended 2 times"]
    assert "finished_twice" in broken(seen)


def test_a_lost_try_a_given_back_one_and_a_retry_are_no_second_finish() -> None:
    ends = [
        attempt(ONE, outcome="lost"),
        attempt(ONE, token=2, outcome="given_back"),
        attempt(ONE, token=3, outcome="retrying"),
        attempt(ONE, token=4, number=2),
        attempt(TWO),
    ]
    seen = evidence(rows=[row(ONE, attempts=2), row(TWO)], attempts=ends, enqueued={ONE: 2, TWO: 1})

    assert broken(seen) == set()


@pytest.mark.parametrize("successes", [0, 2])
def test_a_task_that_did_not_succeed_exactly_once_in_the_log_is_reported(successes: int) -> None:
    ends = [attempt(ONE, token=number, number=number) for number in range(1, successes + 1)]
    seen = evidence(rows=[row(ONE), row(TWO)], attempts=[*ends, attempt(TWO)])

    assert seen.succeeded_not_once == [f"one: {successes} successes"]
    assert "succeeded_not_once" in broken(seen)


def test_an_attempt_that_term_consumed_is_reported() -> None:
    ends = [attempt(ONE, outcome="retrying"), attempt(ONE, token=2, number=2), attempt(TWO)]
    seen = evidence(rows=[row(ONE, attempts=2), row(TWO)], attempts=ends)

    assert seen.consumed == ["one: 2 attempts, 1 of its own"]
    assert broken(seen) == {"consumed"}


def test_handlers_that_overlap_while_nobody_was_stopped_are_reported() -> None:
    seen = overlapping(deeds=[])

    assert seen.overlaps == ["one: tokens 1 and 2 at 20.000"]
    assert broken(seen) == {"overlaps"}


def test_an_overlap_with_a_holder_that_was_stopped_past_its_lease_is_excused() -> None:
    seen = overlapping(deeds=[deed("stopped", at=2), deed("continued", at=19)])

    assert broken(seen) == set()
    assert seen.excused == 1


def test_an_overlap_with_a_holder_that_is_still_stopped_is_excused() -> None:
    seen = overlapping(deeds=[deed("stopped", at=2)])

    assert broken(seen) == set()


@pytest.mark.parametrize(
    "deeds",
    [
        pytest.param([("stopped", 2, 100), ("continued", 9, 100)], id="not past its lease"),
        pytest.param([("stopped", 2, 200), ("continued", 19, 200)], id="the later holder"),
        pytest.param([("stopped", 21, 100), ("continued", 40, 100)], id="after they met"),
    ],
)
def test_a_stop_that_explains_nothing_excuses_nothing(deeds: list[tuple[Any, float, int]]) -> None:
    told = [deed(act, at=at, worker=worker) for act, at, worker in deeds]

    seen = overlapping(deeds=told)

    assert broken(seen) == {"overlaps"}


def test_a_handler_that_meets_one_of_its_own_token_is_never_excused() -> None:
    began = replace(line("began", at=1), token=1)
    met = line("met", at=20, other=1)
    stopped = [deed("stopped", at=2), deed("continued", at=19)]

    seen = replace(overlapping(deeds=stopped), journal=[began, met])

    assert seen.overlaps == ["one: tokens 1 and 1 at 20.000"]


def test_a_stopped_holder_that_commits_all_the_same_is_reported() -> None:
    stopped = [deed("stopped", at=2), deed("continued", at=19)]
    ends = [attempt(ONE), attempt(TWO)]

    seen = overlapping(deeds=stopped, attempts=ends)

    assert seen.stale_commits == ["one: tokens 1 and 2 at 20.000"]
    assert broken(seen) == {"stale_commits"}


def test_two_handlers_that_both_see_each_other_are_one_overlap() -> None:
    seen = overlapping(deeds=[])
    both = [*seen.journal, line("met", token=1, other=2, at=20.1)]

    assert len(replace(seen, journal=both).meetings) == 1


def test_a_worker_that_ends_by_itself_is_reported_and_one_that_was_told_is_not() -> None:
    deeds = [
        deed("killed", at=1, worker=1),
        deed("ended", at=2, worker=1),
        deed("terminated", at=1, worker=2),
        deed("ended", at=2, worker=2),
        deed("ended", at=3, worker=3),
    ]
    seen = replace(evidence(rows=[row(ONE), row(TWO)], attempts=[]), deeds=deeds)

    assert seen.deserted == ["worker 3 at 3.000"]
    assert "deserted" in broken(seen)


def test_rescues_are_timed_from_the_kill_to_the_takeover_and_stops_are_none() -> None:
    deeds = [deed("killed", at=5, worker=100), deed("stopped", at=5, worker=200)]
    ends = [
        attempt(ONE, outcome="lost", worker="here:100", ended=17),
        attempt(TWO, outcome="lost", worker="here:200", ended=17),
        attempt(TWO, token=2, outcome="lost", worker="here:100", ended=4),
        attempt(TWO, token=3, outcome="succeeded", worker="here:100", ended=17),
    ]
    seen = evidence(rows=[], attempts=ends, deeds=deeds)

    assert [one.wait for one in seen.rescues] == [12.0]


@pytest.mark.parametrize(("seconds", "expected"), [(20.0, set[str]()), (20.1, {"rescue_max"})])
def test_a_rescue_later_than_two_leases_is_reported(seconds: float, expected: set[str]) -> None:
    seen = rescue_of(seconds, deeds=[])

    assert broken(seen) == expected


@pytest.mark.parametrize("act", ["killed", "stopped"])
@pytest.mark.parametrize(
    ("at", "disturbed"), [(12.9, False), (13.0, True), (30.0, True), (30.1, False)]
)
def test_a_rescue_is_disturbed_by_what_befalls_who_may_have_the_message(
    act: str, at: float, *, disturbed: bool
) -> None:
    seen = rescue_of(30, deeds=[deed(act, at=at, worker=300)])

    assert [one.disturbed for one in seen.rescues] == [disturbed, False]
    assert broken(seen) == (set() if disturbed else {"rescue_max"})


@pytest.mark.parametrize(
    ("name", "ended", "disturbed"),
    [("chaos.block", 25, True), ("chaos.block", 12.5, False), ("chaos.thread", 25, False)],
)
def test_a_rescue_is_disturbed_by_a_blocked_loop(
    name: str, ended: float, *, disturbed: bool
) -> None:
    spec = TaskSpec(id=TWO, name=name, queue="chaos", body=b"", created_at=START)
    blocked = [line("began", at=11, task=TWO), line("ended", at=ended, task=TWO)]

    seen = rescue_of(30, deeds=[])
    seen = replace(seen, rows=[row(ONE), replace(row(TWO), spec=spec)], journal=blocked)

    assert [one.disturbed for one in seen.rescues] == [disturbed, False]


@pytest.mark.parametrize(
    ("acts", "disturbed"),
    [
        ([], False),
        ([("stopped", 6), ("continued", 14)], True),
        ([("stopped", 6), ("continued", 12)], False),
        ([("terminated", 6), ("stopped", 7), ("continued", 8)], True),
    ],
)
def test_a_rescue_is_disturbed_while_nobody_is_there(
    acts: list[tuple[Any, float]], *, disturbed: bool
) -> None:
    there = [line("began", at=1, worker=200), line("began", at=31, worker=300)]
    seen = rescue_of(30, deeds=[deed(act, at=at, worker=200) for act, at in acts])

    seen = replace(seen, journal=there)

    assert [one.disturbed for one in seen.rescues] == [disturbed, False]


def test_a_worker_that_does_not_end_by_term_breaks_a_promise() -> None:
    seen = evidence(rows=[row(ONE), row(TWO)], attempts=[attempt(ONE), attempt(TWO)])

    said = document(replace(ran(seen), stuck=1))

    assert said["kept"] is False


def test_only_accepted_handlers_that_ran_for_longer_than_a_lease_outlasted_it() -> None:
    journal = [
        line("began", at=0),
        line("ended", at=LEASE + 1),
        line("began", at=0, task=TWO),
        line("ended", at=LEASE - 1, task=TWO),
        line("began", at=0, token=2),
        line("ended", at=LEASE + 1, token=2),
    ]
    ends = [attempt(ONE), attempt(ONE, token=2, outcome="lost"), attempt(TWO)]
    seen = replace(evidence(rows=[], attempts=ends), journal=journal)

    assert seen.outlasting == 1


def rescue_of(seconds: float, *, deeds: list[Deed]) -> Evidence:
    """Worker 100 is killed at once; one task is rescued after so many seconds, another after 3."""
    ends = [
        attempt(ONE, outcome="lost", ended=seconds),
        attempt(TWO, outcome="lost", ended=3),
        attempt(ONE, token=2, worker="here:200"),
        attempt(TWO, token=2, worker="here:200"),
    ]
    rows = [row(ONE), row(TWO)]
    return evidence(rows=rows, attempts=ends, deeds=[deed("killed", at=0), *deeds])


def overlapping(*, deeds: list[Deed], attempts: list[Attempt] | None = None) -> Evidence:
    """Token 2 of a task begins in worker 200 while token 1 runs in worker 100."""
    journal = [
        line("began", token=1, at=1),
        line("began", token=2, at=20, worker=200),
        line("met", token=2, at=20, other=1, worker=200),
        line("ended", token=1, at=21),
        line("ended", token=2, at=22, worker=200),
    ]
    ends = [
        attempt(ONE, outcome="lost", worker="here:100"),
        attempt(ONE, token=2, worker="here:200"),
        attempt(TWO),
    ]
    return replace(
        evidence(rows=[row(ONE), row(TWO)], attempts=attempts or ends, deeds=deeds),
        journal=journal,
    )


def evidence(
    *,
    rows: list[Task],
    attempts: list[Attempt],
    deeds: list[Deed] | None = None,
    enqueued: dict[TaskId, int] | None = None,
) -> Evidence:
    return Evidence(
        enqueued=enqueued or {ONE: 1, TWO: 1},
        rows=rows,
        attempts=attempts,
        journal=[],
        deeds=deeds or [],
        lease=LEASE,
    )


def ran(seen: Evidence) -> Ran:
    settings = Settings(url="memory://", seed=1)
    return Ran(settings=settings, evidence=seen, seconds=1.0, restarts=0, undone=0, stuck=0)


def broken(seen: Evidence) -> set[str]:
    return {one.key for one in promises(ran(seen)) if not one.kept}


def row(task_id: TaskId, state: TaskState = TaskState.SUCCEEDED, attempts: int = 1) -> Task:
    spec = TaskSpec(id=task_id, name="chaos.loop", queue="chaos", body=b"", created_at=START)
    return Task(spec=spec, state=state, due_at=START, updated_at=START, attempts=attempts)


def attempt(  # noqa: PLR0913 - the columns of one
    task_id: TaskId,
    *,
    token: int = 1,
    number: int = 1,
    outcome: str = "succeeded",
    worker: str = "here:100",
    ended: float = 2,
) -> Attempt:
    return Attempt(
        task_id=task_id,
        run=0,
        number=number,
        token=token,
        worker=worker,
        outcome=outcome,
        started_at=START,
        ended_at=START + timedelta(seconds=ended),
    )


def line(  # noqa: PLR0913 - the columns of one
    event: Any, *, at: float, token: int = 1, other: int = 0, worker: int = 100, task: TaskId = ONE
) -> Line:
    return Line(event=event, task_id=task, token=token, worker=worker, at=at, other=other)


def deed(act: Any, *, at: float, worker: int = 100) -> Deed:
    return Deed(act=act, worker=worker, at=at, time=START + timedelta(seconds=at))
