"""What runs inside a child process: find the function, run the attempt, answer.

Values are pickled, both ways between processes of one worker; nothing from a broker is. The
task's arguments cross as the message's own bytes and are checked again here.
"""

from __future__ import annotations

import pickle
import signal
import traceback
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from longshore.clock import SystemClock
from longshore.codec import decode
from longshore.context import Context
from longshore.definition import TaskDefinition, define, walk
from longshore.errors import LongshoreError, TaskDefinitionError
from longshore.worker.attempt import call
from longshore.worker.holding import Holding

if TYPE_CHECKING:
    from datetime import timedelta
    from multiprocessing.connection import Connection

    from longshore.policy import QueuePolicy
    from longshore.report import Report
    from longshore.task import LogLine, TaskSpec


class HandlerError(LongshoreError):
    """A handler raised in a child process what cannot be carried across; this stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that a child needs to run one attempt; the function is named, not pickled."""

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

    @classmethod
    def of(cls, held: Holding, definition: TaskDefinition, body: bytes) -> Job:
        """Describe an attempt; `TaskDefinitionError` where its function has no importable name."""
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
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an attempt came to, with what it wrote on the way."""

    result: object = None
    error: Exception | None = None
    traceback: str = ""
    report: Report | None = None
    lines: tuple[LogLine, ...] = ()

    def take(self, ctx: Context) -> object:
        """Take lines and report over into the worker's context; answer or raise."""
        for line in self.lines:
            ctx.log.write(line.level, "%s", line.text)
        if self.report is not None:
            ctx.report.take(self.report)
        if self.error is not None:
            self.error.__cause__ = HandlerError(f"in the child process:\n{self.traceback}")
            raise self.error
        return self.result


def serve(pipe: Connection[Any, Any]) -> None:
    """Run jobs from the pipe, one at a time, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
        pipe.send_bytes(_pickled(_run(job)))


def _run(job: Job) -> Answer:
    held = _holding(job)
    try:
        held.definition = _find(job)
        result = call(held)
    except Exception as error:  # noqa: BLE001 - a handler may raise anything
        return Answer(
            error=error,
            traceback="".join(traceback.format_exception(error)),
            report=held.ctx.take_report(),
            lines=held.ctx.take_lines(),
        )
    return Answer(result=result, report=held.ctx.take_report(), lines=held.ctx.take_lines())


def _find(job: Job) -> TaskDefinition:
    """Import the function, or the task object that a decorator left under its name."""
    found = walk(import_module(job.module), job.path)
    definition = getattr(found, "definition", None)
    if isinstance(definition, TaskDefinition):
        return definition
    return define(found, name=job.name)


def _holding(job: Job) -> Holding:
    message = decode(job.body)
    return Holding(
        delivery=None,
        definition=None,
        message=message,
        spec=job.spec,
        policy=job.policy,
        token=job.token,
        attempt=job.attempt,
        run=job.run,
        lease=job.lease,
        claimed_at=0.0,
        deadline=0.0,
        timeout=job.timeout,
        ctx=Context(
            task_id=job.spec.id,
            task_name=job.name,
            queue=job.spec.queue,
            attempt=job.attempt,
            fence=job.token,
            clock=SystemClock(),
            run=job.run,
            tags=job.spec.tags,
            tenant=job.spec.tenant,
        ),
    )


def _pickled(answer: Answer) -> bytes:
    """Pickle the answer; what cannot be pickled is stood for, and said."""
    try:
        raw = pickle.dumps(answer)
        pickle.loads(raw)  # noqa: S301 - our own bytes, read back to see that they can be
    except Exception:  # noqa: BLE001 - pickling runs the handler's code, which may raise anything
        return pickle.dumps(_plain(answer))
    return raw


def _plain(answer: Answer) -> Answer:
    from pydantic_core import from_json, to_json  # noqa: PLC0415 - needed by odd results alone

    error = answer.error
    named = None if error is None else HandlerError(f"{type(error).__name__}: {error}")
    try:
        result = cast("object", from_json(to_json(answer.result)))
    except ValueError as problem:
        named = named or HandlerError(f"the result cannot leave the child process: {problem}")
        result = None
    return Answer(
        result=result,
        error=named,
        traceback=answer.traceback,
        report=answer.report,
        lines=answer.lines,
    )
