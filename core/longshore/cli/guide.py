"""`longshore help`, which also answers to `longshore task`."""

from __future__ import annotations

import click

from longshore.cli.output import Output


@click.command("help", hidden=True)
@click.argument("name", metavar="[COMMAND]", required=False)
@click.pass_context
def guide(ctx: click.Context, *, name: str | None) -> None:
    """Show the help of a command, or the list of commands."""
    group, parent = ctx.parent and ctx.parent.command, ctx.parent
    if not isinstance(group, click.Group) or parent is None:
        ctx.fail("there is nothing to help with")
    if name is None:
        Output().line(group.get_help(parent))
        return
    command = group.get_command(parent, name)
    if command is None:
        ctx.fail(f"no such command {name!r}")
    with click.Context(command, info_name=name, parent=parent) as inner:
        Output().line(command.get_help(inner))
