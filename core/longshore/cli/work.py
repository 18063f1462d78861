"""`longshore work`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import ExitCode
from longshore.cli.kinds import DURATION, NAMES
from longshore.cli.sample import with_sample
from longshore.cli.singleton import lock_path, only_one
from longshore.when import parse_duration

if TYPE_CHECKING:
    from longshore.cli.invocation import Invocation
    from longshore.cli.loading import Loaded
    from longshore.worker import Stopped, WorkerOptions

NOVAKIT: Final = "task:run"
_LOOPS: Final = 10
_LOOP: Final = timedelta(milliseconds=100)
_RECYCLED: Final = (ExitCode.MAX_TASKS, ExitCode.MAX_TIME, ExitCode.MEMORY, ExitCode.STUCK)
_HOPELESS: Final = (ExitCode.USAGE, ExitCode.CONFIGURATION)


@click.command(
    "work",
    cls=Command,
    examples=(
        "work --app shop:app",
        "work emails reports --concurrency 50 --processes 4",
        "work --once",
        "work --idle 30s --max-time 10m",
        "work --queues urgent,default --selection strict",
        "work --once --singleton --stop-file /run/shop/stop",
        "queue:work emails --workers=4 --memory=100 --max-jobs=500",
        "process:jobs --sleep=2 --queues=emails,default --cooldown=600",
        "task:run --limit=10 --sleep=200000 --idle=3 --output=debug",
    ),
)
@click.argument("positional", metavar="[QUEUE]...", nargs=-1)
@option("--queue", "--queues", "-q", "queues", type=NAMES, multiple=True, help="Queues to serve.")
@option(
    "--selection",
    type=click.Choice(("weighted", "strict", "round-robin")),
    help="How the queues share the worker: by weight, the first first, or evenly.",
)
@option("--concurrency", type=click.IntRange(1), help="Tasks at once in one process.")
@option(
    "--processes",
    "--workers",
    "-w",
    type=click.IntRange(1, 1000),
    help="Worker processes; with several, one that ends early is replaced.",
)
@option("--once", "--burst", "burst", is_flag=True, help="End when every queue is empty.")
@option("--idle", metavar="DURATION", help="End when nothing has come for so long; 0: never.")
@option(
    "--max-tasks", "--max-jobs", type=click.IntRange(1), help="End after so many tasks (exit 10)."
)
@option("--max-time", "--cooldown", "--timeout", type=DURATION, help="End after so long (exit 11).")
@option(
    "--memory",
    "--memory-limit",
    "memory_limit",
    type=click.IntRange(1),
    metavar="MB",
    help="End above so much memory (exit 12).",
)
@option(
    "--sleep",
    "--poll",
    "poll",
    metavar="DURATION",
    help="How long an empty queue is waited on before it is asked again.",
)
@option("--grace", type=DURATION, help="How long running tasks may go on when told to stop.")
@option(
    "--admin",
    metavar="HOST:PORT",
    help="Answer probes and give metrics there; port 0 takes a free one.",
)
@option("--stop-file", metavar="FILE", help="Drain while this file exists, and do not start.")
@option(
    "--singleton",
    "--flock-worker",
    "singleton",
    is_flag=True,
    help="Do not start beside another worker of this host for the same queues (exit 14).",
)
@option("--lock-file", metavar="FILE", help="As --singleton, for all that name the same file.")
@option("--limit", "-l", type=click.IntRange(1), help="As --max-tasks; in task:run see above.")
@option(
    "--log-format",
    type=click.Choice(("text", "json")),
    help="How the log is written: for people or for programs.",
)
@option("--output", metavar="LEVEL|FILE", help="Level of the log, or a file to write it to.")
@option("--id", "-i", "task_id", metavar="ID", help="Run this one task, as `longshore run --id`.")
@click.pass_context
def work(ctx: click.Context, /, **given: Any) -> int:  # noqa: ANN401 - the worker's options
    """Run a worker, or several, until told to stop.

    Serves the named queues, else every queue that the settings or the application's own tasks
    name. TERM, INT or QUIT drains: nothing new is taken, what has not begun goes back, and what
    runs may end within --grace. A second signal interrupts what runs and gives it back, a third
    ends the process. USR2 pauses: what runs goes on, what has not begun goes back, nothing new is
    taken until CONT. HUP drains, and begins anew in the same process, with settings and code as
    they are then.

    --admin answers /livez, /readyz and /metrics, for all processes at one address.

    The log goes to standard error, a line when a task begins and when it ends; with --json, an
    object a line, and at the end one on standard output that says why the worker ended.

    With --processes above 1 a process that reaches a limit is replaced, and so is one that
    died; the command ends when all were told to stop, or found nothing more with --once or
    --idle, and answers the worst of their exit codes.

    As task:run the options mean what they did there: a bare --sleep is microseconds, --idle
    counts loops of that length (10 unless given), and --limit is how many tasks are taken at
    once.
    """
    invocation: Invocation = ctx.obj
    wanted = Wanted.of(given, as_task_run=ctx.info_name == NOVAKIT)
    if wanted.task_id is not None:
        from longshore.cli.run import run_waiting  # noqa: PLC0415 - only for one task

        return run_waiting(invocation, wanted.task_id)
    loaded = with_sample(invocation.load(**wanted.flags))
    configure_log(invocation, loaded, wanted.output)
    stop_file = loaded.settings.stop_file
    if stop_file is not None and Path(stop_file).exists():
        from longshore.worker import Stopped  # noqa: PLC0415 - only for commands that run tasks

        say_stopped(invocation, Stopped(reason="stop_file", done=0, failed=0))
        return ExitCode.OK
    queues = wanted.queues or every_queue(loaded)
    with only_one(lock_path(loaded.settings, queues, singleton=wanted.singleton)):
        return _serve(invocation, loaded, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for: flags that are settings, and what is no setting."""

    queues: tuple[str, ...]
    flags: dict[str, object]
    burst: bool
    idle: timedelta | None
    output: str | None
    task_id: str | None
    singleton: bool

    @classmethod
    def of(cls, given: dict[str, Any], *, as_task_run: bool) -> Wanted:
        """Read the options; a usage error where two say different things."""
        poll, idle = _pauses(given["poll"], given["idle"], as_task_run=as_task_run)
        limits = {"concurrency": given["concurrency"], "max_tasks": given["max_tasks"]}
        taking = "concurrency" if as_task_run else "max_tasks"
        if given["limit"] is not None:
            if limits[taking] not in (None, given["limit"]):
                message = f"--limit and --{taking.replace('_', '-')} say different things here"
                raise click.UsageError(message)
            limits[taking] = given["limit"]
        if given["burst"] and idle is not None and not as_task_run:
            message = "--once ends at once when the queues are empty, --idle waits: give one"
            raise click.UsageError(message)
        named = (*given["positional"], *(name for group in given["queues"] for name in group))
        same = (
            "processes",
            "max_time",
            "memory_limit",
            "grace",
            "selection",
            "admin",
            "stop_file",
            "lock_file",
            "log_format",
        )
        return cls(
            queues=tuple(dict.fromkeys(named)),
            flags={**limits, "poll": poll, **{name: given[name] for name in same}},
            burst=given["burst"],
            idle=None if given["burst"] else idle,
            output=given["output"],
            task_id=given["task_id"],
            singleton=given["singleton"],
        )


