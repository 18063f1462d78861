"""`longshore run`: one task, here and now."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from longshore.cli.command import Command, option
from longshore.cli.drafting import Drafting, arguments_of
from longshore.cli.exit import ExitCode
from longshore.cli.kinds import ARGUMENTS, OBJECT, PAIR
from longshore.cli.one import only
from longshore.cli.records import attempt, loaded, short, stored_lines, whole
from longshore.cli.sample import with_sample
from longshore.cli.show import report_lines
from longshore.cli.work import configure_log
from longshore.draft import EnqueueOptions
from longshore.errors import LongshoreError, TaskNotFoundError
from longshore.identity import TaskId
from longshore.protocol import MARGIN
from longshore.task import OPEN, TaskState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from longshore.cli.invocation import Invocation
    from longshore.cli.loading import Loaded
    from longshore.draft import Draft
    from longshore.ports import Ports
    from longshore.settings import Settings
    from longshore.task import Attempt, Task
    from longshore.telemetry import Telemetry


class NotRunError(LongshoreError):
    """A task cannot be started here, by the rules that hold for every worker."""

    def __init__(self, task: Task, problem: str) -> None:
        """`problem` completes the sentence, and says what to do."""
        super().__init__(f"task {task.id} was not run: {problem}")
        self.task_id = task.id


@click.command(
    "run",
    cls=Command,
    examples=(
        """run send_email --args '{"to": "a@b.c"}'""",
        "run resize --arg path=in.png --arg width=640",
        "run --id 0193a7b2-5c1e-7d3f-8a4b-1f2e3d4c5b6a",
    ),
)
@click.argument("name", metavar="[TASK]", required=False)
@option("--task", "-t", "named", metavar="TASK", help="The task, in place of the argument.")
@option("--id", "-i", "task_id", metavar="ID", help="Claim and run this waiting task.")
@option("--args", "-a", type=ARGUMENTS, help="A JSON list of arguments, or an object of them.")
@option("--kwargs", type=OBJECT, help="A JSON object of arguments, beside a list in --args.")
@option("--arg", "pairs", type=PAIR, multiple=True, help="One argument; its value JSON or text.")
@click.pass_obj
def run(
    invocation: Invocation,
    /,
    *,
    name: str | None,
    named: str | None,
    task_id: str | None,
    **given: Any,  # noqa: ANN401 - the arguments, in three forms
) -> ExitCode:
    """Run one task here and now, and print what it answers.

    With a name the task runs right here: nothing is queued and nothing is kept. Its arguments
    are checked as ever, it is tried once, and delays and queues do not matter.

    With --id one waiting task is claimed and run, by the rules of every worker: a task that is
    due later, paused or already running is left alone, and what it comes to is in the log.

    Exit code 0 where the task succeeded, 1 where it did not.
    """
    wanted = name or named
    if (wanted is None) == (task_id is None):
        message = "give the name of a task to run it, or --id to run one that waits"
        raise click.UsageError(message)
    if wanted is None:
        if given["args"] is not None or given["kwargs"] is not None or given["pairs"]:
            message = "a task that waits has its arguments; --args goes with a name"
            raise click.UsageError(message)
        return run_waiting(invocation, task_id or "")
    args, kwargs = arguments_of(given["args"], given["kwargs"], given["pairs"])
    app = with_sample(invocation.load())
    draft = Drafting(registry=app.registry).draft(wanted, args, kwargs, _ONCE)
    configure_log(invocation, app)
    return _say(invocation, _observed(invocation, app, partial(_run_here, app, draft)))


def run_waiting(invocation: Invocation, task_id: str) -> ExitCode:
    """Claim one task and run it here."""
    app = with_sample(invocation.load())
    configure_log(invocation, app)
    return _say(invocation, _observed(invocation, app, partial(_run_waiting, app, TaskId(task_id))))


_ONCE = EnqueueOptions(attempts=1, delay=timedelta(0), delete_on_complete=False)


@dataclass(frozen=True, slots=True)
class Ran:
    """A task after its run, and what was tried."""

    task: Task
    attempts: Sequence[Attempt]


def _observed(
    invocation: Invocation,
    app: Loaded,
    running: Callable[[Telemetry | None], Coroutine[Any, Any, Ran]],
) -> Ran:
    """Run on a loop of its own, traced and counted as in a worker; all is exported at the end."""
    from longshore.cli.exporting import exporting  # noqa: PLC0415 - pydantic is slow to import

    with exporting(app.settings) as telemetry:
        return invocation.in_loop(lambda: running(telemetry))


async def _run_here(app: Loaded, draft: Draft, telemetry: Telemetry | None) -> Ran:
    """Enqueue into this process's memory, and let a worker empty that."""
    from longshore.client import Client  # noqa: PLC0415 - asyncio is slow to import
    from longshore.wiring import open_ports, preparer_of  # noqa: PLC0415 - as above

    here = {"url": "memory://", "queue_url": None, "log_url": None, "store_url": None}
    settings = app.settings.model_copy(update=here)
    async with open_ports(settings, telemetry=telemetry) as ports:
        client = Client(ports, preparer_of(settings, ports.ids))
        (enqueued,) = await client.enqueue([draft])
        (task,) = await ports.task_log.get([enqueued.id])
        assert task is not None  # noqa: S101 - it was just written, into our own memory
        return await _work(app, settings, ports, task, None)


