"""Child processes for `executor="process"`: they can be killed, and die alone."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from longshore.codec import encode
from longshore.errors import LongshoreError
from longshore.worker.child import Answer, Job, serve

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext, SpawnProcess

    from longshore.worker.holding import Holding


class ChildDiedError(LongshoreError):
    """The child process that ran an attempt ended before its handler did."""

    def __init__(self, exit_code: int | None) -> None:
        """A negative code is the signal that ended it, -9 for a kill or the OOM killer."""
        super().__init__(
            f"the child process of the attempt died with exit code {exit_code}; "
            "-9 is a kill or a lack of memory, see the kernel's log"
        )
        self.exit_code = exit_code


@dataclass(slots=True, eq=False)
class Child:
    """One process and the pipe to it. `run` blocks its thread; `kill` may come from any."""

    process: SpawnProcess
    pipe: Connection[Any, Any]
    pool: Children

    def run(self, held: Holding) -> object:
        """Have the handler run there; answer its result or raise what it came to."""
        definition = held.definition
        assert definition is not None  # noqa: S101 - only defined tasks have an executor
        job = Job.of(held, definition, encode(held.message))
        try:
            self.pipe.send(job)
            answer = cast("Answer", self.pipe.recv())
        except (EOFError, OSError) as error:
            self.process.join()
            self.pipe.close()
            raise ChildDiedError(self.process.exitcode) from error
        self.pool.free(self)
        return answer.take(held.ctx)

    def kill(self) -> None:
        """End the process at once; `run` then raises `ChildDiedError`."""
        self.process.kill()


class Children:
    """Idle children are kept for the next attempt; a new one is made when none is idle."""

    def __init__(self) -> None:
        """Start none before they are needed."""
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._idle: list[Child] = []
        self._all: list[Child] = []

    def reserve(self) -> Child:
        """Take an idle child that lives, or make one."""
        while self._idle:
            child = self._idle.pop()
            if child.process.is_alive():
                return child
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        child = Child(process, ours, self)
        self._all = [one for one in self._all if one.process.is_alive()]
        self._all.append(child)
        return child

    def free(self, child: Child) -> None:
        """Keep a child for the next attempt."""
        self._idle.append(child)

    def close(self) -> None:
        """End every child and wait for it."""
        for child in self._all:
            child.kill()
        for child in self._all:
            child.process.join()
            child.pipe.close()
        self._all.clear()
        self._idle.clear()
