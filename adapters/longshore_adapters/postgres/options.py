"""Reading a `postgresql://` URL: which database, and how it is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from longshore import url as reading

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_CONNECTIONS: Final = 100
LONGEST_POLL: Final = 60_000
_LONGEST_CONNECT: Final = 60
_FORM: Final = "write postgresql://user@host/database"
_SCHEMA: Final = r"[a-z_][a-z0-9_]{0,47}"
"""What needs no quotes, and leaves room for the name of the channel: identifiers have 63 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A database and how to use it.

    `uri` is for libpq: hosts, account, database and its own parameters, without ours. `poll`,
    milliseconds, is how often a waiting receive looks for what nobody told it of; `listen` whether
    it asks to be told. With `clock` at `host` times are those of this process, not the server's.
    """

    uri: str = field(repr=False)
    address: str
    schema: str = "longshore"
    pool: int = 4
    listen: bool = True
    poll: int = 2000
    clock: str = "server"

    @property
    def channel(self) -> str:
        """What is listened to, by whoever waits for messages in this schema."""
        return f"longshore_{self.schema}"


def parse_url(url: str) -> Options:
    """Read the URL; `ConfigurationError` for a bad one, or a bad option."""
    parts = urlsplit(url)
    if parts.fragment:
        reading.refuse(url, "a '#'", _FORM)
    given = reading.read_options(url, {**_READERS, **_LIBPQ}, secret={"sslpassword"})
    libpq = {name: given.pop(name) for name in _LIBPQ if name in given}
    libpq.setdefault("connect_timeout", 10)
    libpq.setdefault("application_name", "longshore")
    libpq.setdefault("tcp_user_timeout", _UNANSWERED)
    host = parts.netloc.rpartition("@")[2] or libpq.get("host") or "the local socket"
    return Options(
        uri=f"postgresql://{parts.netloc}{parts.path}?{urlencode(libpq)}",
        address=f"{host}{parts.path}",
        **given,
    )


_UNANSWERED: Final = 10_000
"""Milliseconds after which a peer that acknowledges no packet counts as gone."""

_READERS: Final[Mapping[str, reading.Reader]] = {
    "schema": reading.matching(
        _SCHEMA, "give up to 48 of a-z, 0-9 and '_', beginning with no digit"
    ),
    "pool": reading.whole(1, MOST_CONNECTIONS, "connections"),
    "listen": reading.switch,
    "poll": reading.whole(1, LONGEST_POLL, "milliseconds"),
    "clock": reading.one_of("server", "host"),
}

_LIBPQ: Final[Mapping[str, reading.Reader]] = {
    "host": reading.some,
    "port": reading.some,
    "user": reading.some,
    "sslmode": reading.one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslrootcert": reading.some,
    "sslcert": reading.some,
    "sslkey": reading.some,
    "sslpassword": reading.some,
    "passfile": reading.some,
    "application_name": reading.some,
    "connect_timeout": reading.whole(1, _LONGEST_CONNECT, "seconds"),
    "tcp_user_timeout": reading.whole(1000, _UNANSWERED, "milliseconds"),
    "target_session_attrs": reading.one_of(
        "any", "read-write", "read-only", "primary", "standby", "prefer-standby"
    ),
}
"""What libpq reads itself; `options` is not among them, because the adapter sets its own."""
