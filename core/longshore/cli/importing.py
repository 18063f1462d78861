"""`longshore import`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from longshore.cli.batch import source
from longshore.cli.command import Command, option
from longshore.cli.exit import DoneInPartError, ExitCode, InputError
from longshore.cli.formats import message_of, read_export
from longshore.errors import LongshoreError
from longshore.identity import TaskId
from longshore.protocol import Record
from longshore.task import FINAL, HELD, TaskSpec, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
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
def import_tasks(
    invocation: Invocation, *, name: str, requeue: bool, skip_bad: bool
) -> ExitCode:
    """Read tasks from an export (ndjson or json), under the ids they had.

    A task that had not ended becomes a new task of the same id, arguments and options: it is
    queued, or scheduled where its time is still to come. One that was paused, blocked or waiting
    is imported paused. Attempts are counted from 0, and it is created now. A task that ended is
    left out, unless --requeue queues it again; one that succeeded is always left out. An id that
    is there already is left as it is, so an import can be repeated.

    Nothing is imported unless every line is good, or with --skip-bad.
    """
    settings = invocation.load().settings
    with source(name) as file:
        bad = _check(invocation, file, requeue=requeue)
        if bad and not skip_bad:
            message = f"nothing was imported: {len(bad)} lines are bad; leave them out: --skip-bad"
            raise InputError(message)
        file.seek(0)
        reading = (each for each in _records(file, requeue=requeue) if each.number not in bad)
        tally = invocation.with_ports(
            lambda ports: _import(invocation, ports, settings, reading), settings
        )
    _say(invocation, tally.counts, bad=len(bad))
    return ExitCode.PARTIAL if bad else ExitCode.OK


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an export: the record to make, None where it is left out, or what is wrong."""

    number: int
    record: Record | None = None
    error: InputError | None = None


@dataclass(slots=True)
class Tally:
    """How many were imported, there already, and left out because they had ended."""

    counts: Counter[str] = field(default_factory=Counter[str])


def record_of(row: Mapping[str, Any], now: datetime, *, requeue: bool) -> Record | None:
    """Make a record of an exported task; None where it is left out.

    `InputError` where the line is not what `longshore export` writes.
    """
    state = _state(row)
    again = requeue and state in FINAL and state is not TaskState.SUCCEEDED
    if state in FINAL and not again:
        return None
    body = message_of(row)
    if body is None:
        message = "its row held no message, so it cannot be made again"
        raise InputError(message)
    due = None if again else _moment(row, "due_at")
    later = due is not None and due > now
    if state in HELD:
        made = TaskState.PAUSED
    else:
        made = TaskState.SCHEDULED if later else TaskState.QUEUED
    expires_at = None if again else _moment(row, "expires_at")
    due_at = due if later and due is not None else now
    return Record(spec=_spec(row, body, now, expires_at), state=made, due_at=due_at)


def _spec(
    row: Mapping[str, Any], body: bytes, now: datetime, expires_at: datetime | None
) -> TaskSpec:
    parent = _text(row, "parent_id")
    tags = row.get("tags", [])
    if not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        message = '"tags" is not a list of texts'
        raise InputError(message)
    return TaskSpec(
        id=TaskId(_needed(row, "id")),
        name=_needed(row, "task"),
        queue=_needed(row, "queue"),
        body=body,
        created_at=now,
        priority=_number(row, "priority", 5),
        max_attempts=_number(row, "max_attempts", None),
        expires_at=expires_at,
        tags=tuple(tags),
        category=_text(row, "category"),
        tenant=_text(row, "tenant"),
        owner=_text(row, "owner"),
        label=_text(row, "label"),
        parent_id=None if parent is None else TaskId(parent),
        key=_text(row, "key"),
        delete_on_complete=row.get("delete_on_complete") is True,
    )


