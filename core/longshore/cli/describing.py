"""`longshore asyncapi`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import InputError

if TYPE_CHECKING:
    from longshore.cli.invocation import Invocation

_UNNAMED: Final = "no application is named; name one: --app module:object, or LONGSHORE_APP"


@click.command(
    "asyncapi",
    cls=Command,
    examples=(
        "asyncapi --app shop:app > asyncapi.json",
        "asyncapi --app shop:app --title Shop --version 2.1.0",
        "asyncapi --app shop:app | jq '.components.messages | keys'",
    ),
)
@option("--title", help="The application's name. Default: that of its module.")
@option("--version", default="1", show_default=True, help="The application's own version.")
@click.pass_obj
def asyncapi(invocation: Invocation, *, title: str | None, version: str) -> None:
    """Print what may be sent to the application, as an AsyncAPI document.

    Each queue is a channel, and each task a message there: a CloudEvent whose data are the task's
    arguments, with their JSON schemas. Producers in any language can be made from it. Nothing is
    connected to, and the same application gives the same text, so that it can be kept and compared.
    """
    from longshore.asyncapi import asyncapi as document  # noqa: PLC0415 - for commands that run
    from longshore.wiring import policy_of  # noqa: PLC0415 - asyncio is slow to import

    loaded = invocation.load()
    if loaded.name is None:
        raise InputError(_UNNAMED)
    named = title or loaded.name.partition(":")[0]
    policy = policy_of(loaded.settings)
    invocation.output.document(document(loaded.registry, policy, title=named, version=version))
