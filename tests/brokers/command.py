"""The command line: bring servers up, say how they are, end what was started here."""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.brokers import record
from tests.brokers.probe import is_taken
from tests.brokers.servers import NEEDED, SERVERS, TOOLS
from tests.brokers.shell import CannotStartError
from tests.brokers.ways import WAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.brokers.servers import Server, Tool

    Way = Callable[[Server], record.Started]

ANSWERS_WITHIN = 90.0
PACE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one server is: `running`, `started`, `missing`, `stopped` or `left alone`, and why.

    A tool, which has no address, is `installed` or `missing`.
    """

    name: str
    address: str
    state: str
    why: str


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; 1 when a server that must be there is not.

    With `--needed` a missing server counts in CI only: elsewhere its tests skip and say so.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.brokers", description=__doc__)
    parser.add_argument("verb", nargs="?", choices=("up", "status", "down"), default="up")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    names = [each.name for each in (*SERVERS, *TOOLS)]
    parser.add_argument("--only", choices=names, action="append", help="this one; repeatable")
    parser.add_argument("--needed", action="store_true", help="those the present adapters need")
    options = parser.parse_args(arguments)

    servers = [
        server
        for server in (NEEDED if options.needed else SERVERS)
        if server.name in (options.only or names)
    ]
    verbs: dict[str, Callable[[Server], Finding]] = {"up": up, "status": status, "down": down}
    with ThreadPoolExecutor(len(SERVERS)) as at_once:
        findings = list(at_once.map(verbs[options.verb], servers))
    findings += [
        equip(tool, install=options.verb == "up")
        for tool in TOOLS
        if options.verb != "down" and tool.name in (options.only or names)
    ]
    print(as_json(findings) if options.json else as_lines(findings))
    forgiving = options.verb != "up" or (options.needed and not os.environ.get("CI"))
    return exit_code(findings, forgiving=forgiving)


def exit_code(findings: Sequence[Finding], *, forgiving: bool) -> int:
    """1 when a server is missing, unless the caller only wanted to know."""
    return int(not forgiving and any(each.state == "missing" for each in findings))


def status(server: Server, folder: Path = record.FOLDER) -> Finding:
    """Say whether it answers, and whose it is."""
    started = record.find(server.name, folder)
    if not server.answers():
        return _finding(server, "missing", "nothing answers in its protocol")
    if started and started.runs():
        return _finding(server, "started", "by this script; `down` ends it")
    return _finding(server, "running", "not started here")


def up(
    server: Server,
    ways: Sequence[Way] = WAYS,
    folder: Path = record.FOLDER,
    patience: float = ANSWERS_WITHIN,
) -> Finding:
    """Find the server, or start it by the first way that works. Idempotent.

    What was started and does not answer in time is ended again.
    """
    if server.answers():
        return status(server, folder)
    if is_taken(server.port):
        return _finding(server, "missing", "what listens there does not answer as it must")
    reasons: list[str] = []
    for way in ways:
        try:
            started = way(server)
        except CannotStartError as problem:
            reasons.append(str(problem))
            continue
        record.keep(server.name, started, folder)
        if _answers_in_time(server, started, patience):
            return status(server, folder)
        tried = way.__name__.replace("_", " ")
        reasons.append(f"started {tried} it gave no answer: {started.last_words()}")
        down(server, folder)
    reasons.append(
        f"start Docker, or install {server.program.source.needs}, or run one there yourself"
    )
    return _finding(server, "missing", "; ".join(reasons))


def down(server: Server, folder: Path = record.FOLDER) -> Finding:
    """End the server if it was started here, and nothing else. Idempotent."""
    started = record.find(server.name, folder)
    if started is None:
        return _finding(server, "left alone", "not started here")
    started.end()
    record.forget(server.name, folder)
    return _finding(server, "stopped", "it was started here")


def equip(tool: Tool, *, install: bool) -> Finding:
    """Say whether a tool is installed, and install it where it is not and should be. Idempotent."""
    why = "nothing was tried"
    if install and tool.find() is None:
        try:
            tool.source.install()
        except CannotStartError as problem:
            why = f"{problem}; install {tool.source.needs}"
    found = tool.find()
    if found is None:
        return Finding(name=tool.name, address="-", state="missing", why=why)
    return Finding(name=tool.name, address="-", state="installed", why=", ".join(found))


def as_lines(findings: Sequence[Finding]) -> str:
    """One line for each server, in columns."""
    if not findings:
        return "The present adapters need no server."
    return "\n".join(
        f"{each.name:<10} {each.state:<10} {each.address:<15} {each.why}" for each in findings
    )


def as_json(findings: Sequence[Finding]) -> str:
    """The same for a program: a list of objects with the fields of `Finding`."""
    return json.dumps([asdict(each) for each in findings], indent=2)


def _answers_in_time(server: Server, started: record.Started, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if server.answers():
            return True
        if not started.runs():
            return False
        time.sleep(PACE)
    return False


def _finding(server: Server, state: str, why: str) -> Finding:
    return Finding(name=server.name, address=server.address, state=state, why=why)
