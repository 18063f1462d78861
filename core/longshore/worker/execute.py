"""Running attempts: on the loop, on a thread, or in a child process."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Protocol

from longshore.errors import UnknownTaskError
from longshore.worker.attempt import acall, call
from longshore.worker.outcome import HandlerCancelledError, HandlerTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.worker.children import Children
    from longshore.worker.holding import Holding
    from longshore.worker.threads import Threads


class Ended(Protocol):
    """Told once for each attempt, on the loop: the result, or the error (one of them)."""

    def __call__(self, held: Holding, result: object, error: BaseException | None, /) -> None:
        """Take over what the attempt came to."""
        ...


class Executors:
    """Starts attempts; each ends through `ended`, whatever happens."""

    def __init__(self, ended: Ended, threads: Threads, children: Children) -> None:
        """Report every end to `ended`."""
        self._ended = ended
        self._threads = threads
        self._children = children
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, held: Holding) -> None:
        """Begin an attempt. Call from the loop."""
        definition = held.definition
        if definition is None:
            self._ended(held, None, UnknownTaskError(held.spec.name))
        elif definition.executor == "loop":
            task = asyncio.get_running_loop().create_task(self._on_loop(held))
            held.interrupt = task.cancel
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif definition.executor == "thread":
            self._threads.submit(lambda: self._on_thread(held, call))
        else:
            child = self._children.reserve()
            held.interrupt = child.kill
            self._threads.submit(lambda: self._on_thread(held, child.run))

    async def _on_loop(self, held: Holding) -> None:
        try:
            result = await acall(held)
        except asyncio.CancelledError as error:
            self._ended(held, None, _interruption(held, error))
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            self._ended(held, None, _interruption(held, error))
        else:
            self._ended(held, result, None)

    def _on_thread(self, held: Holding, run: Callable[[Holding], object]) -> Callable[[], None]:
        """Run on a thread; what is answered is called on the loop."""
        try:
            result = copy_context().run(run, held)
        except BaseException as error:  # noqa: BLE001 - SystemExit on a thread ends the task too
            failure = _interruption(held, error)
            return lambda: self._ended(held, None, failure)
        return lambda: self._ended(held, result, None)


def _interruption(held: Holding, error: BaseException) -> BaseException:
    """Name what stopped the handler, where the exception itself does not say it."""
    named: Exception
    if held.stopped == "timeout":
        seconds = held.timeout.total_seconds() if held.timeout is not None else 0
        named = HandlerTimeoutError(f"the attempt took longer than its timeout of {seconds:g} s")
    elif held.stopped is None and isinstance(error, asyncio.CancelledError):
        named = HandlerCancelledError("the handler cancelled itself; catch CancelledError in it")
    else:
        return error
    named.__cause__ = error
    return named
