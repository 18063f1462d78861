"""Carrying out a verb: on one task, on several by their ids, or on all that a filter finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from longshore.cli.exit import ExitCode
from longshore.cli.filters import Filter
from longshore.cli.sweeping import Tally, agree, sweep
from longshore.errors import TaskNotFoundError
from longshore.identity import TaskId
from longshore.operator import Operator
from longshore.protocol import VERBS, Verb
from longshore.task import TaskState, parse_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
    from longshore.protocol import Changed
    from longshore.task import Task

_RUNNING = frozenset({TaskState.RUNNING})


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
    if ids and (wish.everything or filters):
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
        return await operator.one(wish.verb, task_id)

    task = invocation.with_ports(work)
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
        return await operator.apply(wish.verb, ids)

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
