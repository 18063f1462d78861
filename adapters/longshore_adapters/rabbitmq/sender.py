"""The way in for code without an event loop: confirmed publishing in the caller's thread."""

from __future__ import annotations

import os
import select
import threading
from datetime import UTC, datetime
from functools import lru_cache, partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from longshore.errors import ClosedError, LongshoreError
from longshore_adapters.rabbitmq.capabilities import capabilities_of
from longshore_adapters.rabbitmq.confirms import CHANNEL, Batch, Confirms
from longshore_adapters.rabbitmq.errors import unreached
from longshore_adapters.rabbitmq.link import Link
from longshore_adapters.rabbitmq.names import names_of
from longshore_adapters.rabbitmq.preparing import prepare
from longshore_adapters.rabbitmq.versions import check_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.queue import Outgoing, QueueCapabilities
    from longshore_adapters.rabbitmq.frames import Incoming
    from longshore_adapters.rabbitmq.options import Host, Options
    from longshore_adapters.rabbitmq.preparing import Prepared

KEPT: Final = 10
"""Connections that wait for the next send; more threads at once make more, and close them."""
TRIES: Final = 3
"""Connections that a send may use up."""
_LOOK: Final = 1.0
_FRESH: Final = 0.5
"""Seconds after an answer in which a connection is trusted without a look: a send that finds it
dead all the same uses another."""
_NAMES: Final = 256
"""Queues whose names a sender remembers as found good."""


class Lane:
    """One connection with its window, for one thread at a time."""

    def __init__(self, options: Options) -> None:
        """Connect to the first host that answers."""
        self._link = _dial(options)
        self._confirms = Confirms(self._write, str(self._link.host))
        self._confirms.up()
        self._poll = select.poll()
        self._poll.register(self._link, select.POLLIN)
        self._writing = False
        self._heard = monotonic()

    @property
    def host(self) -> Host:
        """Where it leads."""
        return self._link.host

    @property
    def is_clear(self) -> bool:
        """Whether nothing is left on its way."""
        return self._confirms.clear

    def is_alive(self) -> bool:
        """Whether it may still be used: the server's goodbye would be there to be read."""
        if monotonic() - self._heard < _FRESH:
            return True
        try:
            self._read()
        except Exception:  # noqa: BLE001 - whatever it was, it is of no more use
            return False
        return True

    def publish(self, batch: Batch) -> None:
        """Publish and wait for every answer. Raises where the connection breaks."""
        self._confirms.submit(batch)
        while not batch.ended:
            if self._link.waits_to_write is not self._writing:
                self._writing = not self._writing
                events = select.POLLIN | (select.POLLOUT if self._writing else 0)
                self._poll.modify(self._link, events)
            self._poll.poll(_LOOK * 1000)
            if self._link.waits_to_write:
                self._link.flush()
            self._read()
            self._heard = now = monotonic()
            self._confirms.expire(now)
            if self._confirms.is_stalled(now):
                message = "it confirms nothing"
                raise ConnectionAbortedError(message)

    def close(self) -> None:
        """End the connection."""
        self._link.close()

    def collect(self) -> None:
        """Drop the connection as it is."""
        self._link.collect()

    def _write(self, data: bytes) -> None:
        self._link.write(data)

    def _read(self) -> None:
        came: list[Incoming] = []
        was = self._link.blocked
        try:
            self._link.read(came)
        finally:
            for event in came:
                if event.channel == CHANNEL:
                    self._confirms.handle(event)
            if self._link.blocked is not was:
                self._confirms.block(blocked=self._link.blocked)


class RabbitSender:
    """Sends from any thread. A forked child makes connections of its own."""

    def __init__(self, options: Options) -> None:
        """Prepare; connections are made when they are needed."""
        self._options = options
        self._capabilities = capabilities_of(options)
        self._names = lru_cache(_NAMES)(partial(names_of, options=options))
        self._open = True
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[Lane] = []

    def capabilities(self, queue: str) -> QueueCapabilities:
        """What the queue so named can do."""
        self._names(queue)
        return self._capabilities

    def send(self, queue: str, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Publish messages, windowed, and wait for the confirmations of all."""
        if not self._open:
            what = "the RabbitMQ sender"
            raise ClosedError(what)
        names = self._names(queue)
        prepared = prepare(messages, names, self._options, datetime.now(UTC))
        found = self._publish(prepared) if prepared.copies else []
        return prepared.answered(found)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._open = False
        if self._pid != os.getpid():
            return
        for lane in self._no_longer_idle():
            lane.close()

    def _publish(self, prepared: Prepared) -> list[LongshoreError | None]:
        """Publish on one connection, and, where it breaks, all of it again on another."""
        for attempt in range(1, TRIES + 1):
            lane = self._lane()
            batch = Batch(prepared.targets, prepared.copies, _nothing)
            try:
                lane.publish(batch)
            except Exception as error:
                # Those that wait may be as dead as it is, and would not say so either.
                for each in (lane, *self._no_longer_idle()):
                    each.collect()
                if attempt == TRIES:
                    raise unreached(error, str(lane.host)) from error
                continue
            if lane.is_clear:
                self._put_back(lane)
            else:
                lane.collect()
            return batch.answers
        raise AssertionError  # the last attempt returns or raises

    def _lane(self) -> Lane:
        if self._pid != os.getpid():
            # Connections and locks are of one process.
            self._pid, self._lock, self._idle = os.getpid(), threading.Lock(), []
        while True:
            with self._lock:
                lane = self._idle.pop() if self._idle else None
            if lane is None:
                return Lane(self._options)
            if lane.is_alive():
                return lane
            lane.collect()

    def _no_longer_idle(self) -> list[Lane]:
        with self._lock:
            idle, self._idle = self._idle, []
        return idle

    def _put_back(self, lane: Lane) -> None:
        with self._lock:
            if self._open and len(self._idle) < KEPT:
                self._idle.append(lane)
                return
        lane.close()


def _dial(options: Options) -> Link:
    """Connect without heartbeats: between two sends nobody is there to send them."""
    problem: LongshoreError | None = None
    for host in options.hosts:
        try:
            link = Link(options, host, purpose="sending", heartbeat=0)
        except LongshoreError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            problem = problem or unreached(error, str(host))
            continue
        refusal = check_version(options, link.version)
        if refusal is None:
            return link
        link.collect()
        raise refusal
    assert problem is not None  # noqa: S101 - there is a host at least
    raise problem


def _nothing() -> None:
    """The thread that publishes looks by itself."""
