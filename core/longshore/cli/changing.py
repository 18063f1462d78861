"""Carrying out a verb: on one task, on several by their ids, or on all that a filter finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from longshore.cli.exit import ExitCode, InputError
from longshore.cli.filters import Filter, flat
from longshore.cli.sweeping import Tally, agree, sweep
from longshore.errors import LongshoreError, TaskNotFoundError
from longshore.identity import TaskId
from longshore.operator import Operator
from longshore.protocol import VERBS, Change, Verb
from longshore.task import TaskSpec, TaskState, parse_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
    from longshore.protocol import Changed
    from longshore.task import Task

_RUNNING = frozenset({TaskState.RUNNING})
_TOMBSTONES = frozenset({Verb.CANCEL, Verb.PAUSE})
"""What can be done to a task that only its message knows of."""


class NotLoggedYetError(TaskNotFoundError):
    """A task is to be stopped that the log does not know."""

    def __init__(self, task_id: TaskId, verb: Verb) -> None:
        """Say what the log would have to know, to stop a message that is on its way."""
        LongshoreError.__init__(
            self,
            f"no task {task_id} in the log; see: longshore list. Where its message is still on its "
            f"way: longshore {verb} {task_id} --queue QUEUE --task NAME",
        )
        self.task_id = task_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a command was asked to do; `done` is the verb as a participle."""

    verb: Verb
    done: str
    by_default: str
    named: tuple[str, ...]
    chosen: Filter
    everything: bool
    yes: bool
    force: bool

    @property
    def announced(self) -> tuple[str, str] | None:
        """Queue and name of tasks that the log may not know yet: one of each, beside the ids."""
        queues, names = flat(self.chosen.queues), flat(self.chosen.names)
        only_these = self.chosen == Filter(
            ids=self.chosen.ids, queues=self.chosen.queues, names=self.chosen.names
        )
        if self.verb not in _TOMBSTONES or not only_these or len(queues) != 1 or len(names) != 1:
            return None
        return queues[0], names[0]

    @property
    def all_ids(self) -> list[TaskId]:
        """Those of the arguments and of `--id`, each once."""
        options = (each for group in self.chosen.ids for each in group)
        return [TaskId(each) for each in dict.fromkeys((*self.named, *options))]

    @property
    def states(self) -> frozenset[TaskState]:
        """What a filter means that names no state."""
        default = parse_states([self.by_default]) if self.by_default else VERBS[self.verb]
        return default | _RUNNING if self.force else default


def carry_out(invocation: Invocation, wish: Wish) -> ExitCode:
    """Do it, say what was done, and answer the exit code."""
    ids = wish.all_ids
    filters = wish.chosen != Filter(ids=wish.chosen.ids)
    if ids and (wish.everything or (filters and wish.announced is None)):
        message = "give ids, or a filter; with both it would not be clear which are meant"
        raise click.UsageError(message)
    if not ids and not filters and not wish.everything:
        message = f"say which: ids, a filter, or --all for every task that {wish.verb} fits"
        raise click.UsageError(message)
    if not ids:
        return _by_filter(invocation, wish)
    return _one(invocation, wish, ids[0]) if len(ids) == 1 else _several(invocation, wish, ids)


def _one(invocation: Invocation, wish: Wish, task_id: TaskId) -> ExitCode:
    async def work(ports: Ports) -> Task:
        operator = Operator(ports)
        await _force(operator, wish, [task_id])
        (spec,) = await _specs(ports, wish, [task_id])
        return await operator.one(wish.verb, task_id, spec=spec)

    try:
        task = invocation.with_ports(work)
    except TaskNotFoundError as error:
        if wish.verb in _TOMBSTONES:
            raise NotLoggedYetError(task_id, wish.verb) from error
        raise
    changed = {"id": task.id, "state": task.state.value, "changed": True}
    if wish.verb is Verb.CANCEL and not task.final:
        words = "is running and was asked to stop"
    else:
        words = f"{wish.done}; it is {task.state.value}"
    if invocation.output.json:
        _document(invocation, wish, Tally(changed=1), [changed])
    else:
        invocation.output.line(f"{task.id} {words}")
    return ExitCode.OK


