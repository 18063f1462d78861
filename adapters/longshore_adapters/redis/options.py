"""Reading a `redis://` URL: where the server is, as whom, and under which prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from longshore import url as reading
from longshore.masking import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT: Final = 6379
_FORM: Final = "write redis://user:password@host:6379/0, or redis:///run/redis/redis.sock?db=0"
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")
_DATABASE: Final = re.compile(r"\d{1,5}", re.ASCII)
_HIGHEST_PORT: Final = 65_535
_MOST_DATABASES: Final = 65_535
_MOST_CONNECTIONS: Final = 1000
_LONGEST_TIMEOUT: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the server is and how it is used; the README says what each option means.

    `socket` is the path of a Unix socket, and then there is no host. `timeout` is seconds.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    socket: str | None = None
    db: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    prefix: str = "longshore"
    clock: str = "server"
    timeout: float = 5.0
    connections: int = 16

    @property
    def where(self) -> str:
        """The server, for a sentence: no part of it is secret."""
        return self.socket or f"{self.host}:{self.port}"


def parse_url(url: str) -> Options:
    """Read the URL; `ConfigurationError` for what it does not say right, or says too much."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("?")[0].partition("/")
    credentials, found, host = authority.rpartition("@")
    given = reading.read_options(url, _READERS)
    given["tls"] = scheme.lower() == "rediss"
    if found:
        user, _, password = credentials.partition(":")
        given |= {"user": unquote(user) or None, "password": unquote(password) or None}
    if host or not slash:
        given |= _server(url, host) | _database(url, path, given)
    else:
        given["socket"] = _socket(url, path)
    _check_together(url, given)
    return Options(**given)


def _server(url: str, text: str) -> dict[str, Any]:
    found = _HOST.fullmatch(text)
    if found is None:
        reading.refuse(url, f"{shown(url, text)!r} where a host would be", _FORM)
    port = int(found["port"] or PORT)
    if not 0 < port <= _HIGHEST_PORT:
        reading.refuse(url, f"port {shown(url, str(port))}", f"give one from 1 to {_HIGHEST_PORT}")
    return {"host": found["name"].strip("[]"), "port": port}


def _database(url: str, path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if not path:
        return {}
    if "db" in given or not _DATABASE.fullmatch(path):
        wanted = "give the number of a database once, as in redis://host/0"
        reading.refuse(url, f"{shown(url, path)!r} where a database would be", wanted)
    return {"db": int(path)}


def _socket(url: str, path: str) -> str:
    if not path or "@" in path:
        reading.refuse(url, "a URL that names neither host nor socket", _FORM)
    return "/" + unquote(path)


def _check_together(url: str, given: Mapping[str, Any]) -> None:
    for name in ("ca_file", "cert_file", "key_file", "verify"):
        if name in given and not given["tls"]:
            reading.refuse(url, f"{name} without TLS", "begin the URL with rediss://")
    if ("key_file" in given) != ("cert_file" in given):
        reading.refuse(url, "one of cert_file and key_file", "give both of them, or none")
    if given["tls"] and "socket" in given:
        reading.refuse(url, "TLS over a Unix socket", "begin the URL with redis://")


_READERS: Final[Mapping[str, reading.Reader]] = {
    "db": reading.whole(0, _MOST_DATABASES),
    "prefix": reading.matching(
        r"[\w.:-]{1,80}", "give up to 80 letters, digits, '-', '_', '.', ':'"
    ),
    "clock": reading.one_of("server", "host"),
    "timeout": reading.number(0.01, _LONGEST_TIMEOUT, "seconds"),
    "connections": reading.whole(1, _MOST_CONNECTIONS),
    "ca_file": reading.some,
    "cert_file": reading.some,
    "key_file": reading.some,
    "verify": reading.switch,
}
