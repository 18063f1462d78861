"""What runs inside a child process: find the function, run the attempt, answer."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import traceback
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from longshore.clock import SystemClock
from longshore.codec import decode
from longshore.context import Context
from longshore.definition import TaskDefinition, define, walk
from longshore.telemetry import end_process, following
from longshore.worker.attempt import acall, call
from longshore.worker.capture import captured
from longshore.worker.crossing import Answer, Progress, pickled
from longshore.worker.holding import Holding
from longshore.worker.rlimits import limited, private

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from longshore.worker.crossing import Job

_ORPHANED: Final = 1
_SMALL: Final = 256 * 1024
PROGRESS_EVERY: Final = 0.2
"""Seconds between two notes of progress that cross the pipe; those in between are left out."""


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
            speaker.answer(pickled(replace(answer, holds=private())))
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
