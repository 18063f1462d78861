"""What crosses between a worker and a child process: an attempt, its progress, its answer.

Values are pickled, both ways between processes of one worker; nothing from a broker is. The
task's arguments cross as the message's own bytes and are checked again there.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from longshore.definition import TaskOptions, walk
from longshore.errors import LongshoreError, TaskDefinitionError
from longshore.worker.outcome import noted, unkept

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from longshore.context import Context
    from longshore.definition import TaskDefinition
    from longshore.policy import QueuePolicy
    from longshore.report import Report
    from longshore.task import LogLine, TaskSpec
    from longshore.telemetry import Carrier
    from longshore.worker.holding import Holding


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


def pickled(answer: Answer) -> bytes:
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
