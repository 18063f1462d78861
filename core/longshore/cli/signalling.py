"""`longshore signal`: orders for workers, through the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import InputError, NobodyToOrderError
from longshore.cli.workers import store_of
from longshore.control import Aim, Orders, WorkerVerb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.cli.invocation import Invocation
    from longshore.control import WorkerEntry
    from longshore.ports import Ports

_DONE: Final[Mapping[WorkerVerb, str]] = {
    WorkerVerb.PAUSE: "is to take nothing more until it is resumed",
    WorkerVerb.RESUME: "is to take tasks again",
    WorkerVerb.DRAIN: "is to finish what runs, and end",
    WorkerVerb.STOP: "is to give back what runs, and end",
    WorkerVerb.RESIZE: "is to run {} tasks at once",
}


@click.command(
    "signal",
    cls=Command,
    examples=(
        "signal drain --all",
        "signal pause --queue emails",
        "signal resize 50 --worker web-1:4242",
        "signal stop --host web-1",
        "task:sig --stop-worker",
        "task:sig --resume-worker",
    ),
)
@click.argument("verb", type=click.Choice([verb.value for verb in WorkerVerb]), required=False)
@click.argument("concurrency", metavar="[N]", type=click.IntRange(1), required=False)
@option("--worker", metavar="ID", help="The worker of this id, or host:pid.")
@option("--host", help="Workers of this host.")
@option("--queue", "-q", help="Workers that serve this queue, whatever else they serve.")
@option("--all", "everyone", is_flag=True, help="Every worker.")
@option("--stop-worker", "-s", "stop_all", is_flag=True, help="As task:sig: drain every worker.")
@option("--resume-worker", "-r", "resume_all", is_flag=True, help="As task:sig: resume them.")
@click.pass_obj
def signal(  # noqa: PLR0913 - an option each
    invocation: Invocation,
    *,
    verb: str | None,
    concurrency: int | None,
    worker: str | None,
    host: str | None,
    queue: str | None,
    everyone: bool,
    stop_all: bool,
    resume_all: bool,
) -> None:
    """Pause, resume, resize, drain or stop workers, wherever they run.

    `drain` lets what runs end within its grace and gives back the rest, `stop` gives back what
    runs as well; both end the worker, and what keeps it running may start it again. `pause` and
    `resume` are for the whole worker: `longshore queues pause` is for a queue. `resize N` sets
    how many tasks it runs at once. Nothing that is given back costs an attempt.

    The order is in the store when this returns; workers carry it out with their next beat,
    within 5 seconds.

    --stop-worker and --resume-worker mean every worker, and the file of the setting stop_file as
    well, if there is one: it is made, so that no other worker starts, and removed again.
    """
    if stop_all or resume_all:
        if (stop_all and resume_all) or verb or worker or host or queue:
            message = "--stop-worker and --resume-worker stand alone"
            raise click.UsageError(message)
        _as_task_sig(invocation, stop=stop_all)
        return
    if verb is None:
        message = f"say what: {', '.join(WorkerVerb)}"
        raise click.UsageError(message)
    order = WorkerVerb(verb)
    if (order is WorkerVerb.RESIZE) != (concurrency is not None):
        message = "resize, and nothing else, takes a number: longshore signal resize 50 --all"
        raise click.UsageError(message)
    aim = Aim(worker=worker, host=host, queue=queue)
    if (aim == Aim()) != everyone:
        message = "say which workers: --worker, --host or --queue, or --all"
        raise click.UsageError(message)
    meant = _order(invocation, aim, order, concurrency)
    if not meant:
        raise NobodyToOrderError(_words(aim))
    _say(invocation, order, concurrency, meant)


def _order(
    invocation: Invocation, aim: Aim, order: WorkerVerb, concurrency: int | None = None
) -> list[WorkerEntry]:
    async def work(ports: Ports) -> list[WorkerEntry]:
        return await Orders(store_of(ports), ports.clock).signal(aim, order, concurrency)

    return invocation.with_ports(work)


def _as_task_sig(invocation: Invocation, *, stop: bool) -> None:
    stop_file = invocation.load().settings.stop_file
    if stop_file is not None:
        _mark(Path(stop_file), stop=stop)
        invocation.output.note(f"{'made' if stop else 'removed'} the stop file {stop_file}")
    order = WorkerVerb.DRAIN if stop else WorkerVerb.RESUME
    _say(invocation, order, None, _order(invocation, Aim(), order))


def _mark(path: Path, *, stop: bool) -> None:
    try:
        if stop:
            path.touch()
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        message = f"the stop file {path} cannot be changed: {error.strerror}"
        raise InputError(message) from error


def _say(
    invocation: Invocation, order: WorkerVerb, concurrency: int | None, meant: list[WorkerEntry]
) -> None:
    if invocation.output.json:
        said = {
            "verb": order.value,
            "concurrency": concurrency,
            "workers": [entry.id for entry in meant],
        }
        invocation.output.document(said)
        return
    for entry in meant:
        invocation.output.line(f"{entry.id} {_DONE[order].format(concurrency)}")


def _words(aim: Aim) -> str:
    parts = (("named", aim.worker), ("on host", aim.host), ("of queue", aim.queue))
    said = " ".join(f"{word} {value}" for word, value in parts if value is not None)
    return said or "at all"
