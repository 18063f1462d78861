"""From what a handler did to the outcome the log is told: pure but for the policies it asks."""

from __future__ import annotations

import asyncio
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.protocol import End, Outcome
from longshore.report import Report, ReportError, truncate
from longshore.retry import (
    Cancel,
    PermanentError,
    Retry,
    RetryDecision,
    RetryLater,
    Snooze,
    decide,
)
from longshore.task import Reason, TaskError

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.queue import QueueCapabilities
    from longshore.worker.holding import Holding
    from longshore.worker.options import Limits

_AT_ONCE = timedelta(0)
_MB = 2**20
_NEVER = Retry(attempts=1, on=())
_CONTROL = (RetryLater, Snooze, PermanentError, Cancel)


class HandlerTimeoutError(TimeoutError):
    """The attempt took longer than its timeout."""


class MemoryLimitError(MemoryError):
    """The attempt, in its child process, wanted more memory than its `memory_limit` allows."""

    def __init__(self, limit: int, held: int | None = None) -> None:
        """`held` is what the process had before the handler began, where that was too much."""
        before = "" if held is None else f", and its process began with {held / _MB:,.0f} MB"
        super().__init__(f"the attempt may use {limit / _MB:,.0f} MB of memory{before}")


class HandlerCancelledError(RuntimeError):
    """A handler let a cancellation of its own making out; nobody had told it to stop."""


class ReportedError(PermanentError):
    """The handler's own report holds an error: it failed, and said why."""

    def __init__(self, report: Report) -> None:
        """Keep the report for the log."""
        super().__init__(report.message)
        self.report = report


