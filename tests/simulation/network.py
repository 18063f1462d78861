"""Between processes and servers: what is lost, late, repeated or cut off, by seeded chance.

A request and its answer travel apart from the process that waits: a stopped process finds the
answer when it goes on, and what a dead one had sent arrives all the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar, cast

from longshore.errors import UnavailableError
from tests.simulation.history import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from random import Random

    from longshore.queue import Delivery
    from tests.simulation.history import History
    from tests.simulation.loop import Process, VirtualLoop
    from tests.simulation.plan import Weather
    from tests.simulation.servers import Site

T = TypeVar("T")
RECENT = 20
CONSUMING = frozenset({"receive", "ack", "release", "reject"})
"""What goes over the connection that deliveries belong to."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One call on its way. `back` is how long its answer travels."""

    process: Process
    port: str
    verb: str
    call: Callable[[], Awaitable[Any]]
    answer: asyncio.Future[Any]
    back: float = 0.0
    lost: str = ""
    repeated: bool = False


class Network:
    """All links of one run. `cuts` are pairs (process, port) that do not hear each other."""

    def __init__(
        self, loop: VirtualLoop, site: Site, history: History, random: Random, weather: Weather
    ) -> None:
        self.loop = loop
        self.history = history
        self.random = random
        self.weather = weather
        self.cuts: set[tuple[str, str]] = set()
        self.down: set[str] = set()
        self.over = False
        self._site = site
        self._servers = Context()
        self._calls = count(1)
        self._recent: deque[Delivery] = deque(maxlen=RECENT)

    def link(self, process: Process, port: str) -> Link:
        return Link(self, process, port)

    def begin(self, process: Process, port: str, verb: str, call: Any) -> asyncio.Future[Any]:
        """Send a request; the future is its answer."""
        weather, random = self.weather, self.random
        exchange = Exchange(
            process=process, port=port, verb=verb, call=call, answer=self.loop.create_future()
        )
        there = random.random() * weather.latency
        luck = random.random()
        if luck < weather.faulty:
            kind = random.random()
            if kind < weather.dropped:
                exchange.lost = "request"
            elif kind < weather.dropped + weather.lost:
                exchange.lost = "answer"
            elif kind < weather.dropped + weather.lost + weather.repeated:
                exchange.repeated = verb != "extend"  # which the checker counts
            else:
                there += random.random() * weather.late
                exchange.back = random.random() * weather.late
        if verb == weather.victim and random.random() < 0.5:
            late = random.random() * weather.late
            if random.random() < 0.5:
                there += late
            else:
                exchange.back = late
        self.loop.call_later(there, self._arrive, exchange, context=self._servers)
        return exchange.answer

    def apply(self, who: Process, verb: str, call: Callable[[], Awaitable[T]]) -> T:
        """Carry a call out at its server: one step that nobody sees the middle of."""
        history, clocks = self.history, self._site.clocks
        history.call, history.who, history.verb = next(self._calls), who.name, verb
        for clock in clocks:
            clock.caller = who
        try:
            return _driven(call())
        finally:
            history.call, history.who, history.verb = 0, "servers", ""
            for clock in clocks:
                clock.caller = None

    def _arrive(self, exchange: Exchange) -> None:
        if self._is_cut(exchange) or exchange.lost == "request":
            self._fail(exchange, "never arrived")
        elif exchange.verb == "receive":
            polling = self.loop.create_task(cast("Any", exchange.call()), context=self._servers)
            exchange.answer.add_done_callback(
                lambda answer: polling.cancel() if answer.cancelled() else None,
                context=self._servers,
            )
            polling.add_done_callback(
                lambda done: self._received(exchange, done), context=self._servers
            )
        else:
            self._carry_out(exchange)

    def _carry_out(self, exchange: Exchange) -> None:
        try:
            result = self.apply(exchange.process, exchange.verb, exchange.call)
            if exchange.repeated:
                self._tell(exchange, "repeated")
                result = self.apply(exchange.process, exchange.verb, exchange.call)
        except Exception as error:  # noqa: BLE001 - the caller's to handle, as over a wire
            self._answer(exchange, None, error)
        else:
            self._answer(exchange, result, None)

    def _received(self, exchange: Exchange, done: asyncio.Task[list[Delivery]]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self._answer(exchange, None, error)
            return
        came = done.result()
        self._recent.extend(came)
        self._site.queue.hand_out(came, exchange.process.name)
        if self._recent and self.random.random() < self.weather.phantom:
            among = came if came and self.random.random() < 0.5 else self._recent
            again = self.random.choice(among)
            self._tell(exchange, "delivered twice", again.key or "")
            came = [*came, again]
        self._answer(exchange, came, None)

    def _answer(self, exchange: Exchange, result: object, error: BaseException | None) -> None:
        if exchange.lost or self._is_cut(exchange):
            self._fail(exchange, "answer lost")
        elif exchange.back:
            self.loop.call_later(
                exchange.back, self._resolve, exchange, result, error, context=self._servers
            )
        else:
            self._resolve(exchange, result, error)

    def _fail(self, exchange: Exchange, what: str) -> None:
        """Let the caller wait a while, and learn nothing."""
        self._tell(exchange, what)
        self.end_connection(exchange.process, after=exchange.verb)
        error = UnavailableError(f"{exchange.verb}: {what}")
        patience = 0.2 + self.random.random() * 2
        self.loop.call_later(patience, self._resolve, exchange, None, error, context=self._servers)

    def _resolve(self, exchange: Exchange, result: object, error: BaseException | None) -> None:
        answer = exchange.answer
        if answer.done() or exchange.process.dead:
            if result:
                self.end_connection(exchange.process, after=exchange.verb)
        elif error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)

    def end_connection(self, process: Process | None, *, after: str = "receive") -> None:
        """Let a tied broker see the end of a connection that consumed, or of all.

        What does not arrive on it is seen by nobody else: the connection is at fault then.
        """
        if after in CONSUMING:
            self._site.queue.end_connection(None if process is None else process.name)

    def _is_cut(self, exchange: Exchange) -> bool:
        cut = (exchange.process.name, exchange.port) in self.cuts
        return cut or exchange.port in self.down

    def _tell(self, exchange: Exchange, what: str, detail: str = "") -> None:
        self.history.add(
            Fault(who=exchange.process.name, what=what, detail=f"{exchange.verb} {detail}")
        )


class Link:
    """What one process has to one port: a gate that all its calls go through."""

    def __init__(self, network: Network, process: Process, port: str) -> None:
        self._network = network
        self._process = process
        self._port = port

    async def through(self, verb: str, call: Callable[[], Awaitable[T]]) -> T:
        if self._network.over:
            raise asyncio.CancelledError
        answer: T = await self._network.begin(self._process, self._port, verb, call)
        return answer


def _driven(awaitable: Awaitable[T]) -> T:
    """Run what never waits to its end."""
    steps: Generator[Any, Any, T] = awaitable.__await__()
    try:
        next(steps)
    except StopIteration as done:
        answer: T = done.value
        return answer
    message = "a server's call waits, and only receive may"
    raise AssertionError(message)
