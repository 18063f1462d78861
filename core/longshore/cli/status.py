"""`longshore status`: bring a task into a state by hand, as far as the state machine has a way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import ExitCode
from longshore.cli.kinds import STATES
from longshore.cli.show import one_id
from longshore.errors import LongshoreError, TaskNotFoundError
from longshore.identity import TaskId
from longshore.operator import Operator
from longshore.protocol import VERBS, Verb
from longshore.task import TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
    from longshore.task import Task

_WAYS: Final[Mapping[TaskState, tuple[Verb, ...]]] = {
    TaskState.CANCELLED: (Verb.CANCEL,),
    TaskState.PAUSED: (Verb.PAUSE,),
    TaskState.QUEUED: (Verb.RESUME, Verb.RETRY),
    TaskState.FAILED: (Verb.FORCE_FAIL,),
    TaskState.SUCCEEDED: (Verb.FORCE_SUCCEED,),
}
"""Which verbs end in a state. No other way into it is an operator's."""

_FORCED: Final = frozenset({Verb.FORCE_FAIL, Verb.FORCE_SUCCEED})


class NoWayError(LongshoreError):
    """No operator's verb leads from a task's state to the one that was asked for."""

    def __init__(self, task_id: str, state: TaskState, wanted: TaskState) -> None:
        """Name the states that can be reached."""
        reached = [target.value for target in _WAYS if verb_for(state, target) is not None]
        listed = ", ".join(sorted(reached)) or "none"
        super().__init__(
            f"task {task_id} cannot be made {wanted.value}: it is {state.value}; "
            f"from there it can be made: {listed}"
        )


class ForceNeededError(LongshoreError):
    """A running task is to be ended from outside."""

    def __init__(self, task_id: str, wanted: TaskState) -> None:
        """Say what force does."""
        super().__init__(
            f"task {task_id} is running; with --force it counts as {wanted.value} at once, its "
            "handler may run on, and what the handler comes to is refused"
        )


@click.command(
    "status",
    cls=Command,
    examples=(
        "status 0193a7b2-5c1e-7d3f-8a4b-1f2e3d4c5b6a cancelled",
        "status 0193a7b2-5c1e-7d3f-8a4b-1f2e3d4c5b6a failed --force",
        "task:status --id=… --status=paused",
    ),
)
@click.argument("task_id", metavar="[ID]", required=False)
@click.argument("state", metavar="[STATE]", required=False, type=STATES)
@option("--id", "-i", "named", metavar="ID", help="The task, in place of the argument.")
@option(
    "--state", "--status", "-s", "wanted", type=STATES, help="The state, in place of the argument."
)
@option("--force", is_flag=True, help="End a running task from outside.")
@click.pass_obj
def status(  # noqa: PLR0913 - one parameter for each option
    invocation: Invocation,
    *,
    task_id: str | None,
    state: frozenset[TaskState] | None,
    named: str | None,
    wanted: frozenset[TaskState] | None,
    force: bool,
) -> ExitCode:
    """Bring a task into a state by hand.

    cancelled and paused do what the commands of that name do; queued (or pending) resumes a
    paused task and retries one that has failed, was cancelled or has expired. failed and
    succeeded end a running task, with --force. There is no other way to set a state: a row that
    says what did not happen would lose tasks or run them twice.
    """
    if state is not None and wanted not in (None, state):
        message = "two states were given; this command takes one"
        raise click.UsageError(message)
    target = _one_state(state or wanted)
    identity = TaskId(one_id(task_id, named))

    async def work(ports: Ports) -> tuple[Task, bool]:
        (task,) = await ports.task_log.get([identity])
        if task is None:
            raise TaskNotFoundError(identity)
        if task.state is target:
            return task, False
        verb = verb_for(task.state, target)
        if verb is None:
            raise NoWayError(identity, task.state, target)
        if verb in _FORCED and not force:
            raise ForceNeededError(identity, target)
        return await Operator(ports).one(verb, identity), True

    task, changed = invocation.with_ports(work)
    if invocation.output.json:
        said = {"id": task.id, "state": task.state.value, "changed": changed}
        invocation.output.document(said)
    elif not changed:
        invocation.output.line(f"{task.id} is {task.state.value} already")
    elif task.state is target:
        invocation.output.line(f"{task.id} is {task.state.value} now")
    else:
        invocation.output.line(f"{task.id} is running and was asked to stop")
    return ExitCode.OK


def verb_for(state: TaskState, target: TaskState) -> Verb | None:
    """The verb that leads from one state to the other; None where none does."""
    for verb in _WAYS.get(target, ()):
        if state in VERBS[verb]:
            return verb
    return None


def _one_state(states: frozenset[TaskState] | None) -> TaskState:
    """Read one state; `pending` and its like stand for many, of which queued can be reached."""
    if not states:
        message = f"no state was given; give one of: {', '.join(sorted(_WAYS))}"
        raise click.UsageError(message)
    if len(states) > 1 and TaskState.QUEUED in states:
        return TaskState.QUEUED
    if len(states) > 1:
        message = f"that stands for several states; give one of: {', '.join(sorted(_WAYS))}"
        raise click.UsageError(message)
    (state,) = states
    return state