def _several(invocation: Invocation, wish: Wish, ids: Sequence[TaskId]) -> ExitCode:
    async def work(ports: Ports) -> list[Changed]:
        operator = Operator(ports)
        await _force(operator, wish, ids)
        specs = await _specs(ports, wish, ids)
        return await operator.change(
            [
                Change(task_id=task_id, verb=wish.verb, spec=spec)
                for task_id, spec in zip(ids, specs, strict=True)
            ]
        )

    answers = invocation.with_ports(work)
    if all(answer.task is None for answer in answers):
        raise TaskNotFoundError(", ".join(ids))
    tally = Tally(
        changed=sum(answer.applied for answer in answers),
        refused=sum(not answer.applied for answer in answers),
    )
    for answer in answers:
        if not answer.applied:
            state = "not in the log" if answer.task is None else answer.task.state.value
            invocation.output.note(f"{answer.task_id} was refused: it is {state}")
    _say(invocation, wish, tally, answers)
    return tally.code


def _by_filter(invocation: Invocation, wish: Wish) -> ExitCode:
    settings = invocation.load().settings

    async def work(ports: Ports) -> Tally | None:
        query = wish.chosen.query(settings, ports.clock.now(), wish.states)
        count = await ports.task_log.count(query)
        if not count.value:
            return Tally()
        about = "" if count.exact else "about "
        question = f"{wish.verb} {about}{count.value} tasks?"
        if not agree(invocation.output, question, yes=wish.yes):
            return None
        operator = Operator(ports)
        return await sweep(
            invocation,
            ports,
            query,
            lambda tasks: _force_and_apply(operator, wish, tasks),
        )

    tally = invocation.with_ports(work, settings)
    if tally is None:
        return ExitCode.FAILED
    _say(invocation, wish, tally)
    return tally.code


async def _force_and_apply(
    operator: Operator, wish: Wish, tasks: Sequence[Task]
) -> Sequence[Changed]:
    ids = [task.id for task in tasks]
    await _force(operator, wish, ids)
    return await operator.apply(wish.verb, ids)


async def _specs(ports: Ports, wish: Wish, ids: Sequence[TaskId]) -> list[TaskSpec | None]:
    """Make what a tombstone needs; a row that is there must be of the queue and name told."""
    if wish.announced is None:
        return [None] * len(ids)
    queue, name = wish.announced
    for row in await ports.task_log.get(ids):
        if row is not None and (row.spec.queue, row.spec.name) != (queue, name):
            message = f"task {row.id} is {row.spec.name} in queue {row.spec.queue}; leave out both"
            raise InputError(message)
    now = ports.clock.now()
    return [TaskSpec(id=each, name=name, queue=queue, body=b"", created_at=now) for each in ids]


async def _force(operator: Operator, wish: Wish, ids: Sequence[TaskId]) -> None:
    """Fail what runs, so that it can be deleted; what does not run refuses, and that is fine."""
    if wish.force:
        await operator.apply(Verb.FORCE_FAIL, ids)


def _say(
    invocation: Invocation, wish: Wish, tally: Tally, answers: Sequence[Changed] | None = None
) -> None:
    if invocation.output.json:
        _document(invocation, wish, tally, answers and [_json(answer) for answer in answers])
        return
    refused = f", {tally.refused} refused" if tally.refused else ""
    invocation.output.line(f"{tally.changed} tasks {wish.done}{refused}")


def _document(
    invocation: Invocation, wish: Wish, tally: Tally, tasks: Sequence[object] | None
) -> None:
    said: dict[str, object] = {
        "verb": wish.verb.value,
        "changed": tally.changed,
        "refused": tally.refused,
    }
    invocation.output.document(said if tasks is None else {**said, "tasks": list(tasks)})


def _json(answer: Changed) -> dict[str, object]:
    state = None if answer.task is None else answer.task.state.value
    return {"id": answer.task_id, "state": state, "changed": answer.applied}
