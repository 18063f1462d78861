"""One call of a command: its output, and what it opens of the application."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from longshore.errors import ConfigurationError
from longshore.identity import TaskIds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    from longshore.cli.loading import Loaded
    from longshore.cli.output import Output
    from longshore.ports import Ports
    from longshore.session import Session
    from longshore.settings import Settings
    from longshore.telemetry import Telemetry

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """The shared options of a call. Loads and connects only when asked to."""

    output: Output
    app: str | None = None
    url: str | None = None

    def load(self, **flags: object) -> Loaded:
        """Load the application, with its settings as the flags change them.

        A flag that is None was not given. `ConfigurationError` for one that cannot win, because
        the application's code sets it.
        """
        from longshore.cli.loading import load  # noqa: PLC0415 - loaded by commands that run

        loaded = load(self.app)
        given = {name: value for name, value in flags.items() if value is not None}
        if self.url is not None:
            given["url"] = self.url
        if not given:
            return loaded
        _refuse_decided(loaded, given)
        return replace(loaded, settings=loaded.settings.with_flags(**given))

    def with_ports(
        self,
        work: Callable[[Ports], Awaitable[T]],
        settings: Settings | None = None,
        telemetry: Telemetry | None = None,
    ) -> T:
        """Open the ports, do the work on a loop of its own, and close everything.

        With `telemetry` the ports are observed.
        """
        from longshore.wiring import open_ports  # noqa: PLC0415 - pydantic is slow to import

        chosen = settings or self.load().settings

        async def main() -> T:
            async with open_ports(chosen, telemetry=telemetry) as ports:
                return await work(ports)

        return self.in_loop(main)

    @staticmethod
    def in_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do the work on a loop of its own."""
        import asyncio  # noqa: PLC0415 - slow to import

        return asyncio.run(work())

    @contextmanager
    def session(self, loaded: Loaded) -> Generator[Session]:
        """Open the client's side: synchronous where the adapter can be, and eager where asked."""
        from longshore.clock import SystemClock  # noqa: PLC0415 - asyncio is slow to import
        from longshore.session import Session  # noqa: PLC0415 - asyncio is slow to import

        session = Session(loaded.settings, SystemClock(), TaskIds(), loaded.registry)
        try:
            yield session
        finally:
            session.close()


def _refuse_decided(loaded: Loaded, flags: dict[str, object]) -> None:
    """Never ignore a flag silently: what code gives is the stronger source (docs/settings.md)."""
    decided = [name for name in flags if name in loaded.settings.trace.given]
    if decided:
        named = " and ".join(f"--{name.replace('_', '-')}" for name in decided)
        message = (
            f"{named} cannot be used: {loaded.name} sets {' and '.join(decided)} in its code, "
            "which is stronger than a flag; leave it to the environment there, or drop the flag"
        )
        raise ConfigurationError(message)
