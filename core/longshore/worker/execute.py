"""Running attempts: on the loop, on a thread, or in a child process."""

from __future__ import annotations

import asyncio
from collections import deque
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

Over: TypeAlias = "tuple[Holding, object, BaseException | None]"
"""An attempt and what it came to: the result, or the error."""


class Ended(Protocol):
    """Told once for each attempt, on the loop: the result, or the error (one of them)."""

    def __call__(self, held: Holding, result: object, error: BaseException | None, /) -> None:
        """Take over what the attempt came to."""
        ...


class Executors:
    """Starts attempts; each ends through `ended`, whatever happens, and never within `start`.

    What ends together is told of together, and then `then` is called once. Each attempt has a copy
    of the worker's own context variables: what one handler sets, no other sees.
    """

    def __init__(
        self, ended: Ended, then: Callable[[], None], threads: Threads, children: Children
    ) -> None:
        """Report every end to `ended`. Make it where the worker's context is to be taken from."""
        self._ended = ended
        self._then = then
        self._threads = threads
        self._children = children
        self._context = copy_context()
        self._tasks: dict[Holding, asyncio.Task[None]] = {}
        self._over: deque[Over] = deque()
        self._telling = False

    def start(self, held: Holding) -> None:
        """Begin an attempt. Call from the loop."""
        if held.problem is not None or held.definition is None:
            self._end(held, None, held.problem)
            return
        try:
            self._begin(held, held.definition)
        except Exception as error:  # noqa: BLE001 - no thread or no process to be had
            self._end(held, None, error)

    def _begin(self, held: Holding, definition: TaskDefinition) -> None:
        if definition.executor == "loop":
            loop, context = asyncio.get_running_loop(), self._variables(held)
            # A name given is cheaper than one made, and says more.
            task = loop.create_task(self._on_loop(held), name=held.spec.id, context=context)
            self._tasks[held] = task
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

    async def _on_loop(self, held: Holding) -> None:
        """Run in a task of its own, which is cancelled only once it is in here to notice."""
        task = self._tasks[held]
        try:
            if held.stopped is not None:
                raise asyncio.CancelledError  # noqa: TRY301 - as if it had been interrupted
            held.interrupt = task.cancel
            result = await acall(held)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit would end the worker, and all its tasks
            self._end(held, None, named(held, error))
        else:
            self._end(held, result, None)

    def _on_thread(self, held: Holding, run: Callable[[Holding], object]) -> Callable[[], None]:
        """Run on a thread; what is answered is called on the loop."""
        try:
            result = self._variables(held).run(run, held)
        except BaseException as error:  # noqa: BLE001 - SystemExit on a thread ends the task too
            return partial(self._end, held, None, named(held, error))
        return partial(self._end, held, result, None)

    def _in_child(self, held: Holding, child: Child) -> Callable[[], None]:
        """Have a child run it; on the loop alone the child becomes free, as there it is killed."""
        ended = self._on_thread(held, child.run)

        def end() -> None:
            held.interrupt = None  # the child may be another's before this end is told
            self._children.free(child)
            ended()

        return end

    def _end(self, held: Holding, result: object, error: BaseException | None) -> None:
        """Tell of an end in the loop's next turn, with all others that come until then."""
        self._over.append((held, result, error))
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell, context=self._context)

    def _tell(self) -> None:
        """Tell of what has ended; where one is not taken, the rest is told of in the next turn."""
        self._telling = False
        try:
            while self._over:
                held, result, error = self._over.popleft()
                self._tasks.pop(held, None)
                self._ended(held, result, error)
        finally:
            for late in [self._over.popleft() for _ in range(len(self._over))]:
                self._end(*late)
            self._then()
