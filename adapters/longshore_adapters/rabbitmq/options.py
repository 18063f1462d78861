"""Reading a `rabbitmq://` URL: where the brokers are, as whom, and how queues are made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from longshore import url as reading
from longshore.masking import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM: Final = (
    "write rabbitmq://user:password@host:5672,host2/vhost, with options such as ?prefix=…"
)
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")
_SPAN: Final = re.compile(r"(\d{1,7})(s|m|h|d)")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_HIGHEST_PORT: Final = 65_535
_LONGEST_HEARTBEAT: Final = 3600
MAX_BANDS: Final = 31
PORT: Final = 5672
TLS_PORT: Final = 5671


@dataclass(frozen=True, slots=True)
class Host:
    """One broker."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the brokers are and how they are used; the README says what each option means.

    `bands` are thresholds of priority, the lowest first. `consumer_timeout` and `retention` say
    what the server does; None: nothing of the kind.
    """

    hosts: tuple[Host, ...]
    user: str = "guest"
    password: str = field(default="guest", repr=False)
    vhost: str = "/"
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    prefix: str = ""
    type: str = "quorum"
    bands: tuple[int, ...] = ()
    ladder: bool = False
    heartbeat: int = 30
    consumer_timeout: timedelta | None = timedelta(minutes=30)
    retention: timedelta | None = None
    management: str | None = None

    @property
    def quorum(self) -> bool:
        """Whether queues are quorum queues."""
        return self.type == "quorum"


def parse_url(url: str) -> Options:
    """Read the URL; `ConfigurationError` for what it does not say right, or says too much."""
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("?")[0].partition("/")
    credentials, found, hosts = authority.rpartition("@")
    tls = scheme.lower() == "rabbitmqs"
    given = reading.read_options(url, _READERS)
    _check_together(url, given, tls=tls)
    if found:
        user, _, password = credentials.partition(":")
        given |= {"user": unquote(user), "password": unquote(password)}
    if "@" in path:
        reading.refuse(url, "a path with an '@'", "write it as %40 where it is meant")
    if "/" in path:
        wanted = "write a '/' in the name of a virtual host as %2F"
        reading.refuse(url, "a path with several parts", wanted)
    vhost = unquote(path) or "/"
    return Options(hosts=_hosts(url, hosts, tls=tls), vhost=vhost, tls=tls, **given)


def _check_together(url: str, given: Mapping[str, Any], *, tls: bool) -> None:
    for name in ("ca_file", "cert_file", "key_file", "verify"):
        if name in given and not tls:
            reading.refuse(url, f"{name} without TLS", "begin the URL with rabbitmqs://")
    if ("key_file" in given) != ("cert_file" in given):
        reading.refuse(url, "one of cert_file and key_file", "give both of them, or none")


def _hosts(url: str, text: str, *, tls: bool) -> tuple[Host, ...]:
    hosts: list[Host] = []
    for part in text.split(","):
        found = _HOST.fullmatch(part)
        if found is None:
            reading.refuse(url, f"{shown(url, part)!r} where a host would be", _FORM)
        port = int(found["port"] or (TLS_PORT if tls else PORT))
        if not 0 < port <= _HIGHEST_PORT:
            reading.refuse(
                url, f"port {shown(url, str(port))}", f"give one from 1 to {_HIGHEST_PORT}"
            )
        hosts.append(Host(found["name"], port))
    return tuple(hosts)


def _type(text: str) -> str:
    if text == "stream":
        message = (
            "a stream forgets nothing that is acknowledged and gives nothing back; "
            "use quorum, or classic"
        )
        raise ValueError(message)
    return reading.one_of("quorum", "classic")(text)


def _span(text: str) -> timedelta | None:
    if text == "off":
        return None
    found = _SPAN.fullmatch(text)
    if found is None or not int(found[1]):
        message = "give a whole number with s, m, h or d, such as 30m, or off"
        raise ValueError(message)
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


_READERS: Final[Mapping[str, reading.Reader]] = {
    "prefix": reading.matching(r"[\w.-]{1,80}", "give up to 80 letters, digits, '-', '_' and '.'"),
    "type": _type,
    "bands": reading.bands(MAX_BANDS),
    "ladder": reading.switch,
    "heartbeat": reading.whole(1, _LONGEST_HEARTBEAT, "seconds"),
    "consumer_timeout": _span,
    "retention": _span,
    "management": reading.web_address("http://127.0.0.1:15672"),
    "ca_file": reading.some,
    "cert_file": reading.some,
    "key_file": reading.some,
    "verify": reading.switch,
}
