"""What measured processes leave behind: a record for each run of a task, a byte for each call.

Files are appended to in one write each, so that any number of processes and threads may.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from botocore.session import Session

WIDTH: Final = 8
"""Bytes of a record: seven digits and the end of the line."""


def ran(number: int) -> None:
    """Note that the task of this number was run."""
    os.write(_file("BENCH_RUNS"), b"%07d\n" % number)


def count_calls() -> None:
    """Note each request to AWS that a botocore client of this process makes from now on."""
    import botocore  # noqa: PLC0415 - only where it is there

    botocore.register_initializer(_listen)


def called() -> None:
    """Note a request that no client of botocore's makes."""
    _called()


def _listen(session: Session) -> None:
    session.register("request-created.sqs", _called)


def _called(**_: object) -> None:
    os.write(_file("BENCH_CALLS"), b".")


@cache
def _file(name: str) -> int:
    return os.open(os.environ[name], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
