"""A third connection, for what is asked now and then: made when it is needed, and kept.

kombu's and py-amqp's own calls wait for their answers, so they run on a thread of their own. An
error of a channel is that of one question; after one of the connection it is asked once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from longshore.errors import LongshoreError
from longshore_adapters.rabbitmq import sdk
from longshore_adapters.rabbitmq.errors import said, unreached
from longshore_adapters.rabbitmq.link import connect
from longshore_adapters.rabbitmq.versions import check_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore_adapters.rabbitmq.options import Options
    from longshore_adapters.rabbitmq.sdk import Untyped

_log = logging.getLogger("longshore.rabbitmq")
T = TypeVar("T")

ANSWER: Final = 15.0
"""Seconds for an answer."""
FAREWELL: Final = 2.0
"""Seconds for the answer to a goodbye."""


class Desk:
    """Asks the broker, one question at a time."""

    def __init__(self, options: Options) -> None:
        """Nothing is connected before the first question."""
        self._options = options
        self._amqp: Untyped = None
        self._closed = False
        self._thread = ThreadPoolExecutor(1, "longshore-rabbitmq-desk")

    async def ask(self, question: Callable[[Untyped], T], queue: str) -> T:
        """Ask on a channel of its own, and say what an error means for `queue`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.ask_now, question, queue)

    def ask_now(self, question: Callable[[Untyped], T], queue: str) -> T:
        """Do the same in this thread."""
        broken = sdk.connection_errors()
        for attempt in (1, 2):
            fresh = self._amqp is None
            try:
                channel = self._connected().channel()
                try:
                    return question(channel)
                finally:
                    # Already closed, where the question was refused or the connection is gone.
                    with contextlib.suppress(*broken):
                        channel.close()
            except LongshoreError:
                raise
            except sdk.channel_errors() as error:
                raise said(getattr(error, "reply_code", 0) or 0, str(error), queue) from error
            except broken as error:
                self._forget()
                if fresh or attempt > 1:
                    raise unreached(error, str(self._options.hosts[0])) from error
        raise AssertionError  # the second attempt returns or raises

    async def close(self) -> None:
        """End the connection. Idempotent."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.close_now)

    def close_now(self) -> None:
        """Do the same in this thread. Where a question still waits, the end comes after it."""
        if self._closed:
            return
        self._closed = True
        ending = self._thread.submit(self._goodbye)
        self._thread.shutdown(wait=False)
        try:
            ending.result(ANSWER)
        except TimeoutError:
            _log.warning("RabbitMQ owes an answer; the connection that asked is left behind")

    def _connected(self) -> Untyped:
        if self._amqp is None:
            self._amqp = self._opened()
        return self._amqp

    def _opened(self) -> Untyped:
        """Connect to the first host that answers."""
        problem: LongshoreError | None = None
        for host in self._options.hosts:
            try:
                # Without heartbeats, since nobody sends them in between; TCP looks after it.
                found = connect(
                    self._options,
                    host,
                    purpose="administration",
                    heartbeat=0,
                    read_timeout=ANSWER,
                    write_timeout=ANSWER,
                )
            except sdk.connection_errors() as error:
                problem = problem or unreached(error, str(host))
                continue
            refusal = check_version(self._options, version_of(found))
            if refusal is None:
                return found
            found.collect()
            raise refusal
        assert problem is not None  # noqa: S101 - there is a host at least
        raise problem

    def _goodbye(self) -> None:
        if self._amqp is not None:
            with contextlib.suppress(Exception):  # whatever it was, it ends here
                self._amqp.transport.sock.settimeout(FAREWELL)  # the other end may be gone
                self._amqp.close()
            self._forget()

    def _forget(self) -> None:
        if self._amqp is not None:
            with contextlib.suppress(Exception):  # it is gone, in whatever state it was
                self._amqp.collect()
        self._amqp = None


def version_of(connection: Untyped) -> str:
    """What version the server says it is."""
    return str(connection.server_properties.get("version", ""))
