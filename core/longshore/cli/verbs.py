"""`longshore retry`, `cancel`, `pause`, `resume` and `delete`: one shape, five verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from longshore.cli.changing import Wish, carry_out
from longshore.cli.command import Command, option
from longshore.cli.filters import Filter, filtered
from longshore.protocol import Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from longshore.cli.exit import ExitCode
    from longshore.cli.invocation import Invocation

_ID = "0193a7b2-5c1e-7d3f-8a4b-1f2e3d4c5b6a"


def _nothing_more(command: Any) -> Any:  # noqa: ANN401 - a decorator of click's
    return command


def _command(  # noqa: PLR0913 - all that one command differs in
    verb: Verb,
    done: str,
    *,
    text: str,
    examples: Sequence[str],
    by_default: str = "",
    more: Callable[[Any], Any] = _nothing_more,
) -> click.Command:
    """Make the command of a verb. `by_default` are the states a filter means that names none."""

    @click.command(verb.value, cls=Command, help=text, examples=examples)
    @click.argument("named", metavar="[ID]...", nargs=-1)
    @filtered
    @option("--all", "everything", is_flag=True, help="Every task the verb fits.")
    @option("--yes", "-y", is_flag=True, help="Do not ask.")
    @more
    @click.pass_obj
    def command(
        invocation: Invocation,
        /,
        *,
        chosen: Filter,
        force: bool = False,
        **given: Any,  # noqa: ANN401 - the options that every verb has
    ) -> ExitCode:
        wish = Wish(
            verb=verb, done=done, by_default=by_default, chosen=chosen, force=force, **given
        )
        return carry_out(invocation, wish)

    return command


retry = _command(
    Verb.RETRY,
    "retried",
    by_default="failed",
    text="""Queue failed tasks again, as a new run.

    Attempts are counted from 0 again; those of earlier runs are kept. With a filter only failed
    tasks are meant, unless --state says otherwise: cancelled and expired tasks can be retried
    too, a succeeded one cannot.
    """,
    examples=(
        f"retry {_ID}",
        "retry --queue emails --error ConnectionError",
        "retry --state cancelled --since 1d --yes",
        "task:retry --id=…",
        "jobs:retry --queue emails --yes",
    ),
)

cancel = _command(
    Verb.CANCEL,
    "cancelled",
    text="""Cancel tasks; a running one is asked to stop.

    A waiting task is cancelled at once and never starts. A running one hears of it with the
    next renewal of its lease: an async handler is interrupted, one on a thread has to look at
    ctx.cancelled.

    A task that the log does not know yet, because its message is still on its way, is cancelled
    ahead where its id, --queue and --task are all given: the message then never starts it.
    """,
    examples=(
        f"cancel {_ID}",
        f"cancel {_ID} --queue emails --task send_email",
        "cancel --queue reports --tag nightly",
        "cancel --all --yes",
    ),
)

pause = _command(
    Verb.PAUSE,
    "paused",
    text="""Keep waiting tasks from starting.

    They stay in the log until resumed or cancelled. A running task cannot be paused. One that
    the log does not know yet is paused ahead with its id, --queue and --task, as by `cancel`.
    """,
    examples=(f"pause {_ID}", "pause --task send_newsletter --yes", "task:pause --id=…"),
)

resume = _command(
    Verb.RESUME,
    "resumed",
    text="""Let paused tasks start.

    Each is queued at once, or for the time it was scheduled at.
    """,
    examples=(f"resume {_ID}", "resume --all --yes", "task:resume --id=…"),
)

delete = _command(
    Verb.DELETE,
    "deleted",
    by_default="final",
    text="""Hide tasks from the log; one that waits is cancelled.

    A hidden task is listed with --deleted, and its row goes when it may be pruned: a message of
    it that is still on its way has to find it. With a filter only ended tasks are meant, unless
    --state says otherwise. A running task needs --force: it fails as forced, its handler may run
    on, and what the handler comes to is refused.
    """,
    examples=(
        f"delete {_ID}",
        f"delete {_ID} --force",
        "delete --state queued --task send_newsletter",
        "task:delete --id=…",
    ),
    more=option("--force", is_flag=True, help="Running tasks too; they fail first."),
)