async def _run_waiting(app: Loaded, task_id: TaskId, telemetry: Telemetry | None) -> Ran:
    from longshore.wiring import open_ports  # noqa: PLC0415 - asyncio is slow to import

    settings = app.settings
    async with open_ports(settings, telemetry=telemetry) as ports:
        (task,) = await ports.task_log.get([task_id])
        if task is None:
            raise TaskNotFoundError(task_id)
        _refuse(task, ports.clock.now())

        @asynccontextmanager
        async def again() -> AsyncGenerator[Ports]:
            async with open_ports(settings, telemetry=telemetry) as other:
                yield only(other, task)

        shared = ports.task_log.capabilities.shared
        ran = await _work(app, settings, only(ports, task), task, again if shared else None)
    if ran.task.token == task.token:
        problem = f"another worker was faster; it is {ran.task.state.value}"
        raise NotRunError(ran.task, problem)
    return ran


async def _work(
    app: Loaded,
    settings: Settings,
    ports: Ports,
    task: Task,
    again: Callable[[], AbstractAsyncContextManager[Ports]] | None,
) -> Ran:
    """Let a worker of our own run the one task that the ports hold."""
    from longshore.cli.serving import leave, stopping  # noqa: PLC0415 - asyncio is slow to import
    from longshore.telemetry import end_process  # noqa: PLC0415 - as above
    from longshore.wiring import policy_of, worker_options  # noqa: PLC0415 - as above
    from longshore.worker import Worker  # noqa: PLC0415 - as above
    from longshore.worker.hangup import Hangup  # noqa: PLC0415 - as above

    options = replace(
        worker_options(settings, (task.spec.queue,)),
        concurrency=1,
        prefetch=0,
        burst=True,
        publish=False,
        max_tasks=None,
        max_time=None,
        memory_limit=None,
    )
    worker = Worker(ports, app.registry, policy_of(settings), options, open_ports=again)
    with stopping(worker, Hangup()):
        stopped = await worker.run()
    if stopped.stuck:
        end_process()
        leave(ExitCode.INTERRUPTED)
    (after,) = await ports.task_log.get([task.id])
    return Ran(after or task, await ports.task_log.attempts(task.id))


def _refuse(task: Task, now: datetime) -> None:
    """Say before the claim what it would answer, in words."""
    if task.body is None:
        raise NotRunError(task, "its row holds no message; wait for a worker to meet it")
    lease = task.lease_until
    if task.state is TaskState.RUNNING and (lease is None or lease + MARGIN >= now):
        raise NotRunError(task, f"{task.worker or 'a worker'} is running it")
    if task.state is not TaskState.RUNNING and task.state not in OPEN:
        problem = f"it is {task.state.value}; see: longshore resume, longshore retry"
        raise NotRunError(task, problem)
    if task.state is not TaskState.RUNNING and task.due_at > now:
        raise NotRunError(task, f"it is {task.state.value} for {short(task.due_at)}")


def _say(invocation: Invocation, ran: Ran) -> ExitCode:
    output, task = invocation.output, ran.task
    if output.json:
        output.document({**whole(task), "tried": [attempt(one) for one in ran.attempts]})
    else:
        if task.result is not None:
            for line in stored_lines(loaded(task.result), indent=""):
                output.line(line)
        if task.report is not None:
            for line in report_lines(task.report):
                output.line(line)
        if task.error is not None:
            output.note(task.error.traceback.rstrip("\n"))
        output.note(f"{task.id} is {task.state.value}")
    return ExitCode.OK if task.state is TaskState.SUCCEEDED else ExitCode.FAILED
