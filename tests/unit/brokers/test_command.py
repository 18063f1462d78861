from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.brokers import command, record
from tests.brokers.probe import REDIS
from tests.brokers.servers import NEEDED, SERVERS, Image, Program, Server, Tool
from tests.brokers.shell import CannotStartError
from tests.brokers.sources import Apt
from tests.brokers.ways import by_program

if TYPE_CHECKING:
    from tests.brokers.record import Started
    from tests.unit.brokers.conftest import Listen

PROGRAM = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    while True:
        with listener.accept()[0] as peer:
            peer.recv(64)
            peer.sendall(b"+PONG\\r\\n")
"""


def server(port: int, *, serve: tuple[str, ...] = ("no-such-program",)) -> Server:
    return Server(
        name="redis",
        port=port,
        probe=REDIS,
        image=Image(name="none", port=port),
        program=Program(source=Apt(package="redis-server"), serve=serve),
    )


def refuse(server: Server) -> Started:
    raise CannotStartError(f"no engine for {server.name}")


def never(server: Server) -> Started:
    pytest.fail(f"{server.name} answers already and must not be started")


def test_a_server_that_answers_is_left_as_it_is(listen: Listen, tmp_path: Path) -> None:
    running = server(listen(hears=REDIS.says, says=b"+PONG\r\n"))

    found = command.up(running, [never], tmp_path)

    assert found.state == "running"
    assert record.find("redis", tmp_path) is None


def test_a_server_that_cannot_be_had_says_every_reason_and_the_next_step(
    closed_port: int, tmp_path: Path
) -> None:
    found = command.up(server(closed_port), [refuse, by_program], tmp_path)

    assert found.state == "missing"
    assert "no engine for redis; redis's no-such-program is not installed; " in found.why
    assert "install redis-server" in found.why


def test_a_port_that_a_stranger_holds_starts_nothing(listen: Listen, tmp_path: Path) -> None:
    taken = server(listen(hears=REDIS.says, says=b"HTTP/1.1 400 Bad Request\r\n\r\n"))

    found = command.up(taken, [never], tmp_path)

    assert (found.state, found.why) == ("missing", "what listens there does not answer as it must")


def test_what_is_started_answers_and_ends_by_down(closed_port: int, tmp_path: Path) -> None:
    mine = server(closed_port, serve=(sys.executable, "-c", PROGRAM, "{port}"))

    states = [
        command.up(mine, [by_program], tmp_path).state,
        command.up(mine, [never], tmp_path).state,
        command.down(mine, tmp_path).state,
        command.status(mine, tmp_path).state,
    ]

    assert states == ["started", "started", "stopped", "missing"]


def test_what_starts_and_never_answers_is_ended_with_its_last_words(
    closed_port: int, tmp_path: Path
) -> None:
    mine = server(closed_port, serve=(sys.executable, "-c", "print('port is taken')"))

    found = command.up(mine, [by_program], tmp_path, patience=30)

    assert found.state == "missing"
    assert "started by program it gave no answer: port is taken" in found.why
    assert record.find("redis", tmp_path) is None


def test_down_leaves_alone_what_was_not_started_here(listen: Listen, tmp_path: Path) -> None:
    running = server(listen(hears=REDIS.says, says=b"+PONG\r\n"))

    found = command.down(running, tmp_path)

    assert found.state == "left alone"
    assert running.answers()


def test_a_missing_server_fails_the_command_unless_it_is_forgiven(closed_port: int) -> None:
    findings = [command.status(server(closed_port))]

    codes = [command.exit_code(findings, forgiving=forgiving) for forgiving in (False, True)]

    assert codes == [1, 0]


def test_every_line_names_a_server_its_state_and_its_address(closed_port: int) -> None:
    findings = [command.status(server(closed_port))]

    lines = command.as_lines(findings)

    assert lines.split()[:3] == ["redis", "missing", f"127.0.0.1:{closed_port}"]


def test_json_is_a_list_of_the_servers_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code = command.main(["status", "--json", "--only", "redis", "--only", "mariadb"])

    printed = json.loads(capsys.readouterr().out)

    assert code == 0
    assert [each["name"] for each in printed] == ["mariadb", "redis"]
    assert set(printed[0]) == {"name", "address", "state", "why"}


def test_servers_listen_on_loopback_and_each_on_a_port_of_its_own() -> None:
    addresses = [server.address for server in SERVERS]

    assert len(set(addresses)) == len(SERVERS)
    assert all(address.startswith("127.0.0.1:") for address in addresses)


def test_what_the_adapters_need_is_among_the_servers() -> None:
    names = {server.name for server in NEEDED}

    assert names == {"rabbitmq", "redis", "moto", "localstack", "dynamodb"}
    assert names <= {server.name for server in SERVERS}


class Shelf:
    """A source that has a program once it was asked to install it, or refuses."""

    folder = Path("/")
    needs = "a-package"

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self.installed = 0

    def find(self, word: str) -> str | None:
        return f"/usr/bin/{word}" if self.installed else None

    def install(self) -> None:
        if self._refuses:
            raise CannotStartError("only root may")
        self.installed += 1


def test_a_tool_is_installed_once_and_only_where_that_is_wanted() -> None:
    shelf = Shelf()
    tool = Tool(name="meter", words=("meter", "metertool"), source=shelf)

    states = [command.equip(tool, install=each).state for each in (False, True, True)]

    assert states == ["missing", "installed", "installed"]
    assert shelf.installed == 1


def test_a_tool_that_cannot_be_had_says_why_and_the_next_step() -> None:
    tool = Tool(name="meter", words=("meter",), source=Shelf(refuses=True))

    found = command.equip(tool, install=True)

    assert (found.state, found.why) == ("missing", "only root may; install a-package")
