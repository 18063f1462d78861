"""`longshore doctor`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from longshore.cli.checks import (
    check_clock,
    check_place,
    check_ports,
    check_setup,
    check_tasks,
    fail,
    local_path,
    ok,
    warn,
)
from longshore.cli.command import Command
from longshore.cli.exit import AppError, ExitCode
from longshore.cli.permits import check_permissions
from longshore.errors import ConfigurationError, LongshoreError
from longshore.registry import find_adapter, scheme_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from longshore.cli.invocation import Invocation
    from longshore.cli.loading import Loaded
    from longshore.cli.output import Output
    from longshore.registry import Finding
    from longshore.settings import Settings


@click.command(
    "doctor",
    cls=Command,
    examples=(
        "doctor",
        "doctor --app shop:app",
        "doctor --json | jq '.checks[] | select(.verdict != \"ok\")'",
    ),
)
@click.pass_obj
def doctor(invocation: Invocation) -> ExitCode:
    """Check that everything is as it should be, and say what to do.

    Looks at settings, application and tasks, adapters, folders and disk, how each server is set
    up and what it allows, log, store and queues, clocks and leases. Writes one value into the store
    and removes it; changes nothing else.

    Exit code 1 where a check failed. A warning is no failure.
    """
    found: list[Finding] = []

    async def work() -> None:
        async for check in _all(invocation):
            found.append(check)
            if not invocation.output.json:
                _write(invocation.output, check)

    invocation.in_loop(work)
    failed = sum(check.verdict == "fail" for check in found)
    warned = sum(check.verdict == "warn" for check in found)
    if invocation.output.json:
        checks = [
            {"name": c.name, "verdict": c.verdict, "text": c.text, "next": c.step or None}
            for c in found
        ]
        invocation.output.document({"ok": not failed, "checks": checks})
    else:
        summary = f"{len(found)} checks: {failed} failed, {warned} warnings"
        invocation.output.line(summary)
    return ExitCode.FAILED if failed else ExitCode.OK


def _write(output: Output, check: Finding) -> None:
    output.styled(f"{check.verdict:<5} {check.name}: {check.text}", check.verdict)
    if check.step:
        output.line(f"      → {check.step}")


async def _all(invocation: Invocation) -> AsyncIterator[Finding]:
    """Make one check after the other, as far as the ones before allow."""
    yield check_clock(datetime.now(UTC))
    try:
        loaded = invocation.load()
    except AppError as error:
        yield fail("application", str(error), "mend the import, or name another with --app")
        return
    except ConfigurationError as error:
        yield fail("settings", str(error), "see docs/settings.md, or: longshore settings")
        return
    for check in (*_settings(loaded.settings), *check_tasks(loaded.name, loaded.registry)):
        yield check
    places = list(_places(loaded.settings))
    for check in places:
        yield check
    if any(check.verdict == "fail" for check in places) or not _made(loaded.settings):
        return
    async for check in _live(loaded):
        yield check


def _settings(settings: Settings) -> Iterator[Finding]:
    from longshore.settings import ignored  # noqa: PLC0415 - pydantic is slow to import

    yield ok("settings", "all values can be used")
    for one in ignored(settings):
        yield warn(f"variable {one.name}", one.reason, "unset it, or correct its name")


def _places(settings: Settings) -> Iterator[Finding]:
    for url in _urls(settings):
        try:
            find_adapter(url)
        except LongshoreError as error:
            yield fail("adapter", str(error), "install it, or set another URL")
        else:
            yield ok("adapter", f"{scheme_of(url)} is installed")
            yield from check_place("place", url)


def _made(settings: Settings) -> bool:
    """Whether there is something to open: looking must not make it."""
    paths = [local_path(url) for url in _urls(settings)]
    return all(path is None or path.exists() for path in paths)


async def _live(loaded: Loaded) -> AsyncIterator[Finding]:
    from longshore.cli.work import every_queue  # noqa: PLC0415 - only with something to open
    from longshore.wiring import open_ports  # noqa: PLC0415 - asyncio is slow to import

    served = every_queue(loaded)
    for url in _urls(loaded.settings):
        for finding in (*await check_setup(url, served), *await check_permissions(url, served)):
            yield finding
    try:
        async with open_ports(loaded.settings) as ports:
            async for check in check_ports(loaded.settings, ports, served):
                yield check
    except LongshoreError as error:
        yield fail("backend", str(error), "see: longshore settings")


def _urls(settings: Settings) -> Sequence[str]:
    from longshore.wiring import urls_of  # noqa: PLC0415 - asyncio is slow to import

    return list(dict.fromkeys(urls_of(settings)))
