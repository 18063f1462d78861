"""`longshore export`."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import InputError
from longshore.cli.filters import Filter, filtered
from longshore.cli.formats import FORMATS, Header
from longshore.cli.listing import pages
from longshore.cli.records import moment
from longshore.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from longshore.cli.formats import Writer
    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
    from longshore.task_log import TaskQuery

_STDOUT: Final = "-"


@click.command(
    "export",
    cls=Command,
    examples=(
        "export --output tasks.ndjson",
        "export --state failed --since 7d --format csv --output failed.csv",
        "export --dir /var/backups --format json",
        "export | gzip > tasks.ndjson.gz",
        "task:export --status=completed --dir=.",
    ),
)
@filtered
@option(
    "--format",
    "form",
    type=click.Choice(sorted(FORMATS)),
    help="Default: by the name of the file, else ndjson.",
)
@option("--output", "-o", metavar="FILE", help="Where to write; - is standard output, the default.")
@option("--dir", "-d", "folder", metavar="DIR", help="Write a new file into this folder.")
@click.pass_obj
def export(
    invocation: Invocation,
    *,
    chosen: Filter,
    form: str | None,
    output: str | None,
    folder: str | None,
) -> None:
    """Write tasks to a file, with a header that says what it holds.

    ndjson has the header on the first line and a task on each other; json is one object, a task
    a line; csv has the header in a first line that begins with #. ndjson and json hold
    everything that `import` needs, csv is for spreadsheets. Tasks are read page by page and
    never all at once.

    A file appears under its name when it is whole.
    """
    if output is not None and folder is not None:
        message = "--output and --dir were both given; either says where to write"
        raise click.UsageError(message)
    settings = invocation.load().settings

    async def work(ports: Ports) -> tuple[int, str]:
        now = ports.clock.now()
        target = _target(output, folder, form, now)
        query = chosen.query(settings, now)
        header = await _header(ports, chosen, query, now)
        with _opened(invocation, target) as write:
            writer = FORMATS[form or _form_of(target)](write)
            writer.begin(header)
            written = await _write_tasks(invocation, ports, query, writer, header.count)
            writer.end()
        return written, target

    written, target = invocation.with_ports(work, settings)
    if target == _STDOUT:
        return
    if invocation.output.json:
        invocation.output.document({"written": written, "file": target})
    else:
        invocation.output.line(f"{written} tasks written to {target}")


async def _header(ports: Ports, chosen: Filter, query: TaskQuery, now: datetime) -> Header:
    count = await ports.task_log.count(query)
    return Header(
        exported_at=moment(now) or "",
        filter=chosen.described(),
        count=count.value,
        exact=count.exact,
    )


async def _write_tasks(
    invocation: Invocation, ports: Ports, query: TaskQuery, writer: Writer, total: int
) -> int:
    """Write the tasks page by page; answer how many."""
    written = 0
    with invocation.output.progress("tasks", total) as advance:
        async for page in pages(ports.task_log, query):
            for task in page.tasks:
                writer.task(task)
            written += len(page.tasks)
            advance(len(page.tasks))
    return written


def _target(output: str | None, folder: str | None, form: str | None, now: datetime) -> str:
    if folder is None:
        return output or _STDOUT
    if not Path(folder).is_dir():
        message = f"there is no folder {folder}; create it, or name another"
        raise InputError(message)
    return str(Path(folder) / f"longshore-{now:%Y%m%dT%H%M%SZ}.{form or 'ndjson'}")


def _form_of(target: str) -> str:
    ending = Path(target).suffix.removeprefix(".").lower()
    return ending if ending in FORMATS else "ndjson"


@contextmanager
def _opened(invocation: Invocation, target: str) -> Generator[Callable[[str], Any]]:
    """Give something to write text with; a file is put in its place at the end, or not at all."""
    if target == _STDOUT:
        yield invocation.output.raw
        return
    path = Path(target)
    partial = path.with_name(f".{path.name}.{id(path):x}.part")
    try:
        file = partial.open("w", encoding="utf-8", newline="")
    except OSError as error:
        message = f"{target} cannot be written: {error.strerror}"
        raise InputError(message) from error
    try:
        with file:
            yield file.write
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            message = (
                f"{target} cannot be written: {error.strerror}; free some space, or name another"
            )
            raise StorageError(message) from error
        raise
