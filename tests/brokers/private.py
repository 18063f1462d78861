"""Servers of one test's own, on free ports, to be killed, stopped and started again.

Each has a folder of its own, so that it is in nobody's way, and keeps there what it keeps at all.
All are on loopback only.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.brokers.ports import free_ports
from tests.brokers.probe import HOST
from tests.brokers.record import LOG, last_line
from tests.brokers.servers import DYNAMODB, RABBITMQ
from tests.brokers.shell import CannotStartError
from tests.brokers.ways import begin, own_folder, serve

if TYPE_CHECKING:
    from tests.brokers.record import Process
    from tests.brokers.servers import Server

STARTS_WITHIN: Final = 120.0
ENDS_WITHIN: Final = 30.0
SAYS_WITHIN: Final = 60.0
PACE: Final = 0.02
IN_MEMORY: Final = "-inMemory"
IN_FILES: Final = ("-dbPath", "{folder}")
# At times a lone RabbitMQ, 3.10 and 4.0 alike, elects no leader for a queue that somebody asks for
# while it starts, and never does (rabbitmq-server issue 10070): it is told to. What is known of a
# member begins with its name and its state; 4.0 adds to it.
ELECT: Final = (
    "[ra:trigger_election({element(1, Each), node()}) "
    "|| Each <- ets:tab2list(ra_state), element(2, Each) =:= follower]."
)
CONFIGURATION: Final = """
management.tcp.ip = {host}
management.tcp.port = {management}
"""


class PrivateServer:
    """Started by `start`, ended by `kill` or `stop`, and gone with its data after `remove`.

    Not safe for use from several threads at once.
    """

    def __init__(self, server: Server, port: int | None = None) -> None:
        """Choose its port, unless it is given. Nothing runs before `start`."""
        self.port = free_ports(1)[0] if port is None else port
        self._server = replace(server, port=self.port)
        self._folder: Path | None = None
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"

    def accepts(self) -> bool:
        """Tell whether it answers now."""
        return self._server.answers()

    def start(self) -> None:
        """Start it, and wait until it answers. Idempotent.

        Raises `CannotStartError`, which says why not.
        """
        self.begin()
        deadline = time.monotonic() + STARTS_WITHIN
        while not self.accepts():
            if not self._runs() or time.monotonic() > deadline:
                said = last_line(self._made() / LOG)
                raise CannotStartError(f"a private {self._server.name} gave no answer: {said}")
            time.sleep(PACE)

    def begin(self) -> None:
        """Start it, and wait for nothing. Idempotent."""
        folder = self._made()
        if not self._runs():
            self._process = serve(self._server, folder)

    def kill(self) -> None:
        """End it at once, as a power cut would. Harmless when it does not run."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order. Harmless when it does not run."""
        self._end(signal.SIGTERM)

    def remove(self) -> None:
        """End it with all that is its own. Idempotent."""
        self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def _runs(self) -> bool:
        return self._process is not None and self._process.runs()

    def _made(self) -> Path:
        """Its folder, with the program installed that runs in it."""
        if self._folder is None:
            source = self._server.program.source
            if not source.find(self._server.program.serve[0]):
                source.install()
            self._folder = own_folder(self._server)
        return self._folder

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or not process.runs():
            return
        os.killpg(process.pid, how)
        deadline = time.monotonic() + ENDS_WITHIN
        while process.runs() or self.accepts():
            if time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(PACE)
        os.waitpid(process.pid, 0)


class PrivateBroker(PrivateServer):
    """A RabbitMQ with a name and a port mapper of its own."""

    def __init__(self) -> None:
        """Choose its ports. Nothing runs before `start`."""
        port, self.management_port, self._mapper_port, between = free_ports(4)
        told = {"ERL_EPMD_PORT": str(self._mapper_port), "RABBITMQ_DIST_PORT": str(between)}
        program = replace(RABBITMQ.program, environment={**RABBITMQ.program.environment, **told})
        super().__init__(replace(RABBITMQ, program=program), port)
        self._mapper: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of its queues, with the account `guest`."""
        return f"rabbitmq://guest:guest@{HOST}:{self.port}"

    @property
    def management_url(self) -> str:
        """Where its management API answers, for the same account."""
        return f"http://{HOST}:{self.management_port}"

    def start(self) -> None:
        """Start it, and wait until it takes connections and its queues have leaders."""
        if self._runs() and self.accepts():
            return
        super().start()
        self.told("eval", ELECT)

    def told(self, *words: str) -> str:
        """Run `rabbitmqctl` with these words; what it printed."""
        said = self._made() / "said"
        said.unlink(missing_ok=True)
        plain = [word.replace("{", "{{").replace("}", "}}") for word in words]
        command = ["rabbitmqctl", "--quiet", *plain]
        code = begin(self._server, command, said.parent, said.name).wait(SAYS_WITHIN)
        text = said.read_text(encoding="utf-8")
        if code:
            raise AssertionError(f"rabbitmqctl {' '.join(words)}: {text}")
        return text

    def remove(self) -> None:
        """End it with all that is its own. Idempotent."""
        self.kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait()
            self._mapper = None
        super().remove()

    def _made(self) -> Path:
        """Its folder, with what it reads in it, and its port mapper, which outlives its deaths."""
        if self._folder is not None:
            return self._folder
        folder = super()._made()
        ports = {"host": HOST, "management": self.management_port}
        for name, text in (
            ("rabbitmq.conf", CONFIGURATION.format(**ports)),
            ("plugins", "[rabbitmq_management].\n"),
        ):
            (folder / name).write_text(text, encoding="utf-8")
        words = ["epmd", "-port", str(self._mapper_port), "-address", HOST]
        self._mapper = begin(self._server, words, folder)
        return folder


def dynamodb_in_files() -> PrivateServer:
    """Make a DynamoDB Local whose tables are in files, and outlive it."""
    program = DYNAMODB.program
    words = [IN_FILES if word == IN_MEMORY else (word,) for word in program.serve]
    kept = tuple(part for word in words for part in word)
    return PrivateServer(replace(DYNAMODB, program=replace(program, serve=kept)))
