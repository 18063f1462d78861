"""What runs inside a child process: find the function, run the attempt, answer.

Values are pickled, both ways between processes of one worker; nothing from a broker is. The
task's arguments cross as the message's own bytes and are checked again here.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from longshore.clock import SystemClock
from longshore.codec import decode
from longshore.context import Context
from longshore.definition import TaskDefinition, TaskOptions, define, walk
from longshore.errors import LongshoreError, TaskDefinitionError
from longshore.telemetry import end_process, following
from longshore.worker.attempt import acall, call
from longshore.worker.capture import captured
from longshore.worker.holding import Holding
from longshore.worker.outcome import noted, unkept
from longshore.worker.rlimits import limited, private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from multiprocessing.connection import Connection

    from longshore.policy import QueuePolicy
    from longshore.report import Report
    from longshore.task import LogLine, TaskSpec
    from longshore.telemetry import Carrier

_ORPHANED: Final = 1
_SMALL: Final = 256 * 1024
PROGRESS_EVERY: Final = 0.2
"""Seconds between two notes of progress that cross the pipe; those in between are left out."""


class HandlerError(LongshoreError):
    """A handler raised in a child process what cannot be carried across; this stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that a child needs to run one attempt; the function is named, not pickled.

    `options` are those of a task that its function's module does not declare itself.
    """

    module: str
    path: str
    name: str
    body: bytes
    spec: TaskSpec
    policy: QueuePolicy
    attempt: int
    token: int
    run: int
    lease: timedelta
    timeout: timedelta | None
    luck: float
    options: TaskOptions | None
    log_lines: int
    log_bytes: int
    capture: bool
    carrier: Carrier | None = None

    @classmethod
    def of(cls, held: Holding, definition: TaskDefinition, body: bytes, *, capture: bool) -> Job:
        """Describe an attempt; `TaskDefinitionError` where a child cannot import what it needs."""
        function: Any = definition.function
        module, path = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
        if not module or not path or "<" in path:
            message = (
                f"task {definition.name!r} cannot run in a child process: its function has no "
                "importable name; define it at module level"
            )
            raise TaskDefinitionError(message)
        return cls(
            module=module,
            path=path,
            name=definition.name,
            body=body,
            spec=held.spec,
            policy=held.policy,
            attempt=held.attempt,
            token=held.token,
            run=held.run,
            lease=held.lease,
            timeout=held.timeout,
            luck=held.luck,
            options=_carried(definition, module, path),
            log_lines=held.ctx.log_lines,
            log_bytes=held.ctx.log_bytes,
            capture=capture,
            carrier=None if held.observed is None else held.observed.carrier,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a handler said of its progress, sent while it runs."""

    share: float | None
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception in parts: many cannot be unpickled, because their class has an `__init__`."""

    kind: type[BaseException]
    args: tuple[object, ...]
    state: Mapping[str, object]

    def rebuild(self) -> BaseException:
        """Make the exception again, without its `__init__`, which has run once."""
        error = self.kind.__new__(self.kind)
        error.args = self.args
        error.__dict__.update(self.state)
        return error


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an attempt came to, with what it wrote on the way.

    `holds` is how much memory its process has now; one that is `spent` had no more to be had.
    """

    result: object = None
    error: BaseException | Raised | None = None
    traceback: str = ""
    report: Report | None = None
    lines: tuple[LogLine, ...] = ()
    holds: int = 0
    spent: bool = False

    def take(self, ctx: Context) -> object:
        """Take lines and report over into the worker's context; answer or raise."""
        for line in self.lines:
            ctx.log.write(line.level, "%s", line.text)
        if self.report is not None:
            ctx.report.take(self.report)
        if self.error is not None:
            error = self.error.rebuild() if isinstance(self.error, Raised) else self.error
            error.__cause__ = HandlerError(f"in the child process:\n{self.traceback}")
            raise error
        return self.result


class _Speaker:
    """Speaks for the attempts of a process, whichever thread has something to say, one by one."""

    def __init__(self, pipe: Connection[Any, Any]) -> None:
        """Say it into `pipe`."""
        self._pipe = pipe
        self._lock = threading.Lock()
        self._job: Job | None = None

    def of(self, job: Job) -> Callable[[object], None]:
        """Answer what sends for an attempt, until its answer is sent."""
        self._job = job

        def send(value: object) -> None:
            with self._lock:
                if self._job is job:
                    self._pipe.send(value)

        return send

    def answer(self, raw: bytes) -> None:
        """Send an attempt's answer, its last word."""
        with self._lock:
            self._job = None
            self._pipe.send_bytes(raw)


def serve(pipe: Connection[Any, Any]) -> None:
    """Run jobs from the pipe, one at a time, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _watch_parent()
    speaker = _Speaker(pipe)
    try:
        while True:
            job: Job = pipe.recv()
            with captured(enabled=job.capture):
                answer = _run(job, speaker.of(job))
            speaker.answer(_pickled(replace(answer, holds=private())))
    except (EOFError, OSError):  # the worker is gone, and nobody waits for an answer
        end_process()


def _watch_parent() -> None:
    """End with the worker, in the midst of a handler too: killed, it can end no child.

    A handler that went on would meet the one that the rescued task is given to.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def leave() -> None:
        parent.join()
        os._exit(_ORPHANED)

    before = threading.stack_size(_SMALL)  # it counts toward a memory limit
    try:
        threading.Thread(target=leave, name="longshore-parent", daemon=True).start()
    finally:
        threading.stack_size(before)


