"""URL scheme → adapter, through entry points: the core lists no adapter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast, runtime_checkable

from longshore.errors import AdapterNotFoundError, ConfigurationError
from longshore.masking import mask_meant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from longshore.clock import Clock
    from longshore.codec.fetch import Fetcher
    from longshore.errors import LongshoreError
    from longshore.queue import Outgoing, Queue, QueueCapabilities
    from longshore.store import Store
    from longshore.task_log import TaskLog
    from longshore.together import SyncTogether, Together

ENTRY_POINTS = "longshore.adapters"

Role: TypeAlias = Literal["producer", "worker", "operator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What one open URL serves. A part that the server cannot be is None.

    `queue(name)` is cheap and may be called again for the same name. Leaving the context that
    gave the backend closes all of it, and wakes what is blocked with `ClosedError`. `fetcher` reads
    what messages only point at. `calls` counts the requests made to the server so far, by
    operation, where each has its price.
    """

    url: str
    queue: Callable[[str], Queue] | None = None
    task_log: TaskLog | None = None
    store: Store | None = None
    together: Together | None = None
    fetcher: Fetcher | None = None
    calls: Callable[[], Mapping[str, int]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an adapter found of its server's set-up, and the next step where there is one."""

    name: str
    verdict: Literal["ok", "warn", "fail"]
    text: str
    step: str = ""


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


class SyncSender(Protocol):
    """The sending half of a broker's queues. Safe for use by several threads."""

    def capabilities(self, queue: str) -> QueueCapabilities:
        """What the queue so named can do."""
        ...

    def send(self, queue: str, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Do as `Queue.send` of the queue so named, in the caller's thread."""
        ...


@runtime_checkable
class SupportsSyncSend(Protocol):
    """An adapter of a broker, with a synchronous way to send."""

    def open_sender(self, url: str, clock: Clock) -> AbstractContextManager[SyncSender]:
        """Connect as `open` does, for use from plain threads; a fork needs its own."""
        ...


@runtime_checkable
class Forgetful(Protocol):
    """An adapter whose log keeps nothing: what need not be answered need not be written to it."""

    @property
    def forgets(self) -> bool:
        """True, always."""
        ...


@runtime_checkable
class SupportsRehearsal(Protocol):
    """An adapter that can be tried out without its server, to load what it needs before a fork."""

    def rehearsal(self) -> AbstractContextManager[str]:
        """Give the URL of a new and empty place that nobody else sees, gone afterwards."""
        ...


@runtime_checkable
class SupportsExamination(Protocol):
    """An adapter that can compare how its server is set up with how it should be."""

    def examine(self, url: str, queues: Sequence[str]) -> list[Finding]:
        """Look at what belongs to `queues`, and change nothing; a problem is a finding."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Whether a caller may do `action` on `resource`, both as a policy's statements name them.

    None: it could not be found out, and `text` says why.
    """

    action: str
    resource: str
    allowed: bool | None
    text: str = ""


@runtime_checkable
class SupportsProbe(Protocol):
    """An adapter that can find out what these credentials are allowed."""

    def probe(self, url: str, queues: Sequence[str]) -> list[Permit]:
        """Try what `permissions` has for an operator, by calls that alter nothing, whoever asks.

        A statement's action that cannot concern its resource is left out.
        """
        ...


@runtime_checkable
class SupportsPermissions(Protocol):
    """An adapter whose server wants each caller's permissions written down."""

    def permissions(
        self, url: str, queues: Sequence[str], role: Role
    ) -> list[Mapping[str, object]]:
        """List the statements of a policy that lets `role` do its work on `queues`, and no more."""
        ...


def scheme_of(url: str) -> str:
    """Read the scheme; raise `ConfigurationError` where there is none."""
    scheme, found, _ = url.partition("://")
    if not found or not scheme:
        message = (
            f"{mask_meant(url)!r} is not a URL; write e.g. sqlite:///longshore.db or memory://"
        )
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
