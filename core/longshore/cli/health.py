"""`longshore health`: for probes that execute a command."""

from __future__ import annotations

import json
import os
import socket
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Final

import click

from longshore.cli.command import Command, option
from longshore.cli.exit import ExitCode
from longshore.cli.kinds import DURATION
from longshore.control import Health, Registry, health_of
from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from longshore.cli.invocation import Invocation
    from longshore.control import WorkerEntry
    from longshore.ports import Ports

_PATHS: Final = {False: "/livez", True: "/readyz"}
_WORDS: Final = {False: "live", True: "ready"}
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to


@click.command(
    "health",
    cls=Command,
    examples=(
        "health",
        "health --ready",
        "health --admin 127.0.0.1:9090 --within 3s",
        "health --json",
    ),
)
@option("--admin", metavar="HOST:PORT", help="Where the worker answers. Default: LONGSHORE_ADMIN.")
@option("--ready", is_flag=True, help="Ask whether it is ready, and not only whether it is alive.")
@option("--within", type=DURATION, help="How long the answer may take; 5s unless given.")
@click.pass_obj
def health(
    invocation: Invocation, *, admin: str | None, ready: bool, within: timedelta | None
) -> int:
    """Say by the exit code whether the worker here is well: 0 if so, 1 if not.

    Asks the admin server of `longshore work --admin`: /livez, or /readyz with --ready. One that
    does not answer is not well.

    Where no address is given or set, the workers of this host are looked up in the store: each
    whose process is there has to have said something within four beats, and at least one has to be
    there; with --ready none may be draining. This needs the store (exit 5 where it is away), and
    counts a handler that holds the worker's loop as silence: better give an address.
    """
    settings = invocation.load(admin=admin).settings
    if settings.admin is not None:
        problems, facts = _asked(
            settings.admin, 5.0 if within is None else within.total_seconds(), ready=ready
        )
    else:
        problems, facts = _looked_up(invocation, ready=ready)
    word = _WORDS[ready]
    if invocation.output.json:
        invocation.output.document({word: not problems, "problems": problems, **facts})
    else:
        for problem in problems:
            invocation.output.note(problem)
        if not problems:
            invocation.output.line(word)
    return ExitCode.FAILED if problems else ExitCode.OK


def _asked(address: str, within: float, *, ready: bool) -> tuple[list[str], dict[str, Any]]:
    from longshore.http.listening import split  # noqa: PLC0415 - only where one is asked

    host, port = split(address)
    if not port:
        message = "port 0 stands for one that was free; give the port that the worker's log says"
        raise ConfigurationError(message)
    connection = HTTPConnection(_EVERYWHERE.get(host, host), port, timeout=within)
    try:
        connection.request("GET", _PATHS[ready])
        response = connection.getresponse()
        said: dict[str, Any] = json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        return [
            f"the worker does not answer at {address}: {str(error) or type(error).__name__}"
        ], {}
    finally:
        connection.close()
    problems = [str(each) for each in said.pop("problems", ())]
    said.pop(_WORDS[ready], None)
    if response.status == HTTPStatus.OK:
        return [], said
    return problems or [f"it answers {response.status} {response.reason}"], said


def _looked_up(invocation: Invocation, *, ready: bool) -> tuple[list[str], dict[str, Any]]:
    from longshore.cli.workers import store_of  # noqa: PLC0415 - only where one is looked up

    async def work(ports: Ports) -> tuple[list[WorkerEntry], datetime]:
        return await Registry(store_of(ports)).workers(), ports.clock.now()

    found, now = invocation.with_ports(work)
    host = socket.gethostname()
    here = [entry for entry in found if entry.host == host and _runs(entry.pid)]
    problems = [
        f"worker {entry.id} said something {(now - entry.beat_at).total_seconds():.0f} s ago"
        for entry in here
        if health_of(entry, now) is Health.GONE
    ]
    if ready:
        problems += [f"worker {one.id} is draining" for one in here if one.state == "draining"]
    if not here:
        problems.append(f"no worker of host {host} has been heard of; start one: longshore work")
    facts = {entry.id: health_of(entry, now).value for entry in here}
    return problems, {"workers": facts}


def _runs(pid: int) -> bool:
    """Whether a process of this host is there: an entry outlives one that was killed."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
