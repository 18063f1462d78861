"""The command line: `longshore COMMAND`. See docs/cli.md."""

from __future__ import annotations

import click

from longshore.cli.exit import ExitCode
from longshore.cli.group import CommandGroup

__all__ = ["ExitCode", "main"]


@click.group(
    "longshore",
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`longshore COMMAND --help` has examples. Exit codes: docs/cli.md.",
)
@click.version_option(package_name="longshore", message="longshore %(version)s")
def main() -> None:
    """Run, watch and repair background tasks, alike on every message queue.

    Settings come from flags, the environment (LONGSHORE_*), .env and longshore.toml; the
    application from --app module:object or LONGSHORE_APP.
    """