def _run(job: Job, send: Callable[[object], None]) -> Answer:
    held = _holding(job, send)
    try:
        held.definition = definition = _find(job)
        limits = limited(definition.options.memory_limit, definition.options.cpu_limit)
        with limits, following(job.carrier, held.ctx):
            result = asyncio.run(acall(held)) if definition.is_async else call(held)
    except BaseException as error:  # noqa: BLE001 - a handler may raise anything, SystemExit too
        return Answer(
            error=error,
            traceback="".join(traceback.format_exception(error)),
            report=held.ctx.take_report(),
            lines=held.ctx.take_lines(),
            spent=isinstance(error, MemoryError),
        )
    return Answer(result=result, report=held.ctx.take_report(), lines=held.ctx.take_lines())


def _carried(definition: TaskDefinition, module: str, path: str) -> TaskOptions | None:
    """Answer the options that a child does not find in the function's module.

    Hooks and exceptions cross by their names; `TaskDefinitionError` where one has none.
    """
    with suppress(AttributeError, ImportError):  # what is not found there, the child says
        if getattr(walk(import_module(module), path), "definition", None) is definition:
            return None
    try:
        pickle.dumps(definition.options)
    except Exception as error:
        message = (
            f"task {definition.name!r} cannot run in a child process: {error}; define its hooks, "
            "its back-off and the exceptions of its policy at module level"
        )
        raise TaskDefinitionError(message) from error
    return definition.options


def _find(job: Job) -> TaskDefinition:
    """Import the function, or the task object that a decorator left under its name."""
    found = walk(import_module(job.module), job.path)
    definition = getattr(found, "definition", None)
    if isinstance(definition, TaskDefinition):
        if job.options is None:
            return definition
        found = definition.function
    return define(found, name=job.name, executor="process", options=job.options)


class _SendingContext(Context):
    """A context whose progress crosses the pipe."""

    __slots__ = ("_next", "_send")

    _send: Callable[[object], None]
    _next: float

    def send_by(self, send: Callable[[object], None]) -> None:
        """Use `send` from now on."""
        self._send, self._next = send, 0.0

    def progress(self, share: float | None = None, text: str | None = None) -> None:
        """Say how far it is; see `Context.progress`."""
        Context.progress(self, share, text)
        now = self.clock.monotonic()
        if now < self._next:
            return
        noted = self.take_progress()
        if noted is not None:
            self._next = now + PROGRESS_EVERY
            self._send(Progress(share=noted[0], text=noted[1]))


def _holding(job: Job, send: Callable[[object], None]) -> Holding:
    spec = job.spec
    ctx = _SendingContext(
        task_id=spec.id,
        task_name=job.name,
        queue=spec.queue,
        attempt=job.attempt,
        fence=job.token,
        clock=SystemClock(),
        run=job.run,
        max_attempts=spec.max_attempts,
        priority=spec.priority,
        tags=spec.tags,
        tenant=spec.tenant,
        owner=spec.owner,
        parent_id=spec.parent_id,
        log_lines=job.log_lines,
        log_bytes=job.log_bytes,
    )
    ctx.send_by(send)
    return Holding(
        delivery=None,
        definition=None,
        message=decode(job.body),
        spec=spec,
        policy=job.policy,
        token=job.token,
        attempt=job.attempt,
        run=job.run,
        lease=job.lease,
        claimed_at=0.0,
        deadline=0.0,
        timeout=job.timeout,
        luck=job.luck,
        ctx=ctx,
    )


def _pickled(answer: Answer) -> bytes:
    """Pickle the answer; what cannot be pickled is stood for, and said."""
    for make in (_as_it_is, _in_parts, _plain):
        try:
            raw = pickle.dumps(make(answer))
            found: Answer = pickle.loads(raw)  # noqa: S301 - our own bytes, to see that they can be read
            if isinstance(found.error, Raised):
                found.error.rebuild()
        except Exception:  # noqa: BLE001, S112 - pickling runs the handler's own code
            continue
        return raw
    last_line = answer.traceback.strip().rpartition("\n")[2]
    return pickle.dumps(replace(_plain(replace(answer, error=None)), error=HandlerError(last_line)))


def _as_it_is(answer: Answer) -> Answer:
    return answer


def _in_parts(answer: Answer) -> Answer:
    error = answer.error
    if not isinstance(error, BaseException):
        return answer
    return replace(answer, error=Raised(kind=type(error), args=error.args, state=vars(error)))


def _plain(answer: Answer) -> Answer:
    """The answer as far as it can surely be carried: plain results, texts for arguments."""
    from pydantic_core import from_json, to_json  # noqa: PLC0415 - needed by odd results alone

    error = answer.error
    if isinstance(error, BaseException):
        error = Raised(kind=type(error), args=tuple(map(_told, error.args)), state={})
    try:
        result = cast("object", from_json(to_json(answer.result)))
    except Exception as problem:  # noqa: BLE001 - writing it runs the handler's own code
        # The work is done: that its result cannot be kept does not undo it.
        report = noted(answer.report, unkept(answer.result, problem))
        return replace(answer, result=None, error=error, report=report)
    return replace(answer, result=result, error=error)


def _told(value: object) -> object:
    return value if isinstance(value, str | int | float | None) else repr(value)
