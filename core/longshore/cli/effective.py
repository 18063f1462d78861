"""`longshore settings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from longshore.cli.command import Command

if TYPE_CHECKING:
    from longshore.cli.invocation import Invocation


@click.command(
    "settings",
    cls=Command,
    examples=("settings", "settings --app shop:app", "settings --json | jq '.settings[].name'"),
)
@click.pass_obj
def settings(invocation: Invocation) -> None:
    """Show every setting in effect, and where it comes from.

    Passwords are masked. Variables that are set, look like settings and change nothing are
    listed below, each with the reason.
    """
    from longshore.settings import explain, ignored  # noqa: PLC0415 - pydantic is slow to import

    loaded = invocation.load().settings
    rows, unused = explain(loaded), ignored(loaded)
    output = invocation.output
    if output.json:
        output.document(
            {
                "settings": [
                    {
                        "name": row.name,
                        "value": row.value,
                        "source": row.source,
                        "description": row.description,
                    }
                    for row in rows
                ],
                "ignored": [
                    {"name": one.name, "source": one.source, "reason": one.reason} for one in unused
                ],
            }
        )
        return
    output.table(("Setting", "Value", "Source"), [(r.name, r.value, r.source) for r in rows])
    if unused:
        output.line()
        output.heading("Ignored")
        cells = [(one.name, one.source, one.reason) for one in unused]
        output.table(("Variable", "Source", "Reason"), cells)
