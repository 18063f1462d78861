"""A thread that owns one connection, and does the operations that are handed to it.

The connection lives in the thread's own frame and nowhere else: after a fork the child has
neither the thread nor a reference, so it can neither use nor close what is its parent's.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import defaultdict
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from longshore.errors import ClosedError
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

    def serve(self, connection: sqlite3.Connection, operations: Sequence[Operation]) -> None:
        """Do all operations, and note each one's result or error. Never raises."""

    def patience(self) -> float | None:
        """How many seconds to wait for operations before `idle`; None waits without end."""

    def idle(self, connection: sqlite3.Connection) -> None:
        """Do what is to be done while no operation comes. Never raises."""

    def leave(self, connection: sqlite3.Connection) -> None:
        """Do what is to be done before the connection is closed. Never raises."""


class Lane:
    """Operations from any loop, done in order by one thread."""

    def __init__(self, what: str, connect: Callable[[], sqlite3.Connection], desk: Desk) -> None:
        """`what` names it in errors; `connect` is called in the thread."""
        self._what = what
        self._connect = connect
        self._desk = desk
        self._inbox: SimpleQueue[Operation] = SimpleQueue()
        self._lock = threading.Lock()
        self._open = False
        self._last: Operation | None = None
        self._pid = os.getpid()

    async def open(self) -> None:
        """Start the thread; raise what opening the connection raises."""
        starting = _operation(_nothing)
        self._open = True
        # A daemon, so that a program that forgets to close still ends; commits are atomic.
        threading.Thread(
            target=self._main, args=(starting,), name=f"longshore {self._what}", daemon=True
        ).start()
        await starting.future

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` in the thread, and answer what it answers."""
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
                self._inbox.put(self._last)
        if self._last is not None:
            await asyncio.shield(self._last.future)

    def _main(self, starting: Operation) -> None:
        try:
            connection = self._connect()
        except Exception as error:  # noqa: BLE001 - it is raised again, in the loop
            starting.error = error
        else:
            _post([starting])
            with closing(connection):
                while operations := self._next(connection):
                    self._desk.serve(connection, operations)
                    _post(operations)
                self._desk.leave(connection)
        with self._lock:
            self._open = False
        _post([starting] if self._last is None else [starting, self._last])

    def _next(self, connection: sqlite3.Connection) -> list[Operation]:
        """Wait for operations, and take what is there; an empty list is the end."""
        operations: list[Operation] = []
        while not operations:
            try:
                operations.append(self._inbox.get(timeout=self._desk.patience()))
            except Empty:
                self._desk.idle(connection)
        with suppress(Empty):
            while len(operations) < MAX_GROUP:
                operations.append(self._inbox.get_nowait())
        if operations[-1] is self._last:
            operations.pop()
            if operations:
                self._inbox.put(self._last)  # for the next call; nothing comes behind it
        return operations


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
    """Stand for the work of opening, which is the lane's own."""
