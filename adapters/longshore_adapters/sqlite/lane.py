"""A thread that owns one connection, and does the operations that are handed to it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from longshore.errors import ClosedError, LongshoreError
from longshore_adapters.sqlite.limits import MAX_GROUP

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from longshore_adapters.sqlite.connection import Transaction

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Operation:
    """Work for the thread, and its answer: `result`, or the `error` that it raised.

    `work` may be called more than once, each time in a transaction that begins anew.
    """

    work: Callable[[Transaction], object]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: object = None
    error: Exception | None = None


class Desk(Protocol):
    """What a lane's thread does with its connection."""

    def connect(self) -> sqlite3.Connection:
        """Open the connection; raise a `LongshoreError` where that cannot be."""
        ...

    def serve(self, connection: sqlite3.Connection, operations: Sequence[Operation]) -> None:
        """Do all operations, and note each one's result or error. Never raises."""
        ...

    def patience(self) -> float | None:
        """How many seconds to wait for operations before `idle`; None waits without end."""
        ...

    def idle(self, connection: sqlite3.Connection) -> None:
        """Do what is to be done while no operation comes. Never raises."""
        ...

    def leave(self, connection: sqlite3.Connection | None) -> None:
        """Do what is to be done before the lane closes. Never raises."""
        ...


class Nudge:
    """Asks the desk to look now."""

    __slots__ = ()


class End:
    """Asks the thread to end; nothing is handed in behind it."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Pause:
    """A time without a connection, for a fork."""

    reached: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class Lane:
    """Operations from any loop, done in order by one thread."""

    def __init__(self, what: str, desk: Desk) -> None:
        """`what` names it in errors."""
        self._what = what
        self._desk = desk
        self._inbox: SimpleQueue[Operation | Nudge | Pause | End] = SimpleQueue()
        self._ahead: Pause | End | None = None
        self._lock = threading.Lock()
        self._open = False
        self._last: Operation | None = None
        self._pause: Pause | None = None
        self._pid = os.getpid()
        # A daemon, so that a program that forgets to close still ends; commits are atomic.
        self._thread = threading.Thread(target=self._main, name=f"longshore {what}", daemon=True)

    async def open(self) -> None:
        """Start the thread; raise what opening the connection raises."""
        self._open = True
        self._thread.start()
        await self.run(_nothing)

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` in the thread, and answer what it answers."""
        self.check_open()  # before the lock, which a fork may have left held
        operation = _operation(work)
        with self._lock:
            self.check_open()
            self._inbox.put(operation)
        return cast("T", await operation.future)

    def check_open(self) -> None:
        """Raise `ClosedError` after closing, and in a child of the process that opened it."""
        if os.getpid() != self._pid:
            what = f"{self._what}, opened before a fork,"
            raise ClosedError(what)
        if not self._open:
            raise ClosedError(self._what)

    async def close(self) -> None:
        """Finish what was handed in, then close the connection. Idempotent."""
        with self._lock:
            if self._open:
                self._open = False
                self._last = _operation(_nothing)
                self._inbox.put(End())
        if self._last is not None:
            await asyncio.shield(self._last.future)

    def nudge(self) -> None:
        """Let the desk look whether there is something to do, as when it is idle."""
        self._inbox.put(Nudge())

    def before_fork(self) -> None:
        """Close the connection, and return when it is closed; for any thread."""
        pause = self._pause = Pause()
        self._inbox.put(pause)
        while self._thread.is_alive() and not pause.reached.wait(0.05):
            continue

    def after_fork(self, *, in_child: bool) -> None:
        """Open it again; in the child there is no thread to do that, and the lane is closed."""
        if self._pause is not None and not in_child:
            self._pause.over.set()

    def _main(self) -> None:
        connection: sqlite3.Connection | None = None
        while not isinstance(item := self._next(connection), End):
            if isinstance(item, Pause):
                connection = self._rest(connection, item)
                continue
            try:
                connection = connection or self._desk.connect()
            except Exception as error:  # noqa: BLE001 - it is raised again, in the loop
                for operation in item:
                    operation.error = error
            else:
                self._desk.serve(connection, item)
            _post(item)
        self._desk.leave(connection)
        if connection is not None:
            connection.close()
        if self._last is not None:
            _post([self._last])

    def _rest(
        self, connection: sqlite3.Connection | None, pause: Pause
    ) -> sqlite3.Connection | None:
        """Close the connection for as long as the pause lasts."""
        if connection is not None:
            connection.close()
        pause.reached.set()
        pause.over.wait()
        with suppress(LongshoreError):  # the next operation tries again, and says so
            return self._desk.connect()
        return None

    def _next(self, connection: sqlite3.Connection | None) -> list[Operation] | Pause | End:
        """Wait for operations, and take what is there."""
        first, self._ahead = self._ahead or self._wait(connection), None
        if not isinstance(first, Operation):
            return first
        operations = [first]
        with suppress(Empty):
            while len(operations) < MAX_GROUP:
                item = self._inbox.get_nowait()
                if isinstance(item, Operation):
                    operations.append(item)
                elif not isinstance(item, Nudge):  # the desk looks after serving, anyhow
                    self._ahead = item
                    break
        return operations

    def _wait(self, connection: sqlite3.Connection | None) -> Operation | Pause | End:
        while True:
            with suppress(Empty):
                item = self._inbox.get(timeout=self._desk.patience())
                if not isinstance(item, Nudge):
                    return item
            if connection is not None:
                self._desk.idle(connection)


def _post(operations: Sequence[Operation]) -> None:
    """Answer operations, with one call into each loop."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_loop[operation.loop].append(operation)
    for loop, answered in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed, and nobody waits in it
            loop.call_soon_threadsafe(_answer, answered)


def _answer(operations: Sequence[Operation]) -> None:
    for operation in operations:
        if operation.future.done():
            continue
        if operation.error is not None:
            operation.future.set_exception(operation.error)
        else:
            operation.future.set_result(operation.result)


def _operation(work: Callable[[Transaction], object]) -> Operation:
    loop = asyncio.get_running_loop()
    return Operation(work, loop.create_future(), loop)


def _nothing(_transaction: Transaction) -> None:
    """Ask only for an answer."""