class Outcomes:
    """Makes outcomes; knows the size caps and what the queue can delay."""

    def __init__(self, limits: Limits) -> None:
        """Use the given caps."""
        self._limits = limits

    def of_result(self, held: Holding, result: object) -> Outcome:
        """A handler returned: a value, or a report without an error."""
        report = whole_report(held, result)
        kept, problem = self._dump(None if isinstance(result, Report) else result)
        if problem is not None:
            report = noted(report, problem)
        return Outcome(
            task_id=held.spec.id,
            token=held.token,
            end=End.SUCCESS,
            held=held.delivery is not None,
            result=kept,
            report=self._report(report),
            started_at=held.began_at,
            lines=held.ctx.take_lines(),
        )

    def of_error(
        self,
        held: Holding,
        error: BaseException,
        *,
        capabilities: QueueCapabilities,
        least: timedelta = _AT_ONCE,
    ) -> Outcome:
        """A handler raised, or returned one of the outcomes that can be raised as well.

        A retry waits `least` at least: for a handler that is left behind, until it has gone.
        """
        now = held.ctx.clock.now()
        if isinstance(error, Snooze):
            until = max(error.due(now) - now, _AT_ONCE)
            return self.give_back(held, until, capabilities=capabilities)
        if isinstance(error, Cancel):
            return self.cancelled(held, _clean(str(error.reason)) or None)
        decision = _decided(held, error, now)
        if decision.problem:
            held.ctx.log.warning("%s", decision.problem)
        wait = max(decision.delay, least) if decision.retry else None
        return self._end(
            held,
            End.FAILURE,
            reason=_reason(held, error, decision),
            error=self._error(error),
            report=error.report if isinstance(error, ReportedError) else None,
            retry_in=wait,
            message_waits=wait is not None and _can_wait(capabilities, wait),
        )

    def cancelled(self, held: Holding, reason: str | None = None) -> Outcome:
        """The task was told to stop, or asks for it: it ends, and has not failed."""
        return self._end(held, End.CANCEL, reason=reason, error=None)

    def of_broken(self, held: Holding, problem: Exception, *, succeeded: bool) -> Outcome:
        """What an attempt came to could not be described: say so, and lose nothing else."""
        error = None if succeeded else self._error(problem)
        note = Report.warning("what the attempt came to could not be written down")
        return Outcome(
            task_id=held.spec.id,
            token=held.token,
            end=End.SUCCESS if succeeded else End.FAILURE,
            held=held.delivery is not None,
            reason=None if succeeded else Reason.ERROR,
            body=held.spec.body,
            report=self._report(note),
            error=error,
            started_at=held.began_at,
            claim=held.claim,
        )

    def give_back(
        self,
        held: Holding,
        wait: timedelta | None,
        *,
        capabilities: QueueCapabilities,
    ) -> Outcome:
        """The attempt did not begin, or stopped for a reason that is not its own."""
        can = wait is None or _can_wait(capabilities, wait)
        return self._end(
            held, End.GIVE_BACK, reason=None, error=None, retry_in=wait, message_waits=can
        )

    def _end(  # noqa: PLR0913 - the parts of one outcome
        self,
        held: Holding,
        end: End,
        *,
        reason: str | None,
        error: TaskError | None,
        report: Report | None = None,
        retry_in: timedelta | None = None,
        message_waits: bool = True,
    ) -> Outcome:
        return Outcome(
            task_id=held.spec.id,
            token=held.token,
            end=end,
            held=held.delivery is not None,
            retry_in=retry_in,
            message_waits=message_waits,
            reason=reason,
            body=held.spec.body,
            report=self._report(report or held.ctx.take_report()),
            error=error,
            started_at=held.began_at,
            lines=held.ctx.take_lines(),
            claim=held.claim,
        )

    def _dump(self, result: object) -> tuple[bytes | None, str | None]:
        """Write a result as JSON; what cannot be kept is said, and never undoes the work."""
        if result is None:
            return None, None
        from pydantic_core import from_json, to_json  # noqa: PLC0415 - kept off the import path

        try:
            kept = to_json(result, inf_nan_mode="constants")
            if b"NaN" in kept or b"Infinity" in kept:
                from_json(kept, allow_inf_nan=False, cache_strings="none")
        except Exception as error:  # noqa: BLE001 - writing it may run the handler's own code
            return None, unkept(result, error)
        if len(kept) > self._limits.result:
            size, limit = len(kept), self._limits.result
            return None, f"the result is not kept: {size:,} bytes, the limit is {limit:,}"
        return kept, None

    def _report(self, report: Report | None) -> bytes | None:
        if report is None:
            return None
        from pydantic_core import to_json  # noqa: PLC0415 - kept off the import path

        return to_json(truncate(report, self._limits.report).to_dict())

    def _error(self, error: BaseException) -> TaskError:
        """Describe an exception within the cap; the end of a traceback says most."""
        cap = self._limits.error
        try:
            trace = "".join(traceback.format_exception(error, limit=-50))
        except Exception as broken:  # noqa: BLE001 - it formats what the exception refers to
            trace = f"its traceback cannot be made: {type(broken).__name__}"
        return TaskError(
            type=_clean(type(error).__name__),
            message=_head(_clean(_text(error)), cap // 4),
            traceback=_tail(_clean(trace), cap),
        )


def named(held: Holding, error: BaseException) -> BaseException:
    """Name what stopped the handler, where the exception itself does not say it."""
    if held.stopped == "timeout" and not isinstance(error, HandlerTimeoutError):
        timeout = late(held)
        timeout.__cause__ = error
        return timeout
    limit = None if held.definition is None else held.definition.options.memory_limit
    if limit is not None and type(error) is MemoryError:
        wanted = MemoryLimitError(limit)
        wanted.__cause__ = error
        return wanted
    if held.stopped is None and isinstance(error, asyncio.CancelledError):
        own = HandlerCancelledError("the handler cancelled itself; catch CancelledError in it")
        own.__cause__ = error
        return own
    return error


def late(held: Holding) -> HandlerTimeoutError:
    """Say that the attempt took too long."""
    seconds = held.timeout.total_seconds() if held.timeout is not None else 0
    return HandlerTimeoutError(f"the attempt took longer than its timeout of {seconds:g} s")


def whole_report(held: Holding, result: object) -> Report | None:
    """The report of an attempt: the one returned, with what was noted on the way below it."""
    noted = held.ctx.take_report()
    if not isinstance(result, Report):
        return noted
    if noted is None:
        return result
    try:
        return result.add(noted)
    except ReportError:  # too deep or too long together: the worse of the two says more
        return max(result, noted, key=lambda report: report.worst.rank)


def retry_of(held: Holding) -> Retry:
    """The policy that holds for a task: its definition's, else its queue's; its own attempts."""
    if held.unfit is not None:
        return _NEVER  # a message that does not fit its task never will
    own = None if held.definition is None else held.definition.options.retry
    policy = own or held.policy.retry
    given = held.message.taskattempts
    return policy if given is None else policy.with_attempts(given)


def is_last(held: Holding, error: BaseException) -> bool:
    """Whether the task ends with this error: no retry, snooze or cancel follows it."""
    if isinstance(error, Snooze | Cancel):
        return False
    return not _decided(held, error, held.ctx.clock.now()).retry


def _decided(held: Holding, error: BaseException, now: datetime) -> RetryDecision:
    age = now - held.spec.created_at
    return decide(retry_of(held), attempt=held.attempt, error=error, random=held.luck, age=age)


def _reason(held: Holding, error: BaseException, decision: RetryDecision) -> str:
    if held.unfit is not None:
        return held.unfit
    if isinstance(error, HandlerTimeoutError):
        return Reason.TIMEOUT
    permanent = decision.reason == "permanent" and not isinstance(error, ReportedError)
    return Reason.PERMANENT if permanent else Reason.ERROR


def is_control(value: object) -> bool:
    """Whether a returned value is an outcome that could have been raised as well."""
    return isinstance(value, _CONTROL)


def _can_wait(capabilities: QueueCapabilities, wait: timedelta) -> bool:
    longest = capabilities.max_release_delay
    return longest is None or wait <= longest


def unkept(result: object, error: Exception) -> str:
    """Say that a result is left out, and why."""
    return f"the result of type {type(result).__name__} is not kept: {_text(error)}"


def noted(report: Report | None, problem: str) -> Report:
    """Add a warning to a report, or begin one with it."""
    warning = Report.warning(problem)
    if report is None:
        return warning
    try:
        return report.add(warning)
    except ReportError:  # full as it is
        return report


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - an exception's own __str__ may raise
        return f"its text cannot be made: {type(broken).__name__}"


def _clean(text: str) -> str:
    """Replace what UTF-8 cannot say: an error must not be lost for the sake of its text."""
    return text.encode("utf-8", "backslashreplace").decode()


def _head(text: str, size: int) -> str:
    return text if len(text) * 4 <= size else text.encode()[:size].decode(errors="ignore")


def _tail(text: str, size: int) -> str:
    return text if len(text) * 4 <= size else text.encode()[-size:].decode(errors="ignore")
