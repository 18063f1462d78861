"""Running attempts: on the loop, on a thread, or in a child process."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from longshore.worker.attempt import acall, call
from longshore.worker.outcome import named

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context as Variables

    from longshore.definition import TaskDefinition
    from longshore.worker.children import Child, Children
    from longshore.worker.holding import Holding
    from longshore.worker.threads import Threads

Came: TypeAlias = "tuple[object, BaseException | None]"
"""What an attempt came to: the result, or the error."""


class Ended(Protocol):
    """Told once for each attempt, on the loop: the result, or the error (one of them)."""

    def __call__(self, held: Holding, result: object, error: BaseException | None, /) -> None:
        """Take over what the attempt came to."""
        ...


class Executors:
    """Starts attempts; each ends through `ended`, whatever happens, and never within `start`.

    Each attempt has a copy of the worker's own context variables: what one handler sets, no
    other sees.
    """

    def __init__(self, ended: Ended, threads: Threads, children: Children) -> None:
        """Report every end to `ended`. Make it where the worker's context is to be taken from."""
        self._ended = ended
        self._threads = threads
        self._children = children
        self._context = copy_context()
        self._tasks: set[asyncio.Task[Came]] = set()

    def start(self, held: Holding) -> None:
        """Begin an attempt. Call from the loop."""
        loop = asyncio.get_running_loop()
        if held.problem is not None or held.definition is None:
            loop.call_soon(partial(self._ended, held, None, held.problem), context=self._context)
            return
        try:
            self._begin(held, held.definition, loop)
        except Exception as error:  # noqa: BLE001 - no thread or no process to be had
            loop.call_soon(partial(self._ended, held, None, error), context=self._context)

    def _begin(
        self, held: Holding, definition: TaskDefinition, loop: asyncio.AbstractEventLoop
    ) -> None:
        if definition.executor == "loop":
            task = loop.create_task(_on_loop(held), context=self._variables(held))
            held.interrupt = task.cancel
            self._tasks.add(task)
            task.add_done_callback(partial(self._done, held), context=self._context)
        elif definition.executor == "thread":
            self._threads.submit(partial(self._on_thread, held, call))
        else:
            child = self._children.reserve(definition.options.memory_limit)
            held.interrupt = child.kill
            self._threads.submit(partial(self._in_child, held, child))

    def _variables(self, held: Holding) -> Variables:
        """Context variables for one attempt, under its span where it has one."""
        observed = held.observed
        return self._context.copy() if observed is None else observed.context(self._context)

    def _done(self, held: Holding, task: asyncio.Task[Came]) -> None:
        self._tasks.discard(task)
        if task.cancelled():  # before its first step
            self._ended(held, None, named(held, asyncio.CancelledError()))
        else:
            self._ended(held, *task.result())

    def _on_thread(self, held: Holding, run: Callable[[Holding], object]) -> Callable[[], None]:
        """Run on a thread; what is answered is called on the loop."""
        try:
            result = self._variables(held).run(run, held)
        except BaseException as error:  # noqa: BLE001 - SystemExit on a thread ends the task too
            return partial(self._ended, held, None, named(held, error))
        return partial(self._ended, held, result, None)

    def _in_child(self, held: Holding, child: Child) -> Callable[[], None]:
        """Have a child run it; on the loop alone the child becomes free, as there it is killed."""
        ended = self._on_thread(held, child.run)

        def end() -> None:
            self._children.free(child)
            ended()

        return end


async def _on_loop(held: Holding) -> Came:
    try:
        return await acall(held), None
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit would end the worker, and all its tasks
        return None, named(held, error)
