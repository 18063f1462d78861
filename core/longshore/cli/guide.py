"""`longshore help`, which also answers to `longshore task`."""

from __future__ import annotations

import click

from longshore.cli.output import Output


@click.command("help", hidden=True)
@click.argument("names", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def guide(ctx: click.Context, *, names: tuple[str, ...]) -> None:
    """Show the help of a command, or the list of commands."""
    if ctx.parent is None:
        ctx.fail("there is nothing to help with")
    Output().line(_help_of(ctx, ctx.parent, names))


def _help_of(asked: click.Context, ctx: click.Context, names: tuple[str, ...]) -> str:
    if not names:
        return ctx.command.get_help(ctx)
    first, *rest = names
    group = ctx.command
    command = group.get_command(ctx, first) if isinstance(group, click.Group) else None
    if command is None:
        asked.fail(f"no such command {first!r}")
    with click.Context(command, info_name=first, parent=ctx) as inner:
        return _help_of(asked, inner, tuple(rest))
