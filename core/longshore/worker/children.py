"""Child processes for `executor="process"`: they can be killed, and die alone."""

from __future__ import annotations

import multiprocessing
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from longshore.codec import encode
from longshore.errors import ArgumentsError, LongshoreError, MessageError
from longshore.task import Reason
from longshore.worker.attempt import fail_alone
from longshore.worker.child import serve
from longshore.worker.crossing import Answer, Job, Progress

if TYPE_CHECKING:
    from datetime import timedelta
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext, SpawnProcess

    from longshore.worker.holding import Holding


_LAST_SPANS: Final = 2.0
"""Seconds that idle children have to export what they traced."""


class ChildDiedError(LongshoreError):
    """The child process that ran an attempt ended before its handler did."""

    def __init__(self, exit_code: int | None) -> None:
        """A negative code is the signal that ended it, -9 for a kill or the OOM killer."""
        super().__init__(f"the child process of the attempt {_said(exit_code)}")
        self.exit_code = exit_code


class CpuLimitError(ChildDiedError):
    """The attempt used more processor time than its `cpu_limit`, and was ended for it."""

    def __init__(self, limit: timedelta) -> None:
        """Name the limit."""
        super().__init__(-signal.SIGXCPU)
        seconds = f"{limit.total_seconds():g} s"
        self.args = (f"the attempt may use {seconds} of processor time; {self}",)


@dataclass(slots=True, eq=False)
class Child:
    """One process and the pipe to it. `run` blocks its thread; `kill` may come from any.

    `holds` is the memory it had after its last attempt, in bytes.
    """

    process: SpawnProcess
    pipe: Connection[Any, Any]
    capture: bool
    killed: bool = False
    holds: int = 0

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
            answer = self._answered(job, held)
        except (EOFError, OSError) as error:
            died = self._death(definition.options.cpu_limit)
            fail_alone(held, died)
            raise died from error
        self.holds = answer.holds
        if answer.spent:
            self.kill()
        return answer.take(held.ctx)

    def kill(self) -> None:
        """End the process at once; `run` then raises `ChildDiedError`."""
        self.killed = True
        self.process.kill()

    def _answered(self, job: Job, held: Holding) -> Answer:
        self.pipe.send(job)
        while not isinstance(answer := self.pipe.recv(), Answer):
            if isinstance(answer, Progress):
                held.ctx.progress(answer.share, answer.text)
        return answer

    def _death(self, cpu_limit: timedelta | None) -> ChildDiedError:
        """Wait for the process, and say what ended it."""
        self.killed = True
        self.process.join()
        code = self.process.exitcode
        if code == -signal.SIGXCPU and cpu_limit is not None:
            return CpuLimitError(cpu_limit)
        return ChildDiedError(code)


class Children:
    """Idle children are kept for the next attempt; a new one is made when none is idle.

    Lives on the worker's loop: there alone children are taken, killed and given back.
    """

    def __init__(self, *, capture: bool = False, traced: bool = False) -> None:
        """Start none before they are needed. Those that are `traced` export before they end."""
        self._traced = traced
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._capture = capture
        self._idle: list[Child] = []
        self._all: list[Child] = []

    def reserve(self, memory_limit: int | None = None) -> Child:
        """Take an idle child that lives, or make one.

        Under a limit only one that has half of it left: what other tasks left behind in a process
        must not be held against this one. One that has not makes room for a new child.
        """
        for child in tuple(reversed(self._idle)):
            self._idle.remove(child)
            if memory_limit is not None and child.holds > memory_limit // 2:
                child.kill()
            if not child.killed and child.process.is_alive():
                return child
            self._bury(child)
        return self._made()

    def free(self, child: Child) -> None:
        """Keep a child for the next attempt, unless it is dead or dying."""
        if child.killed:
            self._bury(child)
        else:
            self._idle.append(child)

    def close(self) -> None:
        """End every child and wait for it."""
        if self._traced:
            self._let_end()
        for child in self._all:
            child.kill()
        for child in tuple(self._all):
            self._bury(child)
        self._idle.clear()

    def _let_end(self) -> None:
        """Give idle children a moment for their last spans: without a pipe they end alone."""
        end = time.monotonic() + _LAST_SPANS
        for child in self._idle:
            child.pipe.close()
        for child in self._idle:
            child.process.join(max(end - time.monotonic(), 0.0))

    def _made(self) -> Child:
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

    def _bury(self, child: Child) -> None:
        child.process.join()
        child.pipe.close()
        if child in self._all:
            self._all.remove(child)


def _said(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"ended with exit code {exit_code} before its handler did"
    if exit_code == -signal.SIGKILL:
        return "was ended by SIGKILL: by somebody, or for lack of memory, as the kernel's log says"
    try:
        return f"was ended by {signal.Signals(-exit_code).name}"
    except ValueError:  # one of those without a name
        return f"was ended by signal {-exit_code}"
