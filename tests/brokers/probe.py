"""Does a server of this kind answer? Something that merely accepts a connection does not."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

HOST = "127.0.0.1"
PATIENCE = 1.0
LONGEST_ANSWER = 256


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


# The header of AMQP 0-9-1, answered by a method frame on channel 0: connection.start.
AMQP = Probe(
    says=b"AMQP\x00\x00\x09\x01",
    hears=re.compile(rb"\x01\x00\x00.{4}\x00\x0a\x00\x0a", re.DOTALL),
)
# MySQL speaks first: packet 0 with protocol version 10. An error packet (0xff) is no answer.
MYSQL = Probe(says=b"", hears=re.compile(rb".{3}\x00\x0a", re.DOTALL))
# SSLRequest, answered by one letter: willing or not.
POSTGRES = Probe(says=b"\x00\x00\x00\x08\x04\xd2\x16\x2f", hears=re.compile(rb"[SN]\Z"))
# A server that wants a password is a Redis too.
REDIS = Probe(says=b"PING\r\n", hears=re.compile(rb"\+PONG\r\n|-NOAUTH "))
