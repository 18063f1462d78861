"""`longshore purge`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import ExitCode
from longshore.cli.filters import Filter, filtered
from longshore.cli.kinds import DURATION
from longshore.cli.sweeping import Tally, agree, sweep
from longshore.operator import Operator
from longshore.protocol import VERBS, Verb
from longshore.task import ALL, FINAL, HELD, OPEN
from longshore.task_log import TaskQuery

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
    from longshore.protocol import Changed
    from longshore.settings import Settings
    from longshore.task import Task, TaskState


@click.command(
    "purge",
    cls=Command,
    examples=(
        "purge --state succeeded --older-than 7d --yes",
        "purge --queue emails --state failed,expired",
        "purge --queue emails --waiting",
        "task:purge --status=completed",
    ),
)
@filtered
@option(
    "--older-than",
    type=DURATION,
    help="Only tasks last touched longer ago than this: 12h, 7d.",
)
@option("--waiting", is_flag=True, help="Cancel what waits in --queue, and empty the queue itself.")
@option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def purge(
    invocation: Invocation,
    *,
    chosen: Filter,
    older_than: timedelta | None,
    waiting: bool,
    yes: bool,
) -> ExitCode:
    """Clear ended tasks by state and age, or empty a queue.

    Without --state all ended tasks are meant. What is cleared is hidden, as `delete` does. A
    state that has not ended may be named; such tasks are cancelled first. `--state all` means
    everything but what runs.

    With --waiting the tasks that wait in the queues of --queue are cancelled, and the queues
    emptied, messages of other programs among it. Running tasks are left alone.
    """
    order = Order(chosen=chosen, older_than=older_than, yes=yes)
    settings = invocation.load().settings
    if waiting:
        queues = order.queues_to_empty
        tally = invocation.with_ports(lambda ports: _empty(invocation, ports, queues, yes=yes))
    else:
        tally = invocation.with_ports(lambda ports: _clear(invocation, ports, settings, order))
    if tally is None:
        return ExitCode.FAILED
    if invocation.output.json:
        said = {"verb": "purge", "changed": tally.changed, "refused": tally.refused}
        invocation.output.document(said)
    else:
        refused = f", {tally.refused} refused" if tally.refused else ""
        invocation.output.line(
            f"{tally.changed} tasks {'cancelled' if waiting else 'cleared'}{refused}"
        )
    return tally.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be purged."""

    chosen: Filter
    older_than: timedelta | None
    yes: bool

    @property
    def states(self) -> frozenset[TaskState]:
        """The states to clear; a usage error where running tasks are named."""
        states = self.chosen.wanted(FINAL)
        if states == ALL:
            states &= VERBS[Verb.DELETE]
        if not states <= VERBS[Verb.DELETE]:
            message = "running tasks cannot be purged; cancel them, or: longshore delete --force"
            raise click.UsageError(message)
        return states

    @property
    def queues_to_empty(self) -> list[str]:
        """The queues of `--waiting`; a usage error where anything else was asked."""
        only_queues = self.chosen == Filter(queues=self.chosen.queues)
        if not self.chosen.queues or not only_queues or self.older_than is not None:
            message = "--waiting empties whole queues: give --queue NAME, and no other filter"
            raise click.UsageError(message)
        return [name for group in self.chosen.queues for name in group]

    def query(self, settings: Settings, now: datetime) -> TaskQuery:
        """What to look through: no task was touched before it was created."""
        query = self.chosen.query(settings, now, self.states)
        before = self.before(now)
        if before is None:
            return replace(query, states=self.states)
        until = min(before, query.created_before or before)
        return replace(query, states=self.states, created_before=until)

    def before(self, now: datetime) -> datetime | None:
        """Tasks last written before this are old."""
        return None if self.older_than is None else now - self.older_than


async def _clear(
    invocation: Invocation, ports: Ports, settings: Settings, order: Order
) -> Tally | None:
    now = ports.clock.now()
    query, before = order.query(settings, now), order.before(now)
    count = await ports.task_log.count(query)
    if not count.value:
        return Tally()
    most = "up to " if before is not None or not count.exact else ""
    question = f"clear {most}{count.value} tasks ({', '.join(sorted(order.states))})?"
    if not agree(invocation.output, question, yes=order.yes):
        return None
    operator = Operator(ports)

    async def change(tasks: Sequence[Task]) -> Sequence[Changed]:
        old = [task.id for task in tasks if before is None or task.updated_at < before]
        return await operator.apply(Verb.DELETE, old) if old else ()

    return await sweep(invocation, ports, query, change)


async def _empty(
    invocation: Invocation, ports: Ports, queues: Sequence[str], *, yes: bool
) -> Tally | None:
    waiting = await ports.task_log.count(TaskQuery(queues=tuple(queues), states=OPEN | HELD))
    question = f"cancel {waiting.value} waiting tasks, and empty {', '.join(queues)}?"
    if not agree(invocation.output, question, yes=yes):
        return None
    operator = Operator(ports)
    return Tally(changed=sum([await operator.purge_queue(name) for name in queues]))
