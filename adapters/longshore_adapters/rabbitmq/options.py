"""Reading a `rabbitmq://` URL: where the brokers are, as whom, and how queues are made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qsl, unquote

from longshore.errors import ConfigurationError
from longshore.priority import HIGHEST, LOWEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FORM: Final = (
    "write rabbitmq://user:password@host:5672,host2/vhost, with options such as ?prefix=…"
)
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
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
    location, _, query = rest.partition("?")
    authority, _, path = location.partition("/")
    credentials, found, hosts = authority.rpartition("@")
    tls = scheme.lower() == "rabbitmqs"
    given: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _READERS or name in given:
            _refuse(f"option {name!r}", f"give each of {', '.join(_READERS)} once at most")
        given[name] = _READERS[name](text)
    _check_together(given, tls=tls)
    if found:
        user, _, password = credentials.partition(":")
        given |= {"user": unquote(user), "password": unquote(password)}
    if "/" in path:
        _refuse("a path with several parts", "write a '/' in the name of a virtual host as %2F")
    return Options(hosts=_hosts(hosts, tls=tls), vhost=unquote(path) or "/", tls=tls, **given)


def _check_together(given: Mapping[str, Any], *, tls: bool) -> None:
    for name in ("ca_file", "cert_file", "key_file", "verify"):
        if name in given and not tls:
            _refuse(f"{name} without TLS", "begin the URL with rabbitmqs://")
    if ("key_file" in given) != ("cert_file" in given):
        _refuse("one of cert_file and key_file", "give both of them, or none")


def _hosts(text: str, *, tls: bool) -> tuple[Host, ...]:
    hosts: list[Host] = []
    for part in text.split(","):
        found = _HOST.fullmatch(part)
        if found is None:
            _refuse(f"{part!r} where a host would be", _FORM)
        port = int(found["port"] or (TLS_PORT if tls else PORT))
        if not 0 < port <= _HIGHEST_PORT:
            _refuse(f"port {port}", f"give one from 1 to {_HIGHEST_PORT}")
        hosts.append(Host(found["name"], port))
    return tuple(hosts)


def _text(text: str) -> str:
    if not text:
        _refuse("an option without a value", "leave it out, or give it one")
    return text


def _prefix(text: str) -> str:
    if _PREFIX.fullmatch(text) is None:
        _refuse(f"prefix={text}", "give up to 80 letters, digits, '-', '_' and '.'")
    return text


def _type(text: str) -> str:
    if text == "stream":
        _refuse(
            "type=stream",
            "a stream forgets nothing that is acknowledged and gives nothing back; "
            "use quorum, or classic",
        )
    if text not in {"quorum", "classic"}:
        _refuse(f"type={text}", "give quorum or classic")
    return text


def _bands(text: str) -> tuple[int, ...]:
    numbers = [int(part) if part.isdecimal() else -1 for part in text.split(",")]
    right = all(LOWEST < number <= HIGHEST for number in numbers)
    if not right or len(set(numbers)) < len(numbers) or len(numbers) > MAX_BANDS:
        wanted = f"give up to {MAX_BANDS} different priorities from 1 to {HIGHEST}"
        _refuse(f"bands={text}", f"{wanted}, such as bands=10,50")
    return tuple(sorted(numbers))


def _heartbeat(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST_HEARTBEAT:
        _refuse(f"heartbeat={text}", f"give whole seconds from 1 to {_LONGEST_HEARTBEAT}")
    return int(text)


def _span(text: str) -> timedelta | None:
    if text == "off":
        return None
    found = _SPAN.fullmatch(text)
    if found is None or not int(found[1]):
        _refuse(
            f"{text!r} for a time", "give a whole number with s, m, h or d, such as 30m, or off"
        )
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _management(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        _refuse(f"management={text}", "give a URL such as http://127.0.0.1:15672")
    return text.rstrip("/")


def _switch(text: str) -> bool:
    if text.lower() not in {"on", "off"}:
        _refuse(f"{text!r} for a switch", "give on or off")
    return text.lower() == "on"


def _refuse(given: str, wanted: str) -> NoReturn:
    message = f"{given} cannot be used in a rabbitmq:// URL; {wanted}"
    raise ConfigurationError(message)


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "prefix": _prefix,
    "type": _type,
    "bands": _bands,
    "ladder": _switch,
    "heartbeat": _heartbeat,
    "consumer_timeout": _span,
    "retention": _span,
    "management": _management,
    "ca_file": _text,
    "cert_file": _text,
    "key_file": _text,
    "verify": _switch,
}
