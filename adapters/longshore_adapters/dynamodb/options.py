"""Reading a `dynamodb://` URL: which table, where, and as whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qsl, urlsplit

from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FORM: Final = "write dynamodb://TABLE?region=eu-central-1"
_TABLE: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
"""Source: the service's naming rules for tables."""
MOST_SHARDS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A table and how to reach it; what is None is left to the AWS configuration.

    `batch` says whether writes go many to a call: `auto` finds out what the server can. With
    `capacity` the units that calls consumed are counted as well. `skew` is `check`, or `ignore`
    for a clock that is not the host's. `shards` spreads the list and the wake-ups of a new table.
    """

    table: str
    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    batch: str = "auto"
    capacity: bool = False
    skew: str = "check"
    shards: int = 4


def parse_url(url: str) -> Options:
    """Read the URL; `ConfigurationError` for one that names no table, or a bad option."""
    parts = urlsplit(url)
    table = parts.netloc
    if parts.path not in {"", "/"} or parts.fragment or not _TABLE.fullmatch(table):
        _refuse(
            f"{url!r} names no table (3 to 255 of a-z, A-Z, 0-9, '_', '-', '.'): {table!r}", _FORM
        )
    return Options(table=table, **_options(url, parts.query))


def _options(url: str, query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _READERS or name in options:
            known = ", ".join(_READERS)
            _refuse(f"option {name!r} of {url!r}", f"give each of {known} once at most")
        options[name] = _READERS[name](name, text)
    return options


def _text(name: str, text: str) -> str:
    if not text.strip():
        _refuse(f"{name}=", f"give {name} a value, or leave it out")
    return text


def _endpoint(name: str, text: str) -> str:
    if urlsplit(text).scheme not in {"http", "https"}:
        _refuse(f"{name}={text}", "give a URL, such as endpoint_url=http://127.0.0.1:8000")
    return text


def _one_of(*words: str) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if text.lower() not in words:
            _refuse(f"{name}={text}", f"give {name} as one of {', '.join(words)}")
        return text.lower()

    return read


def _flag(name: str, text: str) -> bool:
    return _one_of("on", "off")(name, text) == "on"


def _shards(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_SHARDS):
        _refuse(f"{name}={text}", f"give a whole number from 1 to {MOST_SHARDS}")
    return int(text)


def _refuse(given: str, wanted: str) -> NoReturn:
    message = f"{given} cannot be used; {wanted}"
    raise ConfigurationError(message)


_READERS: Final[Mapping[str, Callable[[str, str], object]]] = {
    "region": _text,
    "endpoint_url": _endpoint,
    "profile": _text,
    "role_arn": _text,
    "batch": _one_of("auto", "on", "off"),
    "capacity": _flag,
    "skew": _one_of("check", "ignore"),
    "shards": _shards,
}
