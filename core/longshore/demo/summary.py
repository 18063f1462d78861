"""What the log says of a finished demo: everything here is read from it, nothing remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.codec import decode
from longshore.demo.app import always_fails, measure_file
from longshore.demo.files import Measured, from_text
from longshore.handle import read_result
from longshore.task import TaskState
from longshore.task_log import TaskQuery

if TYPE_CHECKING:
    from longshore.app import Longshore
    from longshore.queue import DeadLetter
    from longshore.session import Live
    from longshore.task import Attempt, Task

SLOWEST: Final = 5
_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The demo's tasks as the log has them."""

    states: dict[str, int]
    attempts: int
    rescued: int
    results: dict[str, Measured]
    slowest: list[tuple[str, float]]
    failed: Task
    tries: list[Attempt]
    dead_letters: list[DeadLetter]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(measured.size for measured in self.results.values())

    def problems(self, files: int) -> list[str]:
        """What is not as it should be; empty after a run without a surprise."""
        found: list[str] = []
        if len(self.results) != files or self.states.get("succeeded", 0) != files:
            found.append(f"{files} files, {len(self.results)} results, states {self.states}")
        ended = sum(one.outcome != "lost" for one in self.tries)
        if self.failed.state is not TaskState.FAILED or ended != self.failed.attempts:
            found.append(f"the failing task is {self.failed.state} after {ended} tries")
        if sorted(letter.reason for letter in self.dead_letters) != ["decode", "error"]:
            found.append(f"dead letters: {[letter.reason for letter in self.dead_letters]}")
        return found


def summarise(app: Longshore, dead_letters: list[DeadLetter]) -> Summary:
    """Read the log."""
    measured = app.session.call(lambda live: _all(live, measure_file.name))
    (failed,) = app.session.call(lambda live: _all(live, always_fails.name))
    tries = app.session.call(lambda live: live.ports.task_log.attempts(failed.id))
    states: dict[str, int] = {}
    for task in [*measured, failed]:
        states[task.state.value] = states.get(task.state.value, 0) + 1
    took = sorted(
        (((task.duration.total_seconds() if task.duration else 0.0), name_of(task)))
        for task in measured
    )
    return Summary(
        states=states,
        attempts=sum(task.attempts for task in [*measured, failed]),
        rescued=sum(task.token > task.attempts for task in [*measured, failed]),
        results={name_of(task): _result(task) for task in measured if task.result is not None},
        slowest=[(name, seconds) for seconds, name in reversed(took[-SLOWEST:])],
        failed=failed,
        tries=tries,
        dead_letters=dead_letters,
    )


def name_of(task: Task) -> str:
    """The path a task was given."""
    _, arguments = decode(task.spec.body).arguments()
    return str(from_text(str(arguments["path"])))


def _result(task: Task) -> Measured:
    value = read_result(task.result, Measured)
    assert isinstance(value, Measured)  # noqa: S101 - read as that very type
    return value


async def _all(live: Live, name: str) -> list[Task]:
    tasks: list[Task] = []
    cursor: str | None = None
    while True:
        query = TaskQuery(names=(name,))
        page = await live.ports.task_log.find(query, limit=_PAGE, cursor=cursor)
        tasks += page.tasks
        cursor = page.cursor
        if cursor is None:
            return tasks
