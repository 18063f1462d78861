"""Reading a `sqlite://` URL: where the file is, and how it is used."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qsl, unquote

from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SYNCHRONOUS: Final = ("off", "normal", "full", "extra")
LONGEST_POLL: Final = 1000
_FORM: Final = "write sqlite:///relative.db or sqlite:////absolute/path.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A file and how to use it. `busy_timeout` is seconds, `poll` milliseconds.

    `busy_timeout` is how long a write waits for other processes before `UnavailableError`;
    `poll` how often a waiting receive looks, at most, for what they have sent. With `watch` it
    looks only when the system says that the file was written to, where the system can say so.
    What each `synchronous` promises is in the README.
    """

    path: str
    synchronous: str = "normal"
    busy_timeout: float = 5.0
    poll: int = 4
    watch: bool = True


def parse_url(url: str) -> Options:
    """Read the URL; `ConfigurationError` for one that does not name a file, or a bad option."""
    location, _, query = url.partition("://")[2].partition("?")
    host, slash, rest = location.partition("/")
    path = unquote(rest)
    if ":memory:" in (host, path) or not (host or path):
        _refuse(f"{url!r} names no file", f"{_FORM}; for a queue in memory write memory://")
    if host or not slash:
        _refuse(f"{url!r} has {host!r} where a host would be", _FORM)
    return Options(path=path, **_options(url, query))


def _options(url: str, query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _READERS or name in options:
            known = ", ".join(_READERS)
            _refuse(f"option {name!r} of {url!r}", f"give each of {known} once at most")
        options[name] = _READERS[name](text)
    return options


def _synchronous(text: str) -> str:
    if text.lower() not in SYNCHRONOUS:
        _refuse(f"synchronous={text}", f"give one of {', '.join(SYNCHRONOUS)}")
    return text.lower()


def _busy_timeout(text: str) -> float:
    seconds = _number(text)
    if seconds is None or not 0 <= seconds <= 3600:  # noqa: PLR2004 - an hour
        _refuse(f"busy_timeout={text}", "give seconds from 0 to 3600, such as busy_timeout=5")
    return seconds


def _poll(text: str) -> int:
    milliseconds = _number(text)
    if milliseconds is None or milliseconds % 1 or not 1 <= milliseconds <= LONGEST_POLL:
        _refuse(f"poll={text}", f"give whole milliseconds from 1 to {LONGEST_POLL}")
    return int(milliseconds)


def _watch(text: str) -> bool:
    if text.lower() not in {"on", "off"}:
        _refuse(f"watch={text}", "give watch=on or watch=off")
    return text.lower() == "on"


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _refuse(given: str, wanted: str) -> NoReturn:
    message = f"{given} cannot be used; {wanted}"
    raise ConfigurationError(message)


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "synchronous": _synchronous,
    "busy_timeout": _busy_timeout,
    "poll": _poll,
    "watch": _watch,
}
