"""A thread that keeps one connection up, and moves what comes and goes.

It knows nothing of messages: what came in one burst goes to `sink` as one list, and whoever wants
to write does so from any thread. A connection that breaks is made anew, at another host where
there are several, at once and then with growing pauses.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from dataclasses import dataclass
from random import random
from time import monotonic
from typing import TYPE_CHECKING, Final

from longshore.errors import ConfigurationError
from longshore_adapters.rabbitmq.errors import unreached
from longshore_adapters.rabbitmq.frames import Incoming
from longshore_adapters.rabbitmq.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.errors import LongshoreError
    from longshore_adapters.rabbitmq.options import Options

_log = logging.getLogger("longshore.rabbitmq")
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
STEADY: Final = 5.0
"""Seconds after which a connection counts as one that holds."""
_IDLE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Up:
    """A connection was made; `epoch` tells it from those before it."""

    epoch: int
    version: str


@dataclass(frozen=True, slots=True)
class Down:
    """The connection is gone, and with it what was unacknowledged and unconfirmed."""

    error: LongshoreError


@dataclass(frozen=True, slots=True)
class Failed:
    """No connection could be made; it is tried again."""

    error: LongshoreError


@dataclass(frozen=True, slots=True)
class Blocked:
    """RabbitMQ has stopped or begun to take messages."""

    blocked: bool


class Pump:
    """One connection and its thread. `start`, `write` and `close` from any thread."""

    def __init__(
        self,
        options: Options,
        purpose: str,
        sink: Callable[[list[Incoming | Up | Down | Failed | Blocked]], None],
    ) -> None:
        """Nothing is connected before `start`. `sink` is called on the thread."""
        self._options = options
        self._purpose = purpose
        self._sink = sink
        self._epoch = 0
        self._link: Link | None = None
        self._turn = 0
        self._down_at: float | None = None
        self._closing = False
        self._woken = False
        self._wake_in, self._wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Connect, if that has not begun."""
        if self._thread is None:
            name = f"longshore-rabbitmq-{self._purpose}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def write(self, epoch: int, data: bytes) -> None:
        """Write frames on the connection of that epoch; on another they would mean nothing."""
        link = self._link
        if link is not None and epoch == self._epoch and not link.write(data):
            self._wake()

    def drop(self, epoch: int) -> None:
        """End the connection of that epoch, so that another is made."""
        link = self._link
        if link is not None and epoch == self._epoch:
            link.drop()

    def close(self) -> None:
        """Write what is left, say goodbye, and end; see `join`."""
        self._closing = True
        self._wake()

    def join(self, timeout: float) -> None:
        """Wait for the thread's end, and free what it had. Once."""
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                _log.warning("a connection to RabbitMQ does not end; it is left behind")
                return
        os.close(self._wake_in)
        os.close(self._wake_out)

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            os.write(self._wake_out, b"\0")

    def _heard(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_in, 64)
        self._woken = False

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing:
            since = monotonic()
            link = self._dial()
            if link is not None:
                self._serve(link)
                if monotonic() - since >= STEADY:
                    pause = FIRST_PAUSE
                    continue
            self._pause(pause * (0.5 + random() / 2))  # noqa: S311 - spreads, and hides nothing
            pause = min(pause * 2, LONGEST_PAUSE)

    def _dial(self) -> Link | None:
        host = self._options.hosts[self._turn % len(self._options.hosts)]
        self._turn += 1
        try:
            link = Link(
                self._options, host, purpose=self._purpose, heartbeat=self._options.heartbeat
            )
        except ConfigurationError as error:
            self._sink([Failed(error)])
        except Exception as error:  # noqa: BLE001 - kombu, py-amqp, ssl and sockets have many
            self._sink([Failed(unreached(error, str(host)))])
        else:
            return link
        return None

    def _serve(self, link: Link) -> None:
        self._epoch += 1
        self._link = link
        if self._down_at is not None:
            away = monotonic() - self._down_at
            _log.info("connected to RabbitMQ at %s again after %.1f s", link.host, away)
        self._sink([Up(self._epoch, link.version)])
        try:
            self._move(link)
        except Exception as error:  # noqa: BLE001 - whatever it was, the connection is of no more use
            self._link = None
            link.collect()
            self._down_at = monotonic()
            problem = unreached(error, str(link.host))
            _log.warning("the connection for %s was lost: %s", self._purpose, problem)
            self._sink([Down(problem)])
        else:
            self._link = None
            link.close()

    def _move(self, link: Link) -> None:
        poll = select.poll()
        poll.register(self._wake_in, select.POLLIN)
        poll.register(link, select.POLLIN)
        writing = False
        while not self._closing:
            if link.waits_to_write is not writing:
                writing = not writing
                poll.modify(link, select.POLLIN | (select.POLLOUT if writing else 0))
            for number, _ in poll.poll((link.beat or _IDLE) * 1000):
                if number == self._wake_in:
                    self._heard()
                else:
                    self._read(link)
            if link.waits_to_write:
                link.flush()
            link.tick(monotonic())
        link.flush()

    def _read(self, link: Link) -> None:
        was, events = link.blocked, list[Incoming | Up | Down | Failed | Blocked]()
        came: list[Incoming] = []
        try:
            link.read(came)
        finally:
            # What came before a connection broke still counts.
            events += came
            if link.blocked is not was:
                events.append(Blocked(link.blocked))
            if events:
                self._sink(events)

    def _pause(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._wake_in, select.POLLIN)
        end = monotonic() + seconds
        while not self._closing and (left := end - monotonic()) > 0:
            if poll.poll(left * 1000):
                self._heard()
