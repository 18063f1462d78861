"""The servers of local AWS, started for real on ports of their own."""

from __future__ import annotations

import socket
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from tests.brokers import command
from tests.brokers.servers import DYNAMODB, LOCALSTACK, MOTO, Server
from tests.brokers.ways import by_program

LOOPBACK = {"127.0.0.1", "::ffff:127.0.0.1"}
LISTENING = "0A"
SYSTEM = Path("/proc/net")


@pytest.mark.once
@pytest.mark.timeout(150)
@pytest.mark.skipif(not (SYSTEM / "tcp").exists(), reason="asks the Linux kernel who listens")
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(DYNAMODB, id="dynamodb"),
        pytest.param(LOCALSTACK, id="localstack"),
        pytest.param(MOTO, id="moto"),
    ],
)
def test_a_server_started_here_listens_on_loopback_only(server: Server, tmp_path: Path) -> None:
    if not server.program.source.find(server.program.serve[0]):
        pytest.skip(f"{server.name} has not been fetched; run: make brokers")
    mine = replace(server, port=free_port())

    found = command.up(mine, [by_program], tmp_path)
    addresses = listening(mine.port)
    ended = command.down(mine, tmp_path)

    assert (found.state, ended.state) == ("started", "stopped"), found.why
    assert addresses
    assert addresses <= LOOPBACK


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def listening(port: int) -> set[str]:
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in (SYSTEM / table).read_text(encoding="ascii").splitlines()[1:]
    ]
    local = [row[1].split(":") for row in rows if row[3] == LISTENING]
    return {address(words) for words, of_port in local if int(of_port, 16) == port}


def address(words: str) -> str:
    """The kernel writes an address as words of four bytes, each in the machine's own order."""
    packed = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    mapped = IPv6Address(packed).ipv4_mapped
    return f"::ffff:{mapped}" if mapped else str(IPv6Address(packed))
