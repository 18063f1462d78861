"""URL scheme → adapter, through entry points: the core lists no adapter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from longshore.errors import AdapterNotFoundError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from longshore.clock import Clock
    from longshore.queue import Queue
    from longshore.store import Store
    from longshore.task_log import TaskLog
    from longshore.together import SyncTogether, Together

ENTRY_POINTS = "longshore.adapters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What one open URL serves. A part that the server cannot be is None.

    `queue(name)` is cheap and may be called again for the same name. Leaving the context that
    gave the backend closes all of it, and wakes what is blocked with `ClosedError`.
    """

    url: str
    queue: Callable[[str], Queue] | None = None
    task_log: TaskLog | None = None
    store: Store | None = None
    together: Together | None = None


class Adapter(Protocol):
    """What an entry point of the group `longshore.adapters` is: a way to open a URL."""

    def open(self, url: str, clock: Clock) -> AbstractAsyncContextManager[Backend]:
        """Connect to the server behind `url`; options are its query parameters.

        `ConfigurationError` for a bad URL or option, `StorageError` or `UnavailableError`
        where the server cannot be used.
        """
        ...

    def init(self, url: str) -> list[str]:
        """Create what the adapter keeps on the server; say what was made, idempotently."""
        ...

    def deinit(self, url: str) -> list[str]:
        """Remove what `init` made, with everything in it; say what went, idempotently."""
        ...


@runtime_checkable
class SupportsSync(Protocol):
    """An adapter with a synchronous way in, for producers without an event loop."""

    def open_sync(self, url: str, clock: Clock) -> AbstractContextManager[SyncTogether]:
        """Connect as `open` does, for use from plain threads; a fork needs its own."""
        ...


@runtime_checkable
class SupportsRehearsal(Protocol):
    """An adapter that can be tried out without its server, to load what it needs before a fork."""

    def rehearsal(self) -> AbstractContextManager[str]:
        """Give the URL of a new and empty place that nobody else sees, gone afterwards."""
        ...


def scheme_of(url: str) -> str:
    """Read the scheme; raise `ConfigurationError` where there is none."""
    scheme, found, _ = url.partition("://")
    if not found or not scheme:
        message = f"{url!r} is not a URL; write e.g. sqlite:///longshore.db or memory://"
        raise ConfigurationError(message)
    return scheme.lower()


def find_adapter(url: str) -> Adapter:
    """Load the adapter that serves the URL's scheme; `AdapterNotFoundError` without one."""
    return _load(scheme_of(url))


@cache  # reading what is installed takes milliseconds and touches much memory
def _load(scheme: str) -> Adapter:
    found = entry_points(group=ENTRY_POINTS, name=scheme)
    if not found:
        known = sorted(point.name for point in entry_points(group=ENTRY_POINTS))
        raise AdapterNotFoundError(scheme, known)
    return cast("Adapter", next(iter(found)).load())
