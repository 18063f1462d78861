"""Three ways to start a server, each of which may say why it cannot."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.brokers.probe import HOST
from tests.brokers.record import LOG, Container, Process, birth, last_line
from tests.brokers.servers import HERE
from tests.brokers.shell import CannotStartError, ran

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.brokers.record import Started
    from tests.brokers.servers import Program, Server

ENGINE_ANSWERS_WITHIN = 10.0


def by_docker(server: Server) -> Started:
    """Run the server's image, published on loopback only."""
    if not shutil.which("docker"):
        raise CannotStartError("Docker is not installed")
    none = "no Docker engine answers"
    ran(["docker", "info"], otherwise=none, patience=ENGINE_ANSWERS_WITHIN)
    image = server.image
    told = [word for pair in image.environment.items() for word in ("--env", "=".join(pair))]
    published = f"{HOST}:{server.port}:{image.port}"
    begun = ["docker", "run", "--detach", "--rm", "--publish", published, *told]
    words = [word.format(port=server.port) for word in [*begun, image.name, *image.command]]
    return Container(container=ran(words, otherwise=f"Docker did not run {image.name}"))


def by_program(server: Server) -> Started:
    """Run the installed server in a folder and a process group of its own."""
    program = server.program
    for words in (program.prepare, program.serve):
        _located(words, server)
    return serve(server, own_folder(server))


def own_folder(server: Server) -> Path:
    """Make a new folder, the account's that the server runs as, with what it needs to begin."""
    folder = Path(tempfile.mkdtemp(prefix=f"longshore-{server.name}-"))
    account = _account(server.program)
    if account:
        shutil.chown(folder, account, pwd.getpwnam(account).pw_gid)
    prepare = server.program.prepare
    if prepare and begin(server, prepare, folder).wait():
        problem = last_line(folder / LOG)
        shutil.rmtree(folder)
        raise CannotStartError(f"{prepare[0]} failed: {problem}")
    return folder


def serve(server: Server, folder: Path) -> Process:
    """Run the server in its folder: a new one, or one that it left when it ended."""
    process = begin(server, server.program.serve, folder)
    process.returncode = 0  # it outlives this script on purpose, and Popen would warn of that
    return Process(
        pid=process.pid,
        born=birth(process.pid) or "",
        ends_by=server.program.ends_by,
        folder=str(folder),
    )


def begin(
    server: Server, words: Sequence[str], folder: Path, log: str = LOG
) -> subprocess.Popen[bytes]:
    """Begin a program of the server's, as its account, in its folder and its environment.

    What it says goes into the file `log` there.
    """
    program = server.program
    filled = {
        "folder": str(folder),
        "here": str(HERE),
        "installed": str(program.source.folder),
        "port": str(server.port),
    }
    environment = {key: text.format(**filled) for key, text in program.environment.items()}
    located = [word.format(**filled) for word in _located(words, server)]
    return _begin(located, folder / log, environment, _account(program))


def by_package(server: Server) -> Started:
    """Install the server from where it comes, and run it like an installed one."""
    program = server.program
    if program.source.find(program.serve[0]):
        raise CannotStartError(f"{server.name}'s {program.serve[0]} is installed already")
    program.source.install()
    return by_program(server)


WAYS = (by_docker, by_program, by_package)


def _begin(
    words: Sequence[str], log: Path, environment: Mapping[str, str], account: str | None
) -> subprocess.Popen[bytes]:
    with log.open("ab") as said:
        return subprocess.Popen(
            words,
            cwd=log.parent,
            env=os.environ | environment,
            extra_groups=[] if account else None,
            group=pwd.getpwnam(account).pw_gid if account else None,
            start_new_session=True,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            stdout=said,
            user=account,
        )


def _located(words: Sequence[str], server: Server) -> Sequence[str]:
    if not words:
        return words
    found = server.program.source.find(words[0])
    if not found:
        raise CannotStartError(f"{server.name}'s {words[0]} is not installed")
    return [found, *words[1:]]


def _account(program: Program) -> str | None:
    if os.geteuid() != 0 or not program.account:
        return None
    try:
        return pwd.getpwnam(program.account).pw_name
    except KeyError:
        raise CannotStartError(f"root has no account {program.account!r} to run it as") from None
