"""Worker processes on one SQLite file: killed, stopped, and side by side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from longshore import Longshore, TaskState
from longshore.definition import define
from tests.integration.cgroup import memory_group

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from longshore.handle import Handle

APPS = Path(__file__).parent / "apps"
DEADLINE = 40.0


def note(number: int) -> int:
    """Stand for the handler of that name in the worker's application."""
    return number


def hold(number: int) -> int:
    """Stand for the handler of that name in the worker's application."""
    return number


def kills(number: int) -> None:
    """Stand for the handler of that name in the worker's application."""


def eats(number: int) -> None:
    """Stand for the handler of that name in the worker's application."""


def works(number: int) -> int:
    """Stand for the handler of that name in the worker's application."""
    return number


def pays(number: int) -> int:
    """Stand for the handler of that name in the worker's application."""
    return number


class Yard:
    """A SQLite file, the file its handlers write to, and worker processes."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out"
        self.gate = folder / "gate"
        self.url = f"sqlite:///{folder}/yard.db"
        self.app = Longshore(url=self.url)
        for function in (note, hold, kills, eats, works, pays):
            self.app.registry.add(define(function))

    def enqueue(self, name: str, count: int) -> list[Handle[int]]:
        return [self.app.enqueue(name, number) for number in range(count)]

    def lines(self) -> list[str]:
        return self.out.read_text("utf-8").splitlines() if self.out.exists() else []

    @contextmanager
    def worker(self, *flags: str, within: Sequence[str] = ()) -> Generator[subprocess.Popen[bytes]]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(APPS),
            "HANDS_OUT": str(self.out),
            "HANDS_GATE": str(self.gate),
            "LONGSHORE_LEASE": "1s",
            "LONGSHORE_URL": self.url,
        }
        command = [sys.executable, "-m", "longshore", "work", "--app", "hands:app", *flags]
        process = subprocess.Popen([*within, *command], env=environment, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            self.gate.touch()
            if process.poll() is None:
                process.terminate()
            process.wait(DEADLINE)


@pytest.fixture
def yard(tmp_path: Path) -> Generator[Yard]:
    yard = Yard(tmp_path)
    yield yard
    yard.app.close()


def test_a_task_of_one_process_runs_in_another_and_its_result_comes_back(yard: Yard) -> None:
    with yard.worker():
        (handle,) = yard.enqueue("note", 1)

        result = handle.result(timeout=DEADLINE)

    assert result == 0
    assert [attempt.outcome for attempt in handle.attempts()] == ["succeeded"]


def test_tasks_of_a_killed_worker_are_rescued_and_succeed_once(yard: Yard) -> None:
    handles = yard.enqueue("hold", 4)
    with yard.worker() as victim:
        until(lambda: len(yard.lines()) == 4)

        victim.send_signal(signal.SIGKILL)
        victim.wait(DEADLINE)
        yard.gate.touch()
        with yard.worker():
            tasks = [handle.wait(timeout=DEADLINE) for handle in handles]

    assert {task.state for task in tasks} == {TaskState.SUCCEEDED}
    assert [task.attempts for task in tasks] == [1, 1, 1, 1]
    outcomes = [[attempt.outcome for attempt in handle.attempts()] for handle in handles]
    assert outcomes == [["lost", "succeeded"]] * 4
    assert Counter(line.split()[0] for line in yard.lines()) == {"began": 8, "ended": 4}


def test_two_workers_on_one_file_run_each_task_exactly_once(yard: Yard) -> None:
    handles = yard.enqueue("note", 300)

    with yard.worker("--once") as one, yard.worker("--once") as other:
        codes = [one.wait(DEADLINE), other.wait(DEADLINE)]

    assert codes == [0, 0]
    assert {handle.status() for handle in handles} == {TaskState.SUCCEEDED}
    assert Counter(line.split()[1] for line in yard.lines()) == {str(n): 1 for n in range(300)}


def test_term_lets_what_runs_end_and_gives_back_the_rest_without_an_attempt(yard: Yard) -> None:
    handles = yard.enqueue("hold", 6)
    with yard.worker("--concurrency", "2") as worker:
        until(lambda: len(yard.lines()) == 2)

        worker.send_signal(signal.SIGTERM)
        yard.gate.touch()
        code = worker.wait(DEADLINE)

    tasks = [handle.task() for handle in handles]
    assert code == 0
    assert Counter(task.state for task in tasks) == {TaskState.SUCCEEDED: 2, TaskState.QUEUED: 4}
    assert Counter(task.attempts for task in tasks) == {1: 2, 0: 4}


def test_a_worker_whose_handler_blocks_longer_than_its_lease_keeps_the_task(yard: Yard) -> None:
    (handle,) = yard.enqueue("hold", 1)
    with yard.worker(), yard.worker():
        until(lambda: len(yard.lines()) == 1)
        token = handle.task().token
        until(lambda: renewed_past(handle, seconds=3))

        yard.gate.touch()
        task = handle.wait(timeout=DEADLINE)

    assert (task.state, task.token, task.rescues) == (TaskState.SUCCEEDED, token, 0)
    assert [line.split()[0] for line in yard.lines()] == ["began", "ended"]


@pytest.mark.once
@pytest.mark.timeout(120)
def test_a_task_that_kills_its_process_is_poison_and_condemns_no_neighbour(yard: Yard) -> None:
    handles = yard.enqueue("works", 12)
    [killer] = yard.enqueue("kills", 1)
    handles += yard.enqueue("works", 11)

    with yard.worker("--processes", "4", "--concurrency", "8"):
        tasks = [handle.wait(timeout=DEADLINE) for handle in handles]
        poison = killer.wait(timeout=DEADLINE)
        [later] = yard.enqueue("note", 1)
        after = later.wait(timeout=DEADLINE)

    assert [task.reason for task in tasks if task.state is not TaskState.SUCCEEDED] == []
    assert len(tasks) == 23
    assert (poison.state, poison.reason) == (TaskState.FAILED, "poison")
    outcomes = Counter(attempt.outcome for attempt in killer.attempts())
    assert (outcomes.pop("lost"), set(outcomes) - {"given_back"}) == (4, set())
    assert after.state is TaskState.SUCCEEDED
    assert sum(line.startswith("kills") for line in yard.lines()) == 4


@pytest.mark.once
@pytest.mark.timeout(120)
def test_a_task_that_takes_all_memory_is_poison_and_condemns_no_neighbour(yard: Yard) -> None:
    with memory_group(mebibytes=512) as group:
        if group is None:
            pytest.skip("capability: this machine lets this user make no memory cgroup")
        handles = yard.enqueue("works", 30)
        [eater] = yard.enqueue("eats", 1)
        handles += yard.enqueue("works", 30)

        with yard.worker("--processes", "4", "--concurrency", "8", within=group.entering):
            tasks = [handle.wait(timeout=DEADLINE) for handle in handles]
            poison = eater.wait(timeout=DEADLINE)
            [later] = yard.enqueue("note", 1)
            after = later.wait(timeout=DEADLINE)
        kills = group.kills

    assert [task.reason for task in tasks if task.state is not TaskState.SUCCEEDED] == []
    assert len(tasks) == 60
    assert (poison.state, poison.reason) == (TaskState.FAILED, "poison")
    outcomes = Counter(attempt.outcome for attempt in eater.attempts())
    assert (outcomes.pop("lost"), set(outcomes) - {"given_back"}) == (kills, set())
    assert after.state is TaskState.SUCCEEDED
    assert sum(line.startswith("eats") for line in yard.lines()) == kills > 0


def test_a_task_that_must_not_run_again_fails_when_its_worker_is_lost(yard: Yard) -> None:
    [handle] = yard.enqueue("pays", 1)
    with yard.worker() as victim:
        until(lambda: len(yard.lines()) == 1)

        victim.kill()
        victim.wait(DEADLINE)
        with yard.worker():
            task = handle.wait(timeout=DEADLINE)

    assert (task.state, task.reason) == (TaskState.FAILED, "lost")
    assert len(yard.lines()) == 1


def test_every_id_that_a_killed_producer_was_answered_is_in_the_log(yard: Yard) -> None:
    script = "from hands import app, note\nwhile True: print(note.enqueue(1).id, flush=True)\n"
    environment = {**os.environ, "PYTHONPATH": str(APPS), "LONGSHORE_URL": yard.url}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True
    ) as producer:
        assert producer.stdout is not None
        answered = [producer.stdout.readline().strip() for _ in range(200)]
        producer.kill()
        answered += [line for line in producer.stdout.read().splitlines() if len(line) == 36]

    states = {yard.app.handle(task_id).status() for task_id in answered}

    assert states == {TaskState.QUEUED}


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, up to a deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "the condition did not come about in time"
        time.sleep(0.01)


def renewed_past(handle: Handle[int], *, seconds: float) -> bool:
    """Whether the task's lease now ends later than its start, its lease and the margin allow."""
    task = handle.task()
    if task.lease_until is None or task.started_at is None:
        return False
    return (task.lease_until - task.started_at).total_seconds() > seconds