def _records(file: IO[bytes], *, requeue: bool) -> Iterator[Line]:
    now = datetime.now(UTC)
    for number, found in read_export(file):
        try:
            if isinstance(found, ValueError):
                message = f"it is not JSON: {found}"
                raise InputError(message)  # noqa: TRY301 - told with the others below
            if not isinstance(found, dict):
                message = "it is not a JSON object"
                raise InputError(message)  # noqa: TRY301 - as above
            yield Line(number, record=record_of(found, now, requeue=requeue))
        except InputError as error:
            yield Line(number, error=error)


def _check(invocation: Invocation, file: IO[bytes], *, requeue: bool) -> frozenset[int]:
    bad: set[int] = set()
    for line in _records(file, requeue=requeue):
        if line.error is not None:
            bad.add(line.number)
            text = f"line {line.number}: {line.error}"
            invocation.output.problem(text, kind=type(line.error).__name__)
    return frozenset(bad)


async def _import(
    invocation: Invocation, ports: Ports, settings: Settings, reading: Iterator[Line]
) -> Tally:
    """Import chunk by chunk; where it fails half way, the error says how many are there."""
    from longshore.client import Client  # noqa: PLC0415 - asyncio is slow to import
    from longshore.wiring import preparer_of  # noqa: PLC0415 - as above

    client = Client(ports, preparer_of(settings, ports.ids))
    tally = Tally()
    try:
        with invocation.output.progress("tasks", None) as advance:
            while chunk := list(islice(reading, CHUNK)):
                records = [line.record for line in chunk if line.record is not None]
                tally.counts["ended"] += len(chunk) - len(records)
                fresh = await _absent(ports, records)
                tally.counts["existing"] += len(records) - len(fresh)
                paused = [one for one in fresh if one.state is TaskState.PAUSED]
                await ports.task_log.record(paused)
                await client.submit([one for one in fresh if one.state is not TaskState.PAUSED])
                tally.counts["imported"] += len(fresh)
                advance(len(chunk))
    except LongshoreError as error:
        if not tally.counts["imported"]:
            raise
        done = tally.counts["imported"]
        message = f"{done} tasks were imported, then: {error}; the same import goes on from there"
        raise DoneInPartError(message) from error
    return tally


async def _absent(ports: Ports, records: Sequence[Record]) -> list[Record]:
    """Those that have no row yet; of one id given twice, the first."""
    by_id: dict[TaskId, Record] = {}
    for record in records:
        by_id.setdefault(record.spec.id, record)
    rows = await ports.task_log.get(list(by_id)) if by_id else []
    return [one for one, row in zip(by_id.values(), rows, strict=True) if row is None]


def _say(invocation: Invocation, counts: Counter[str], *, bad: int) -> None:
    names = ("imported", "existing", "ended")
    if invocation.output.json:
        invocation.output.document({**{name: counts[name] for name in names}, "bad": bad})
        return
    words = [f"{counts['imported']} tasks imported"]
    if counts["existing"]:
        words.append(f"{counts['existing']} were there already")
    if counts["ended"]:
        words.append(f"{counts['ended']} had ended and were left out")
    if bad:
        words.append(f"{bad} bad lines were left out")
    invocation.output.line(", ".join(words))


def _state(row: Mapping[str, Any]) -> TaskState:
    try:
        return TaskState(row.get("state", ""))
    except ValueError:
        message = f"{row.get('state')!r} is not a state"
        raise InputError(message) from None


def _needed(row: Mapping[str, Any], name: str) -> str:
    value = _text(row, name)
    if not value:
        message = f'"{name}" is missing'
        raise InputError(message)
    return value


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value
    message = f'"{name}" is not a text'
    raise InputError(message)


def _number(row: Mapping[str, Any], name: str, default: Any) -> Any:
    value = row.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        message = f'"{name}" is not a whole number'
        raise InputError(message)
    return value


def _moment(row: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(row, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f'"{name}" is not a time: {text!r}'
        raise InputError(message) from None
    if moment.tzinfo is None:
        message = f'"{name}" has no offset: {text!r}'
        raise InputError(message)
    return moment.astimezone(UTC)