def _pauses(
    poll: str | None, idle: str | None, *, as_task_run: bool
) -> tuple[timedelta | None, timedelta | None]:
    """Read --sleep and --idle; for `task:run` bare numbers are microseconds, and loops."""
    if not as_task_run:
        length = None if idle is None else parse_duration(idle)
        return (None if poll is None else parse_duration(poll)), length or None
    loop = _LOOP
    if poll is not None:
        bare = poll.strip().isdigit()
        loop = timedelta(microseconds=int(poll)) if bare else parse_duration(poll)
    if idle is not None and not idle.strip().isdigit():
        return None, parse_duration(idle) or None
    loops = _LOOPS if idle is None else int(idle)
    return None, (loop * loops) or None


def configure_log(invocation: Invocation, loaded: Loaded, output: str | None = None) -> None:
    """Send the process's log to standard error, or where it was asked for."""
    from longshore.cli.logs import configure  # noqa: PLC0415 - only for commands that run tasks

    settings = loaded.settings
    json = invocation.output.json or settings.log_format == "json"
    configure(level=settings.log_level, json=json, output=output)


def _serve(invocation: Invocation, loaded: Loaded, wanted: Wanted) -> int:
    from longshore.cli.admin import opened  # noqa: PLC0415 - only for commands that run tasks
    from longshore.cli.serving import Serving  # noqa: PLC0415 - as above
    from longshore.wiring import worker_options  # noqa: PLC0415 - as above

    settings = loaded.settings

    def options() -> WorkerOptions:
        made = worker_options(settings, wanted.queues or every_queue(loaded))
        return replace(made, burst=wanted.burst, idle=wanted.idle)

    def tell(stopped: Stopped) -> None:
        say_stopped(invocation, stopped)

    serving = Serving(settings=settings, registry=loaded.registry, options=options, tell=tell)
    if settings.processes == 1:
        return serving(listener=opened(settings))
    return _supervise(invocation, serving, settings.processes)


def _supervise(invocation: Invocation, serving: Any, processes: int) -> int:  # noqa: ANN401 - imported late
    from longshore.cli.admin import beside  # noqa: PLC0415 - as Supervisor
    from longshore.cli.group import Ending  # noqa: PLC0415 - imports this table's commands
    from longshore.cli.warming import warm  # noqa: PLC0415 - only for several
    from longshore.worker.hangup import begin_anew  # noqa: PLC0415 - only for several
    from longshore.worker.supervisor import Supervisor  # noqa: PLC0415 - only for several

    company = beside(serving.settings)
    warm(serving.settings, serving.registry)

    def serve(lifeline: int, place: int) -> int:
        def begin() -> int:
            listener = None if company is None else company.listen(place)
            code: int = serving(lifeline, listener)
            return code

        return Ending(invocation.output, debug=False).of(begin)

    supervisor = Supervisor(
        serve, processes, recycled=_RECYCLED, hopeless=_HOPELESS, company=company
    )
    code = supervisor.run()
    if supervisor.reload:
        begin_anew()
    return code


def every_queue(loaded: Loaded) -> tuple[str, ...]:
    """The queues that tasks of the application go to, unless their caller says otherwise."""
    settings = loaded.settings
    own = [each.options.queue for each in loaded.registry if each.options.queue is not None]
    named = (settings.queue, *settings.queues, *settings.routes.values(), *sorted(own))
    return tuple(dict.fromkeys(named))


def say_stopped(invocation: Invocation, stopped: Stopped) -> None:
    """Say why a worker ended."""
    if invocation.output.json:
        invocation.output.record(
            {
                "stopped": stopped.reason,
                "done": stopped.done,
                "failed": stopped.failed,
                "stuck": stopped.stuck,
            }
        )
        return
    stuck = f", {stopped.stuck} that cannot be stopped" if stopped.stuck else ""
    invocation.output.note(
        f"stopped ({stopped.reason}): {stopped.done} done, {stopped.failed} failed{stuck}"
    )
