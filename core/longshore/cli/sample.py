"""The sample task that comes with `longshore work`, and `longshore queue:test` to enqueue it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import ExitCode, InputError
from longshore.cli.kinds import PRIORITY
from longshore.cli.stats import print_stats
from longshore.definition import define
from longshore.draft import Draft, EnqueueOptions

if TYPE_CHECKING:
    from longshore.cli.invocation import Invocation
    from longshore.cli.loading import Loaded
    from longshore.client import Enqueued
    from longshore.context import Context

NAME: Final = "longshore.sample"
CHUNK: Final = 500


def sample(ctx: Context, number: int = 1, seconds: float = 0.0) -> dict[str, int]:
    """Take its time, write a line, and answer what it was given."""
    ctx.log.info("sample task %d on %s", number, ctx.queue)
    time.sleep(seconds)
    return {"number": number, "attempt": ctx.attempt}


def with_sample(loaded: Loaded) -> Loaded:
    """Let an application's workers know the sample task, unless it has one of that name."""
    if NAME not in loaded.registry:
        loaded.registry.add(define(sample, name=NAME))
    return loaded


@click.command(
    "queue:test",
    cls=Command,
    hidden=True,
    examples=(
        "queue:test --jobs=10",
        "queue:test --jobs=5 --queue=high-priority --priority=10",
        "queue:test --jobs=3 --delay=30",
        "queue:test --jobs=0",
    ),
)
@option("--jobs", "-j", type=click.IntRange(0), default=10, show_default=True, help="How many.")
@option("--queue", "-q", help="Their queue. Default: the settings' queue.")
@option("--priority", "-p", type=PRIORITY, help="0 to 100, higher first; or low … urgent.")
@option("--delay", "-d", metavar="DURATION", help="How long they wait; a number is seconds.")
@option("--seconds", type=click.FloatRange(0), default=0.0, help="How long each takes.")
@click.pass_obj
def test_queue(  # noqa: PLR0913 - one parameter for each option
    invocation: Invocation,
    *,
    jobs: int,
    queue: str | None,
    priority: int | None,
    delay: str | None,
    seconds: float,
) -> ExitCode:
    """Enqueue sample tasks; --jobs=0 prints statistics only.

    The tasks are named longshore.sample; every `longshore work` knows them.
    """
    from longshore.cli.batch import checker  # noqa: PLC0415 - only to enqueue

    loaded = with_sample(invocation.load())
    settings = loaded.settings
    if not jobs:
        invocation.with_ports(
            lambda ports: print_stats(invocation, settings, ports, [queue] if queue else []),
            settings,
        )
        return ExitCode.OK
    definition = loaded.registry.get(NAME)
    if definition.function is not sample:
        message = f"the application has a task of its own named {NAME}; enqueue that instead"
        raise InputError(message)
    options = EnqueueOptions(queue=queue, priority=priority, delay=delay)
    drafts = [
        Draft(definition, {"number": number, "seconds": seconds}, options)
        for number in range(1, jobs + 1)
    ]
    checker(settings)(drafts[0])
    enqueued: list[Enqueued] = []
    with invocation.session(loaded) as session:
        for start in range(0, jobs, CHUNK):
            enqueued += session.enqueue(drafts[start : start + CHUNK])
    if invocation.output.json:
        invocation.output.document({"sent": len(enqueued), "ids": [one.id for one in enqueued]})
    else:
        for one in enqueued:
            invocation.output.line(one.id)
        invocation.output.note(f"{len(enqueued)} sample tasks sent to {enqueued[0].queue}")
    return ExitCode.OK
