"""The one who breaks things does what was planned, to real processes, and writes it down."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from longshore.bench.command import environment, running
from longshore.chaos.monkey import Monkey
from longshore.chaos.plan import Blow
from longshore.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from longshore.bench.command import Running

DEADLINE = 20.0
SLEEPER = "import time; time.sleep(600)"


def test_a_killed_worker_is_replaced_and_so_is_one_that_ends_by_itself(tmp_path: Path) -> None:
    with crew(tmp_path, 2) as monkey:
        monkey.begin([Blow(at=0.0, means="kill", place=1)])

        until(monkey, lambda: acts(monkey)["started"] == 3)

        assert acts(monkey) == {"started": 3, "killed": 1, "ended": 1}
        assert monkey.at_peace


def test_a_stopped_worker_stands_still_until_its_time_has_come(tmp_path: Path) -> None:
    with crew(tmp_path, 1) as monkey:
        monkey.begin([Blow(at=0.0, means="stop", lasts=0.5)])

        until(monkey, lambda: acts(monkey)["stopped"] == 1)
        [started, stopped] = monkey.deeds
        stood_still = stands_still(started.worker)
        until(monkey, lambda: monkey.at_peace)

        assert stood_still
        assert monkey.deeds[-1].act == "continued"
        assert monkey.deeds[-1].at - stopped.at >= 0.5


def test_a_stop_that_holds_the_store_itself_is_undone_and_tried_again(tmp_path: Path) -> None:
    answers = [True, True, False]
    with crew(tmp_path, 1, holds_all=lambda: answers.pop(0)) as monkey:
        monkey.begin([Blow(at=0.0, means="stop", lasts=0.1)])

        until(monkey, lambda: monkey.at_peace)

        assert monkey.undone == 2
        assert acts(monkey) == {"started": 1, "stopped": 1, "continued": 1}


def test_a_kill_spares_who_is_stopped(tmp_path: Path) -> None:
    with crew(tmp_path, 2) as monkey:
        monkey.begin(
            [
                Blow(at=0.0, means="stop", lasts=600),
                Blow(at=0.0, means="kill"),
                Blow(at=0, means="kill"),
            ]
        )

        until(monkey, lambda: acts(monkey)["ended"] >= 1)

        [stopped] = [deed.worker for deed in monkey.deeds if deed.act == "stopped"]
        assert stopped not in {deed.worker for deed in monkey.deeds if deed.act == "killed"}


def test_nobody_is_killed_before_it_has_begun_to_work(tmp_path: Path) -> None:
    begun: set[int] = set()
    with crew(tmp_path, 2, begun=lambda pid: pid in begun) as monkey:
        monkey.begin([Blow(at=0.0, means="kill")])
        for _ in range(5):
            monkey.look()
        before = acts(monkey)
        begun.add(monkey.deeds[1].worker)

        until(monkey, lambda: acts(monkey)["killed"] == 1)

        assert before == {"started": 2}
        assert [deed.worker for deed in monkey.deeds if deed.act == "killed"] == list(begun)


def test_a_rolling_restart_tells_everybody_once_and_the_next_when_one_has_ended(
    tmp_path: Path,
) -> None:
    with crew(tmp_path, 3) as monkey:
        monkey.begin([Blow(at=0.0, means="restart")])

        until(monkey, lambda: acts(monkey)["started"] == 6)

        told = [deed.act for deed in monkey.deeds if deed.act in {"terminated", "ended"}]
        assert told == ["terminated", "ended"] * 3
        assert monkey.restarts == 1


@pytest.mark.parametrize(("program", "expected"), [(SLEEPER, 0), ("stubborn", 1)])
def test_who_does_not_end_by_term_is_counted_and_ended_all_the_same(
    tmp_path: Path, program: str, expected: int
) -> None:
    ready = tmp_path / "ready"
    stubborn = f"""
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(ready)!r}).touch()
time.sleep(600)
"""
    if expected == 0:
        ready.touch()
    with crew(tmp_path, 1, program=stubborn if expected else program) as monkey:
        until(monkey, ready.exists)
        stuck = monkey.dismiss(5.0 if expected == 0 else 0.3)

    [pid] = {deed.worker for deed in monkey.deeds}
    assert stuck == expected
    assert not psutil.pid_exists(pid)


def stands_still(worker: int) -> bool:
    """Wait until it does: on a busy machine a process hears a signal when it is next its turn."""
    process, deadline = psutil.Process(worker), time.monotonic() + DEADLINE
    while process.status() != psutil.STATUS_STOPPED and time.monotonic() < deadline:
        time.sleep(0.01)
    return process.status() == psutil.STATUS_STOPPED


@contextmanager
def crew(
    folder: Path,
    size: int,
    *,
    program: str = SLEEPER,
    begun: Callable[[int], bool] = lambda _: True,
    holds_all: Callable[[], bool] = lambda: False,
) -> Generator[Monkey]:
    def start() -> AbstractContextManager[Running]:
        return running("a worker", [sys.executable, "-c", program], folder, environment())

    with Monkey(
        start=start, size=size, clock=SystemClock(), begun=begun, holds_all=holds_all
    ) as monkey:
        yield monkey


def acts(monkey: Monkey) -> Counter[str]:
    return Counter(deed.act for deed in monkey.deeds)


def until(monkey: Monkey, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, monkey.deeds
        monkey.look()
        time.sleep(0.01)
