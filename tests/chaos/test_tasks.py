"""Handlers notice each other: this is what the count of overlaps rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.chaos.journal import NAME, read
from longshore.chaos.tasks import witnessed
from longshore.clock import SystemClock
from longshore.context import Context
from longshore.identity import TaskId

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_handler_that_is_alone_begins_and_ends(tmp_path: Path) -> None:
    with witnessed(context(token=1)):
        pass

    assert said(tmp_path) == [("began", 1, 0), ("ended", 1, 0)]


def test_the_end_is_written_where_the_handler_raises_too(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), witnessed(context(token=1)):
        raise RuntimeError

    assert said(tmp_path)[-1] == ("ended", 1, 0)


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_a_handler_meets_another_of_its_task_whichever_token_is_higher(
    tmp_path: Path, first: int, second: int
) -> None:
    with witnessed(context(token=first)), witnessed(context(token=second)):
        pass

    assert ("met", second, first) in said(tmp_path)


def test_a_handler_meets_one_that_began_under_its_own_token(tmp_path: Path) -> None:
    with witnessed(context(token=1)), witnessed(context(token=1)):
        pass

    assert ("met", 1, 1) in said(tmp_path)


def test_one_after_another_and_other_tasks_are_not_met(tmp_path: Path) -> None:
    with witnessed(context(token=1)):
        pass
    with witnessed(context(token=2)), witnessed(context(token=1, task="other")):
        pass

    assert [event for event, *_ in said(tmp_path)] == ["began", "ended"] + ["began"] * 2 + [
        "ended"
    ] * 2


def context(*, token: int, task: str = "one") -> Context:
    return Context(
        task_id=TaskId(task),
        task_name="chaos.loop",
        queue="chaos",
        attempt=1,
        fence=token,
        clock=SystemClock(),
    )


def said(folder: Path) -> list[tuple[str, int, int]]:
    return [(line.event, line.token, line.other) for line in read(folder / NAME)]
