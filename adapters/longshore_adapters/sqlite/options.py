"""Reading a `sqlite://` URL: where the file is, and how it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from longshore import url as reading
from longshore.masking import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

SYNCHRONOUS: Final = ("off", "normal", "full", "extra")
LONGEST_POLL: Final = 1000
_LONGEST_WAIT: Final = 3600
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
    location = url.partition("://")[2].partition("?")[0]
    host, slash, rest = location.partition("/")
    path = unquote(rest)
    if ":memory:" in (host, path) or not (host or path):
        wanted = f"{_FORM}; for a queue in memory write memory://"
        reading.refuse(url, "a path that names no file", wanted)
    if host or not slash:
        reading.refuse(url, f"{shown(url, host)!r} where a host would be", _FORM)
    return Options(path=path, **reading.read_options(url, _READERS))


_READERS: Final[Mapping[str, reading.Reader]] = {
    "synchronous": reading.one_of(*SYNCHRONOUS),
    "busy_timeout": reading.number(0, _LONGEST_WAIT, "seconds"),
    "poll": reading.whole(1, LONGEST_POLL, "milliseconds"),
    "watch": reading.switch,
}
