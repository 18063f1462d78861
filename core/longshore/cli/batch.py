"""Enqueueing many tasks from a file: every line is read before the first is sent."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Final

from longshore.cli.exit import DoneInPartError, ExitCode, InputError
from longshore.cli.kinds import as_object, read_json
from longshore.errors import ConfigurationError, EnqueueError, LongshoreError
from longshore.identity import TaskIds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from longshore.cli.drafting import Drafting
    from longshore.cli.invocation import Invocation
    from longshore.cli.loading import Loaded
    from longshore.client import Enqueued
    from longshore.draft import Draft
    from longshore.session import Session
    from longshore.settings import Settings

CHUNK: Final = 500
_IN_MEMORY: Final = 16_777_216


def send_batch(
    invocation: Invocation, loaded: Loaded, drafting: Drafting, name: str, *, skip_bad: bool
) -> ExitCode:
    """Check every line, then send the good ones in chunks, printing ids as they are sent.

    Nothing is sent where a line is bad, unless `skip_bad`. Where sending fails half way, the
    error names the line to go on from.
    """
    with source(name) as file:
        bad = _check(invocation, loaded.settings, drafting, file)
        if bad and not skip_bad:
            some = "a line is" if len(bad) == 1 else f"{len(bad)} lines are"
            message = f"nothing was sent: {some} bad; mend them, or leave them out with --skip-bad"
            raise InputError(message)
        file.seek(0)
        sending = Sending(invocation)
        drafts = (
            (number, _draft(drafting, line)) for number, line in lines(file) if number not in bad
        )
        with invocation.session(loaded) as session:
            sending.send(session, drafts)
    sending.say(bad=len(bad))
    return ExitCode.PARTIAL if bad else ExitCode.OK


def checker(settings: Settings) -> Callable[[Draft], None]:
    """Make a check: it makes the record and throws it away, and a bad option is bad input."""
    from longshore.wiring import preparer_of  # noqa: PLC0415 - pydantic is slow to import

    preparer = preparer_of(settings, TaskIds())

    def check(draft: Draft) -> None:
        try:
            preparer.records([draft], datetime.now(UTC))
        except ConfigurationError as error:
            raise InputError(str(error)) from error

    return check


def described(enqueued: Enqueued) -> dict[str, object]:
    """What was enqueued, as JSON."""
    return {
        "id": enqueued.id,
        "task": enqueued.name,
        "queue": enqueued.queue,
        "state": enqueued.state.value,
        "inserted": enqueued.inserted,
    }


@contextmanager
def source(name: str) -> Generator[IO[bytes]]:
    """Open a file that can be read twice; `-` is standard input, kept aside meanwhile."""
    if name == "-":
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
            kept.seek(0)
            yield kept
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below, apart from the error of opening
    except OSError as error:
        message = f"{name} cannot be read: {error.strerror}"
        raise InputError(message) from error
    with file:
        yield file


def lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Read lines with their numbers, counted from 1; empty ones are left out."""
    for number, line in enumerate(file, 1):
        if line.strip():
            yield number, line


@dataclass(slots=True)
class Sending:
    """Sends drafts chunk by chunk, and remembers what was sent."""

    invocation: Invocation
    sent: int = 0
    existing: int = 0
    ids: list[str] = field(default_factory=list[str])

    def send(self, session: Session, drafts: Iterator[tuple[int, Draft]]) -> None:
        """Send all of them, in order."""
        with self.invocation.output.progress("tasks", None) as advance:
            for chunk in chunks(drafts, CHUNK):
                self._send(session, chunk)
                advance(len(chunk))

    def say(self, *, bad: int = 0) -> None:
        """Say how many were sent; with `json`, which."""
        output = self.invocation.output
        if output.json:
            said = {"sent": self.sent, "existing": self.existing, "bad": bad, "ids": self.ids}
            output.document(said)
            return
        there = f", {self.existing} were there already" if self.existing else ""
        output.note(f"{self.sent} tasks sent{there}" + (f", {bad} bad lines" if bad else ""))

    def _send(self, session: Session, chunk: Sequence[tuple[int, Draft]]) -> None:
        try:
            enqueued = session.enqueue([draft for _, draft in chunk])
        except LongshoreError as error:
            self._failed(chunk, error)
            raise
        for one in enqueued:
            self._note(one)

    def _note(self, one: Enqueued) -> None:
        self.sent += one.inserted
        self.existing += not one.inserted
        if self.invocation.output.json:
            self.ids.append(one.id)
        else:
            self.invocation.output.line(one.id)

    def _failed(self, chunk: Sequence[tuple[int, Draft]], error: LongshoreError) -> None:
        """Say what was sent before, and where to go on; nothing where nothing was sent."""
        first, last = chunk[0][0], chunk[-1][0]
        if isinstance(error, EnqueueError):
            self.sent += len(error.sent)
            failed = ", ".join(str(chunk[place][0]) for place in sorted(error.failed))
            rest = f"send line {failed} again, and all after line {last}"
        else:
            rest = f"send the lines from {first} on again"
        if self.sent or self.existing:
            self.say()
            message = f"{self.sent} tasks were sent, then: {error}; {rest}"
            raise DoneInPartError(message) from error


def chunks(items: Iterator[tuple[int, Draft]], size: int) -> Iterator[list[tuple[int, Draft]]]:
    """Cut into lists of at most `size`."""
    chunk: list[tuple[int, Draft]] = []
    for item in items:
        chunk.append(item)
        if len(chunk) >= size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _check(
    invocation: Invocation, settings: Settings, drafting: Drafting, file: IO[bytes]
) -> frozenset[int]:
    """Read every line, and say what is wrong with the bad ones; answer their numbers."""
    bad: set[int] = set()
    check = checker(settings)
    for number, line in lines(file):
        try:
            check(_draft(drafting, line))
        except LongshoreError as error:
            bad.add(number)
            kind = type(error).__name__
            invocation.output.problem(f"line {number}: {error}", kind=kind)
    return frozenset(bad)


def _draft(drafting: Drafting, line: bytes) -> Draft:
    try:
        found = as_object(read_json(line))
    except ValueError as error:
        message = f"it is not JSON: {error}"
        raise InputError(message) from None
    if found is None:
        message = "it is not a JSON object"
        raise InputError(message)
    return drafting.of_line(found)
