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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.brokers.record import Started
    from tests.brokers.servers import Program, Server

ENGINE_ANSWERS_WITHIN = 10
DOWNLOADED_WITHIN = 600


class CannotStartError(Exception):
    """This way does not work on this machine; the message says why."""


def by_docker(server: Server) -> Started:
    """Run the server's image, published on loopback only."""
    if not shutil.which("docker"):
        raise CannotStartError("Docker is not installed")
    _ran(["docker", "info"], ENGINE_ANSWERS_WITHIN, "no Docker engine answers")
    image = server.image
    told = [word for pair in image.environment.items() for word in ("--env", "=".join(pair))]
    published = f"{HOST}:{server.port}:{image.port}"
    container = _ran(
        ["docker", "run", "--detach", "--rm", "--publish", published, *told, image.name],
        DOWNLOADED_WITHIN,
        f"Docker did not run {image.name}",
    )
    return Container(container=container)


def by_program(server: Server) -> Started:
    """Run the installed server in a folder and a process group of its own."""
    program = server.program
    prepare, serve = _located(program.prepare, program), _located(program.serve, program)
    folder = Path(tempfile.mkdtemp(prefix=f"longshore-{server.name}-"))
    filled = {"folder": str(folder), "port": str(server.port)}
    environment = {key: text.format(**filled) for key, text in program.environment.items()}
    account = _account(program)
    if account:
        shutil.chown(folder, account, pwd.getpwnam(account).pw_gid)

    def begin(words: Sequence[str]) -> subprocess.Popen[bytes]:
        return _begin([word.format(**filled) for word in words], folder, environment, account)

    if prepare and begin(prepare).wait():
        problem = last_line(folder / LOG)
        shutil.rmtree(folder)
        raise CannotStartError(f"{program.prepare[0]} failed: {problem}")
    process = begin(serve)
    process.returncode = 0  # it outlives this script on purpose, and Popen would warn of that
    return Process(
        pid=process.pid,
        born=birth(process.pid) or "",
        ends_by=program.ends_by,
        folder=str(folder),
    )


def by_package(server: Server) -> Started:
    """Install the server with apt-get, where that is allowed, and run it like an installed one."""
    package = server.program.package
    if _found(server.program):
        raise CannotStartError(f"{package} is installed already")
    if not shutil.which("apt-get"):
        raise CannotStartError("there is no apt-get to install it with")
    if os.geteuid() != 0:
        raise CannotStartError(f"only root may run apt-get install {package}")
    _ran(["apt-get", "update"], DOWNLOADED_WITHIN, "apt-get update failed")
    install = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    _ran(install, DOWNLOADED_WITHIN, f"apt-get install {package} failed")
    return by_program(server)


WAYS = (by_docker, by_program, by_package)


def _begin(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], account: str | None
) -> subprocess.Popen[bytes]:
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(
            words,
            cwd=folder,
            env=os.environ | environment,
            extra_groups=[] if account else None,
            group=pwd.getpwnam(account).pw_gid if account else None,
            start_new_session=True,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            user=account,
        )


def _located(words: Sequence[str], program: Program) -> Sequence[str]:
    if not words:
        return words
    found = _found(program, words[0])
    if not found:
        raise CannotStartError(f"{words[0]} is not installed")
    return [found, *words[1:]]


def _found(program: Program, word: str | None = None) -> str | None:
    places = [str(found) for place in program.places for found in Path("/").glob(place[1:])]
    path = os.pathsep.join([*places, os.environ.get("PATH", os.defpath)])
    return shutil.which(word or program.serve[0], path=path)


def _account(program: Program) -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(program.account).pw_name
    except KeyError:
        raise CannotStartError(f"root has no account {program.account!r} to run it as") from None


def _ran(words: Sequence[str], patience: float, otherwise: str) -> str:
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        ran = subprocess.run(
            words,
            capture_output=True,
            check=True,
            env=quiet,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        raise CannotStartError(f"{otherwise} within {patience:.0f} s") from None
    except subprocess.CalledProcessError as problem:
        lines = str(problem.stderr).strip().splitlines()
        raise CannotStartError(": ".join([otherwise, *lines[-1:]])) from None
    return ran.stdout.strip()
