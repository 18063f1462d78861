"""Child processes for `executor="process"`: they can be killed, and die alone."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from longshore.codec import encode
from longshore.errors import ArgumentsError, LongshoreError, MessageError
from longshore.task import Reason
from longshore.worker.attempt import fail_alone
from longshore.worker.child import Answer, Job, Progress, serve

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
    capture: bool
    killed: bool = False

    def run(self, held: Holding) -> object:
        """Have the handler run there; answer its result or raise what it came to."""
        definition = held.definition
        assert definition is not None  # noqa: S101 - only defined tasks have an executor
        try:
            definition.arguments.unpack(held.message)
        except (ArgumentsError, MessageError) as error:
            held.unfit = Reason.ARGUMENTS
            fail_alone(held, error)
            raise
        job = Job.of(held, definition, encode(held.message), capture=self.capture)
        try:
            self.pipe.send(job)
            while not isinstance(answer := self.pipe.recv(), Answer):
                if isinstance(answer, Progress):
                    held.ctx.progress(answer.share, answer.text)
        except (EOFError, OSError) as error:
            self.killed = True
            self.process.join()
            died = ChildDiedError(self.process.exitcode)
            fail_alone(held, died)
            raise died from error
        return answer.take(held.ctx)

    def kill(self) -> None:
        """End the process at once; `run` then raises `ChildDiedError`."""
        self.killed = True
        self.process.kill()


class Children:
    """Idle children are kept for the next attempt; a new one is made when none is idle.

    Lives on the worker's loop: there alone children are taken, killed and given back.
    """

    def __init__(self, *, capture: bool = False) -> None:
        """Start none before they are needed."""
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._capture = capture
        self._idle: list[Child] = []
        self._all: list[Child] = []

    def reserve(self) -> Child:
        """Take an idle child that lives, or make one."""
        while self._idle:
            child = self._idle.pop()
            if child.process.is_alive():
                return child
            self._bury(child)
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs,), daemon=True)
        try:
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        child = Child(process, ours, self._capture)
        self._all.append(child)
        return child

    def free(self, child: Child) -> None:
        """Keep a child for the next attempt, unless it is dead or dying."""
        if child.killed:
            self._bury(child)
        else:
            self._idle.append(child)

    def close(self) -> None:
        """End every child and wait for it."""
        for child in self._all:
            child.kill()
        for child in tuple(self._all):
            self._bury(child)
        self._idle.clear()

    def _bury(self, child: Child) -> None:
        child.process.join()
        child.pipe.close()
        if child in self._all:
            self._all.remove(child)
