"""Exit codes: each error of Longshore's has one, and a worker's reasons have theirs (L19)."""

from __future__ import annotations

import pytest

from longshore import errors
from longshore.cli.exit import ExitCode, code_of, code_of_stop
from longshore.errors import LongshoreError

WANTED = {
    "AdapterNotFoundError": ExitCode.CONFIGURATION,
    "ArgumentsError": ExitCode.USAGE,
    "ClosedError": ExitCode.UNAVAILABLE,
    "ConfigurationError": ExitCode.CONFIGURATION,
    "EnqueueError": ExitCode.PARTIAL,
    "LeaseLostError": ExitCode.UNAVAILABLE,
    "LongshoreError": ExitCode.FAILED,
    "MessageError": ExitCode.USAGE,
    "ScheduleError": ExitCode.USAGE,
    "StorageError": ExitCode.UNAVAILABLE,
    "TaskDefinitionError": ExitCode.CONFIGURATION,
    "TaskFailedError": ExitCode.FAILED,
    "TaskNotFoundError": ExitCode.NOT_FOUND,
    "TooLargeError": ExitCode.USAGE,
    "TransitionError": ExitCode.FAILED,
    "UnavailableError": ExitCode.UNAVAILABLE,
    "UnknownTaskError": ExitCode.USAGE,
    "UnsupportedError": ExitCode.CONFIGURATION,
    "WaitTimeoutError": ExitCode.FAILED,
}


def test_every_error_of_the_package_is_given_a_code_here() -> None:
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, LongshoreError)
    }

    assert kinds == set(WANTED), "decide on its exit code, in exit.py and here"


@pytest.mark.parametrize(("name", "code"), WANTED.items())
def test_an_error_has_the_code_of_its_kind(name: str, code: ExitCode) -> None:
    kind: type[LongshoreError] = getattr(errors, name)

    assert code_of(kind.__new__(kind)) is code


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("drained", ExitCode.OK),
        ("idle", ExitCode.OK),
        ("max_tasks", ExitCode.MAX_TASKS),
        ("max_time", ExitCode.MAX_TIME),
        ("memory", ExitCode.MEMORY),
        ("something new", ExitCode.FAILED),
    ],
)
def test_a_worker_ends_with_the_code_of_its_reason(reason: str, code: ExitCode) -> None:
    assert code_of_stop(reason) is code
