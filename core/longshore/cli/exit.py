"""What the process answers: one number for each kind of end, the same for every command."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from longshore.errors import (
    ArgumentsError,
    ClosedError,
    ConfigurationError,
    EnqueueError,
    LeaseLostError,
    LongshoreError,
    MessageError,
    ScheduleError,
    StorageError,
    TaskNotFoundError,
    TooLargeError,
    UnavailableError,
    UnknownTaskError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ExitCode(IntEnum):
    """Exit codes of every command; 10 to 14 are answers of `work` alone. See docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFIGURATION = 4
    UNAVAILABLE = 5
    PARTIAL = 6
    MAX_TASKS = 10
    MAX_TIME = 11
    MEMORY = 12
    STUCK = 13
    LOCKED = 14
    UNEXPECTED = 70
    INTERRUPTED = 130


class InputError(LongshoreError):
    """What was given on the command line, or in a file it names, cannot be used."""


class AppError(InputError):
    """The application that was named cannot be loaded."""

    def __init__(self, name: str, problem: str) -> None:
        """`problem` completes the sentence, and says what to do."""
        super().__init__(f"the application {name!r} cannot be loaded: {problem}")
        self.name = name


class NobodyToOrderError(LongshoreError):
    """No worker is meant by an order."""

    def __init__(self, aim: str) -> None:
        """`aim` says which workers were meant."""
        super().__init__(f"there is no worker {aim}; see: longshore workers")


class NoSuchLetterError(LongshoreError):
    """No dead letter has the id that was named."""

    def __init__(self, ids: Sequence[str], queues: Sequence[str]) -> None:
        """Say where it was looked for."""
        super().__init__(
            f"no dead letter {', '.join(ids)} in {', '.join(queues) or 'any queue'}; it may have "
            "been sent again or removed; see: longshore dlq list"
        )


class LockedError(LongshoreError):
    """Another worker holds the lock that lets only one work."""

    def __init__(self, path: str) -> None:
        """Name the file, and what to do."""
        super().__init__(
            f"another worker holds the lock {path}; it ends with that worker's process"
        )


class DoneInPartError(LongshoreError):
    """Part of the work was done before it failed; the message says which."""


_CODES: Final[Mapping[type[LongshoreError], ExitCode]] = {
    InputError: ExitCode.USAGE,
    UnknownTaskError: ExitCode.USAGE,
    ArgumentsError: ExitCode.USAGE,
    ScheduleError: ExitCode.USAGE,
    MessageError: ExitCode.USAGE,
    TooLargeError: ExitCode.USAGE,
    TaskNotFoundError: ExitCode.NOT_FOUND,
    NobodyToOrderError: ExitCode.NOT_FOUND,
    NoSuchLetterError: ExitCode.NOT_FOUND,
    LockedError: ExitCode.LOCKED,
    ConfigurationError: ExitCode.CONFIGURATION,
    StorageError: ExitCode.UNAVAILABLE,
    UnavailableError: ExitCode.UNAVAILABLE,
    ClosedError: ExitCode.UNAVAILABLE,
    LeaseLostError: ExitCode.UNAVAILABLE,
    EnqueueError: ExitCode.PARTIAL,
    DoneInPartError: ExitCode.PARTIAL,
}


def code_of(error: LongshoreError) -> ExitCode:
    """The exit code of an error: its own class's, else that of the nearest class above."""
    for kind in type(error).__mro__:
        found = _CODES.get(kind)
        if found is not None:
            return found
    return ExitCode.FAILED


_STOPPED: Final[Mapping[str, ExitCode]] = {
    "drained": ExitCode.OK,
    "idle": ExitCode.OK,
    "max_tasks": ExitCode.MAX_TASKS,
    "max_time": ExitCode.MAX_TIME,
    "memory": ExitCode.MEMORY,
    "stuck": ExitCode.STUCK,
    "stop_file": ExitCode.OK,
}


def code_of_stop(reason: str) -> ExitCode:
    """The exit code of a worker that ended by itself or was told to."""
    return _STOPPED.get(reason, ExitCode.FAILED)
