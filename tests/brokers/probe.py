"""Does a server of this kind answer? Something that merely accepts a connection does not."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "127.0.0.1"
PATIENCE = 1.0
LONGEST_ANSWER = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What to say after connecting, and how the answer of the right protocol begins."""

    says: bytes
    hears: re.Pattern[bytes]

    def answered(self, port: int, patience: float = PATIENCE) -> bool:
        """Connect, speak, and compare; never raises for what the other side does or does not."""
        heard = b""
        try:
            with socket.create_connection((HOST, port), timeout=patience) as peer:
                peer.sendall(self.says)
                while not self.hears.match(heard) and len(heard) < LONGEST_ANSWER:
                    part = peer.recv(LONGEST_ANSWER)
                    if not part:
                        break
                    heard += part
        except OSError:
            return False
        return self.hears.match(heard) is not None


def is_taken(port: int) -> bool:
    """Tell whether anything at all listens there."""
    try:
        socket.create_connection((HOST, port), timeout=PATIENCE).close()
    except OSError:
        return False
    return True


# The header of AMQP 0-9-1, answered by a method frame on channel 0: connection.start.
AMQP = Probe(
    says=b"AMQP\x00\x00\x09\x01",
    hears=re.compile(rb"\x01\x00\x00.{4}\x00\x0a\x00\x0a", re.DOTALL),
)
# MySQL speaks first: packet 0 with protocol version 10. An error packet (0xff) is no answer.
MYSQL = Probe(says=b"", hears=re.compile(rb".{3}\x00\x0a", re.DOTALL))
# A start of a session, answered by an authentication request; or by an error, which says that it
# serves, unless its code says that it starts or ends just now.
_SESSION = b"\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
POSTGRES = Probe(
    says=(len(_SESSION) + 4).to_bytes(4, "big") + _SESSION,
    hears=re.compile(rb"R\x00\x00\x00|E\x00\x00.{2}S.*\x00C(?!57P0)", re.DOTALL),
)
# A server that wants a password is a Redis too.
REDIS = Probe(says=b"PING\r\n", hears=re.compile(rb"\+PONG\r\n|-NOAUTH "))

# Over HTTP/1.0, where the connection ends with the answer: a stranger's is read and not waited for.
# Without credentials DynamoDB names itself in its refusal; moto and LocalStack imitate the rest.
DYNAMODB = Probe(
    says=b"GET / HTTP/1.0\r\n\r\n",
    hears=re.compile(
        rb'HTTP/1\.[01] 400 .*"com\.amazonaws\.dynamodb\.v20120810#MissingAuthenticationToken"',
        re.DOTALL,
    ),
)
MOTO = Probe(
    says=b"GET /moto-api/ HTTP/1.0\r\n\r\n",
    hears=re.compile(rb"HTTP/1\.[01] 200 .*<title>Moto</title>", re.DOTALL),
)


def localstack(services: Sequence[str]) -> Probe:
    """LocalStack with all of these; one that offers fewer is no answer."""
    offered = "".join(f'(?=.*"{each}": "(?:available|running)")' for each in services)
    return Probe(
        says=b"GET /_localstack/health HTTP/1.0\r\n\r\n",
        hears=re.compile(rf"HTTP/1\.[01] 200 {offered}".encode(), re.DOTALL),
    )
