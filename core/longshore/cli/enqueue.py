"""`longshore enqueue`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from longshore.cli.batch import checker, described, send_batch
from longshore.cli.command import Command, option
from longshore.cli.drafting import Drafting, arguments_of
from longshore.cli.exit import ExitCode
from longshore.cli.kinds import ARGUMENTS, NAMES, OBJECT, PAIR, PRIORITY
from longshore.draft import EnqueueOptions

if TYPE_CHECKING:
    from longshore.cli.invocation import Invocation
    from longshore.cli.loading import Loaded
    from longshore.client import Enqueued


@click.command(
    "enqueue",
    cls=Command,
    examples=(
        """enqueue send_email --args '{"to": "a@b.c"}'""",
        """enqueue send_email --args '["a@b.c"]' --delay 10m --priority high""",
        """enqueue resize --arg path=in.png --arg width=640 --key in.png""",
        """enqueue other.task --args '{"n": 1}' --queue theirs --unchecked""",
        """enqueue --batch tasks.ndjson""",
        """enqueue --app shop:app""",
        """task:queue -t=send_email -a='["a@b.c"]' -s='+10 minutes' -p=1""",
    ),
)
@click.argument("name", metavar="[TASK]", required=False)
@option("--task", "-t", "named", metavar="TASK", help="The task, in place of the argument.")
@option("--args", "-a", type=ARGUMENTS, help="A JSON list of arguments, or an object of them.")
@option("--kwargs", type=OBJECT, help="A JSON object of arguments, beside a list in --args.")
@option("--arg", "pairs", type=PAIR, multiple=True, help="One argument; its value JSON or text.")
@option(
    "--schedule",
    "-s",
    metavar="TIME",
    help="When it starts: '+10 minutes', 2026-11-22T10:00, or epoch seconds.",
)
@option("--delay", metavar="DURATION", help="How long it waits: 30 (seconds), 10m, 1h30m.")
@option("--priority", "-p", type=PRIORITY, help="0 to 100, higher first; or low … urgent.")
@option("--queue", "-q", help="Its queue. Default: its definition's, else by the routes.")
@option("--key", help="A second enqueue with this key finds the first one's task.")
@option("--attempts", type=click.IntRange(1), help="Tries, the first included.")
@option("--timeout", metavar="DURATION", help="How long one attempt may take.")
@option("--expires", metavar="TIME", help="When it may no longer start; a number is seconds.")
@option("--tag", "tags", type=NAMES, multiple=True, help="A tag; may be repeated.")
@option("--category", help="Its category.")
@option("--tenant", help="Its tenant.")
@option("--owner", help="Its owner.")
@option("--label", help="Its label, for people.")
@option("--parent", metavar="ID", help="The task that caused it.")
@option("--delete-on-complete", is_flag=True, default=None, help="Strip its row once it succeeded.")
@option("--unchecked", is_flag=True, help="Allow a task that the application does not have.")
@option("--batch", metavar="FILE", help="Read tasks from NDJSON, one a line; - is standard input.")
@option("--skip-bad", is_flag=True, help="Of a batch, send the good lines although some are bad.")
@click.pass_obj
def enqueue(  # noqa: PLR0913 - one parameter for each option
    invocation: Invocation,
    /,
    *,
    name: str | None,
    named: str | None,
    unchecked: bool,
    batch: str | None,
    skip_bad: bool,
    **given: Any,  # noqa: ANN401 - the task's own options
) -> ExitCode:
    """Add a task to its queue, or a batch of tasks, and print the ids.

    Without a name or a batch, what the application staged (app.stage) is sent, all or none.
    Arguments are checked by the task's signature before anything is sent. A name that the
    application does not have is refused, unless --unchecked sends it to another service.

    A line of a batch is an object with "task", "args", and the options as keys: {"task":
    "send_email", "args": {"to": "a@b.c"}, "delay": "10m", "tags": ["nightly"]}. Nothing is sent
    unless every line is good, or with --skip-bad.
    """
    if (name or named) and batch:
        message = "a task and --batch were both given; the batch names its own tasks"
        raise click.UsageError(message)
    loaded = invocation.load()
    drafting = Drafting(registry=loaded.registry, unchecked=unchecked)
    if batch is not None:
        return send_batch(invocation, loaded, drafting, batch, skip_bad=skip_bad)
    if name is None and named is None and loaded.staged:
        return _send_staged(invocation, loaded)
    wanted = _one_name(name, named)
    args, kwargs = arguments_of(given.pop("args"), given.pop("kwargs"), given.pop("pairs"))
    tags = tuple(tag for group in given.pop("tags") for tag in group)
    draft = drafting.draft(wanted, args, kwargs, EnqueueOptions(**given, tags=tags))
    checker(loaded.settings)(draft)
    with invocation.session(loaded) as session:
        (enqueued,) = session.enqueue([draft])
    _say(invocation, enqueued)
    return ExitCode.OK


def _send_staged(invocation: Invocation, loaded: Loaded) -> ExitCode:
    """Send what the application keeps for this, in one round trip."""
    with invocation.session(loaded) as session:
        sent = session.enqueue(loaded.staged)
    if invocation.output.json:
        invocation.output.document({"sent": [described(one) for one in sent]})
        return ExitCode.OK
    for one in sent:
        _say(invocation, one)
    return ExitCode.OK


def _one_name(name: str | None, named: str | None) -> str:
    if name is not None and named is not None and name != named:
        message = f"two tasks were named, {name} and {named}; enqueue one, or give a --batch"
        raise click.UsageError(message)
    wanted = name or named
    if not wanted:
        message = "no task was named, and the application stages none; give a name, or --batch FILE"
        raise click.UsageError(message)
    return wanted


def _say(invocation: Invocation, enqueued: Enqueued) -> None:
    if invocation.output.json:
        invocation.output.document(described(enqueued))
        return
    invocation.output.line(enqueued.id)
    if not enqueued.inserted:
        invocation.output.note(f"it was there already, by its key; it is {enqueued.state.value}")
