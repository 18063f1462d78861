"""`longshore import`."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final

import click

from longshore.cli.batch import source
from longshore.cli.command import Command, option
from longshore.cli.exit import DoneInPartError, ExitCode, InputError
from longshore.cli.reading import ExportFile
from longshore.cli.restoring import record_of
from longshore.errors import LongshoreError
from longshore.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore.cli.invocation import Invocation
    from longshore.client import Client
    from longshore.identity import TaskId
    from longshore.ports import Ports
    from longshore.protocol import Record
    from longshore.settings import Settings

CHUNK: Final = 500


@click.command(
    "import",
    cls=Command,
    examples=(
        "import tasks.ndjson",
        "import failed.ndjson --requeue",
        "export --url sqlite:///old.db | longshore import --url sqlite:///new.db -",
    ),
)
@click.argument("name", metavar="FILE")
@option("--requeue", is_flag=True, help="Queue failed, cancelled and expired tasks again.")
@option("--skip-bad", is_flag=True, help="Import the good lines although some are bad.")
@click.pass_obj
def import_tasks(invocation: Invocation, *, name: str, requeue: bool, skip_bad: bool) -> ExitCode:
    """Read tasks from an export, under the ids they had.

    The export is ndjson or json. A task that had not ended becomes a new task of the same id,
    arguments and options: it is queued, or scheduled where its time is still to come. One that
    was paused, blocked or waiting is imported paused. Attempts are counted from 0, and it is
    created now; the oldest comes first again. A task that ended is left out, unless --requeue
    queues it again; one that succeeded is always left out. An id that is there already is left
    as it is, so an import can be repeated.

    Nothing is imported unless every line is good, or with --skip-bad.
    """
    settings = invocation.load().settings
    with source(name) as file:
        restoring = Restoring(ExportFile(file), requeue=requeue)
        restoring.check(invocation)
        if restoring.bad and not skip_bad:
            some = "a line is" if restoring.bad == 1 else f"{restoring.bad} lines are"
            message = f"nothing was imported: {some} bad; leave them out with --skip-bad"
            raise InputError(message)
        tally = invocation.with_ports(
            lambda ports: _import(invocation, ports, settings, restoring), settings
        )
    _say(invocation, tally, restoring)
    return ExitCode.PARTIAL if restoring.bad else ExitCode.OK


@dataclass(slots=True, kw_only=True)
class Tally:
    """How many were imported, and how many were there already."""

    imported: int = 0
    existing: int = 0


@dataclass(slots=True)
class Restoring:
    """The tasks of an export that are to be made again: checked first, then read backwards.

    An export begins with the newest, and queues give out the oldest first.
    """

    export: ExportFile
    requeue: bool = field(kw_only=True)
    bad: int = 0
    ended: int = 0
    _good: array[int] = field(default_factory=lambda: array("Q"))
    _now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def check(self, invocation: Invocation) -> None:
        """Read every task, say what is wrong with the bad ones, and remember the good ones."""
        for number, place, found in self.export.places():
            try:
                record = record_of(found, self._now, requeue=self.requeue)
            except InputError as error:
                self.bad += 1
                invocation.output.problem(f"line {number}: {error}", kind="InputError")
                continue
            if record is None:
                self.ended += 1
            else:
                self._good.append(place)

    def records(self) -> Iterator[Record]:
        """Make the records, the oldest first."""
        for place in reversed(self._good):
            record = record_of(self.export.at(place), self._now, requeue=self.requeue)
            if record is not None:
                yield record


async def _import(
    invocation: Invocation, ports: Ports, settings: Settings, restoring: Restoring
) -> Tally:
    """Import chunk by chunk; where it fails half way, the error says how many are there."""
    from longshore.client import Client  # noqa: PLC0415 - asyncio is slow to import
    from longshore.wiring import preparer_of  # noqa: PLC0415 - as above

    client = Client(ports, preparer_of(settings, ports.ids))
    tally, records = Tally(), restoring.records()
    try:
        with invocation.output.progress("tasks", None) as advance:
            while chunk := list(islice(records, CHUNK)):
                fresh = await _absent(ports, chunk)
                await _make(ports, client, fresh)
                tally.imported += len(fresh)
                tally.existing += len(chunk) - len(fresh)
                advance(len(chunk))
    except LongshoreError as error:
        if not tally.imported:
            raise
        message = (
            f"{tally.imported} tasks were imported, then: {error}; run the same import again, "
            "it goes on from there"
        )
        raise DoneInPartError(message) from error
    return tally


async def _absent(ports: Ports, records: Sequence[Record]) -> list[Record]:
    """Those that have no row yet; of one id given twice, the first."""
    by_id: dict[TaskId, Record] = {}
    for record in records:
        by_id.setdefault(record.spec.id, record)
    rows = await ports.task_log.get(list(by_id))
    return [one for one, row in zip(by_id.values(), rows, strict=True) if row is None]


async def _make(ports: Ports, client: Client, records: Sequence[Record]) -> None:
    """Make rows in their order; only those that are not paused have a message."""
    for paused, group in groupby(records, lambda one: one.state is TaskState.PAUSED):
        if paused:
            await ports.task_log.record(list(group))
        else:
            await client.submit(list(group))


def _say(invocation: Invocation, tally: Tally, restoring: Restoring) -> None:
    if invocation.output.json:
        said = {"imported": tally.imported, "existing": tally.existing}
        invocation.output.document({**said, "ended": restoring.ended, "bad": restoring.bad})
        return
    words = [f"{tally.imported} tasks imported"]
    if tally.existing:
        words.append(f"{tally.existing} were there already")
    if restoring.ended:
        words.append(f"{restoring.ended} had ended and were left out")
    if restoring.bad:
        words.append(f"{restoring.bad} bad lines were left out")
    invocation.output.line(", ".join(words))
