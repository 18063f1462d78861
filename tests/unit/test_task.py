from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from longshore.errors import ConfigurationError
from longshore.identity import TaskId
from longshore.task import (
    ALL,
    FINAL,
    HELD,
    OPEN,
    STATE_ALIASES,
    Attempt,
    Task,
    TaskSpec,
    TaskState,
    parse_states,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
S = TaskState


def row(state: TaskState = S.QUEUED) -> Task:
    spec = TaskSpec(id=TaskId("t"), name="n", queue="q", body=b"", created_at=START)
    return Task(spec=spec, state=state, due_at=START, updated_at=START)


def test_a_state_is_open_held_final_or_running() -> None:
    groups = [OPEN, HELD, FINAL, {S.RUNNING}]

    assert set().union(*groups) == ALL == set(TaskState)
    assert sum(map(len, groups)) == len(TaskState)


@pytest.mark.parametrize("state", sorted(TaskState))
def test_the_unified_word_of_a_state_names_it_alone(state: str) -> None:
    assert parse_states([state]) == {TaskState(state)}


# L27, E12, P02, D03, T13: what each of the five systems calls the state, as its users type it.
@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("pending", S.CREATED),
        ("pending", S.BLOCKED),
        ("pending", S.SCHEDULED),
        ("pending", S.QUEUED),
        ("pending", S.RETRYING),
        ("new", S.CREATED),
        ("new", S.BLOCKED),
        ("new", S.SCHEDULED),
        ("new", S.RETRYING),
        ("Queued", S.QUEUED),
        ("enqueued", S.CREATED),
        ("enqueued", S.QUEUED),
        ("paused", S.PAUSED),
        ("Paused", S.PAUSED),
        ("dequeued", S.RUNNING),
        ("running", S.RUNNING),
        ("Running", S.RUNNING),
        ("processing", S.RUNNING),
        ("in_progress", S.RUNNING),
        ("in_progress", S.WAITING),
        ("child_running", S.WAITING),
        ("retrying", S.RETRYING),
        ("completed", S.SUCCEEDED),
        ("Success", S.SUCCEEDED),
        ("failed", S.FAILED),
        ("Failed", S.FAILED),
        ("cancelled", S.CANCELLED),
        ("Canceled", S.CANCELLED),
        ("created", S.CREATED),
    ],
    ids=str,
)
def test_the_words_of_the_five_originals_are_understood(word: str, state: TaskState) -> None:
    assert state in parse_states([word])


def test_queued_is_the_unified_word_and_never_means_taken() -> None:
    assert parse_states(["queued"]) == {S.QUEUED}


@pytest.mark.parametrize(
    ("word", "states"),
    [("all", ALL), ("any", ALL), ("open", OPEN), ("held", HELD), ("final", FINAL)],
)
def test_a_group_names_all_of_its_states(word: str, states: frozenset[TaskState]) -> None:
    assert parse_states([word]) == states


def test_several_words_name_all_of_theirs() -> None:
    assert parse_states(["failed", "completed", "Failed"]) == {S.FAILED, S.SUCCEEDED}


def test_no_words_name_no_states() -> None:
    assert parse_states([]) == frozenset()


@pytest.mark.parametrize("word", [" FAILED ", "Failed", "in-progress", "Child-Running"])
def test_case_white_space_and_dashes_do_not_matter(word: str) -> None:
    plain = word.strip().lower().replace("-", "_")

    assert parse_states([word]) == parse_states([plain])


@pytest.mark.parametrize("word", ["", "done", "fail", "unknown", "queued,failed"])
def test_another_word_is_refused_with_all_that_are_known(word: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_states(["failed", word])

    text = str(refused.value)
    assert text.startswith(f"{word!r} is not a task state; use one of: created, ")
    assert all(f" {known}" in text for known in [*TaskState, *STATE_ALIASES])


@pytest.mark.parametrize("state", list(TaskState))
def test_only_an_operator_can_change_a_final_state(state: TaskState) -> None:
    assert row(state).final is (state in FINAL)


def test_a_task_lasts_from_the_start_of_its_newest_attempt_to_its_end() -> None:
    task = dataclasses.replace(row(), started_at=START, finished_at=START + SECOND)

    assert task.duration == SECOND


@pytest.mark.parametrize(
    "task",
    [
        row(),
        dataclasses.replace(row(), started_at=START),
        dataclasses.replace(row(), finished_at=START),
    ],
    ids=["new", "running", "never-started"],
)
def test_a_task_that_did_not_run_to_an_end_has_no_duration(task: Task) -> None:
    assert task.duration is None


def test_an_attempt_lasts_from_the_claim_to_the_end() -> None:
    attempt = Attempt(
        task_id=TaskId("t"),
        run=0,
        number=1,
        token=1,
        worker="w",
        outcome="failed",
        started_at=START,
        ended_at=START + SECOND,
    )

    assert attempt.duration == SECOND
