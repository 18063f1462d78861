"""The connection that consumes, with a channel for each queue that is received from."""

from __future__ import annotations

import asyncio
import logging
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol
from uuid import uuid4

from longshore.errors import ClosedError, ConfigurationError
from longshore_adapters.rabbitmq import frames
from longshore_adapters.rabbitmq.errors import said
from longshore_adapters.rabbitmq.pump import Blocked, Down, Failed, Pump, Up
from longshore_adapters.rabbitmq.taking import Taking
from longshore_adapters.rabbitmq.versions import STRICT_PRIORITIES, check_version, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.errors import LongshoreError
    from longshore_adapters.rabbitmq.frames import Incoming
    from longshore_adapters.rabbitmq.names import Names
    from longshore_adapters.rabbitmq.options import Options

_log = logging.getLogger("longshore.rabbitmq")
LAST_ACKS: Final = 10.0
"""Seconds that closing waits for the connection's end."""


class User(Protocol):
    """Who has a channel, and hears of what becomes of it."""

    @property
    def queue(self) -> str:
        """The queue it takes from."""
        ...

    @property
    def held(self) -> int:
        """How many messages are in hand."""
        ...

    def up(self) -> None:
        """Open a channel, if one is wanted: there is a connection."""
        ...

    def came(self, events: Sequence[Incoming]) -> None:
        """Take what came on the channel in one burst."""
        ...

    def lost(self) -> None:
        """Forget the channel, and what was in hand."""
        ...

    def fail(self, error: LongshoreError) -> None:
        """Tell those who wait."""
        ...

    def close(self) -> None:
        """Come to an end."""
        ...


class Consumers:
    """All that one backend receives. Of one loop."""

    def __init__(self, options: Options, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing is connected before the first receive."""
        self.options = options
        self.loop = loop
        self.is_up = False
        self.problem: LongshoreError | None = None
        self._version = ""
        self._epoch = 0
        self._made = 0
        self._name = uuid4().hex[:12]
        self._pump = Pump(options, "consuming", self._sink)
        self._by_channel: dict[int, User | None] = {}
        self._takings: dict[str, Taking] = {}
        self._users: dict[User, None] = {}
        self._closed = False

    @property
    def are_holding(self) -> bool:
        """Whether messages are in hand that would go with the connection."""
        return any(user.held for user in self._users)

    def taking(self, names: Names) -> Taking:
        """Give the consumer of a queue, and connect if that has not begun."""
        if self._closed:
            what = "the RabbitMQ connection"
            raise ClosedError(what)
        if isinstance(self.problem, ConfigurationError):
            raise self.problem.with_traceback(None)  # it is kept, and must not keep its callers
        self._pump.start()
        found = self._takings.get(names.queue)
        if found is None:
            found = self._takings[names.queue] = Taking(self, names)
            self._users[found] = None
        return found

    def attend(self, user: User) -> None:
        """Tell one more user of what comes and goes, until it leaves."""
        if self._closed:
            what = "the RabbitMQ connection"
            raise ClosedError(what)
        self._users[user] = None
        self._pump.start()

    def leave(self, user: User) -> None:
        """Tell it nothing more."""
        self._users.pop(user, None)

    def known(self, names: Names) -> Taking | None:
        """Give the consumer of a queue, if there is one."""
        return self._takings.get(names.queue)

    def open(self, user: User) -> tuple[int, str]:
        """Open a channel; its number, and the mark of its deliveries' receipts."""
        channel = next(n for n in range(1, len(self._by_channel) + 2) if n not in self._by_channel)
        self._by_channel[channel] = user
        self._made += 1
        self.write(frames.open_channel(channel))
        return channel, f"{self._name}.{self._made}."

    def end(self, channel: int) -> None:
        """Close a channel, and hear nothing more of it; its number is free when it is closed."""
        self._by_channel[channel] = None
        self.write(frames.close_channel(channel))

    def arguments(self) -> Mapping[str, object]:
        """What a consumer says of itself, where the server is new enough to heed it."""
        timeout = self.options.consumer_timeout
        if timeout is None or not self.options.quorum or numbers(self._version) < STRICT_PRIORITIES:
            return {}
        return {"x-consumer-timeout": int(timeout.total_seconds() * 1000)}

    def write(self, data: bytes) -> None:
        """Write frames on the present connection."""
        self._pump.write(self._epoch, data)

    def drop(self) -> None:
        """End the connection, which does not do what it should; another is made."""
        self._pump.drop(self._epoch)

    async def close(self) -> None:
        """Acknowledge what is done, and end; the broker gives the rest to others."""
        self._closed = True
        for user in [*self._users]:
            user.close()
        self._pump.close()
        await asyncio.to_thread(self._pump.join, LAST_ACKS)

    def _sink(self, events: list[Incoming | Up | Down | Failed | Blocked]) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._take, events)

    def _take(self, events: list[Incoming | Up | Down | Failed | Blocked]) -> None:
        came = [event for event in events if isinstance(event, frames.Incoming)]
        for channel, burst in groupby(came, attrgetter("channel")):
            self._came(channel, list(burst))
        for event in events:
            if isinstance(event, Up):
                self._began(event)
            elif isinstance(event, Down):
                self._ended()
            elif isinstance(event, Failed):
                self.problem = event.error
                for user in [*self._users]:
                    user.fail(event.error)

    def _began(self, up: Up) -> None:
        self._epoch, self._version = up.epoch, up.version
        self.problem = check_version(self.options, up.version)
        self.is_up = self.problem is None
        for user in [*self._users]:
            if self.problem is not None:
                user.fail(self.problem)
            user.up()

    def _ended(self) -> None:
        self.is_up = False
        held = sum(user.held for user in self._users)
        if held:
            _log.warning("%d messages in hand are RabbitMQ's again, and come anew", held)
        self._by_channel.clear()
        for user in [*self._users]:
            user.lost()

    def _came(self, channel: int, burst: list[Incoming]) -> None:
        user = self._by_channel.get(channel)
        closed = next((one for one in burst if one.method == frames.CHANNEL_CLOSE), None)
        if user is None:
            if closed is not None:  # both sides did so at once, and each waits to be answered
                self.write(frames.confirm_close(channel))
            if any(one.method == frames.CHANNEL_CLOSE_OK for one in burst):
                self._by_channel.pop(channel, None)
            return
        if closed is None:
            user.came(burst)
            return
        del self._by_channel[channel]
        self.write(frames.confirm_close(channel))
        error = said(*frames.read_close(closed.arguments), user.queue)
        if user.held:
            _log.warning("%d messages in hand are RabbitMQ's again: %s", user.held, error)
        user.lost()
        user.fail(error)
