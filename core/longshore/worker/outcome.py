"""From what a handler did to the outcome the log is told: pure but for the policies it asks."""

from __future__ import annotations

import traceback
from datetime import timedelta
from typing import TYPE_CHECKING

from longshore.errors import ArgumentsError, MessageError, UnknownTaskError
from longshore.protocol import End, Outcome
from longshore.report import Report, truncate
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
_REASONS = {
    UnknownTaskError: Reason.UNKNOWN_TASK,
    ArgumentsError: Reason.ARGUMENTS,
    MessageError: Reason.ARGUMENTS,
}
_CONTROL = (RetryLater, Snooze, PermanentError, Cancel)


class HandlerTimeoutError(TimeoutError):
    """The attempt took longer than its timeout."""


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
        report = result if isinstance(result, Report) else held.ctx.take_report()
        kept, problem = self._dump(None if isinstance(result, Report) else result)
        if problem is not None:
            report = _noted(report, problem)
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
        random: float,
        now: datetime,
    ) -> Outcome:
        """A handler raised, or returned one of the outcomes that can be raised as well."""
        if isinstance(error, Snooze):
            until = max(error.due(now) - now, _AT_ONCE)
            return self.give_back(held, until, capabilities=capabilities)
        if isinstance(error, Cancel):
            return self._end(held, End.CANCEL, reason=error.reason or None, error=None)
        decision = decide(
            _policy(held, error),
            attempt=held.attempt,
            error=error,
            random=random,
            age=_age(held, now),
        )
        wait = decision.delay if decision.retry else None
        return self._end(
            held,
            End.FAILURE,
            reason=_reason(error, decision),
            error=self._error(error),
            report=error.report if isinstance(error, ReportedError) else None,
            retry_in=wait,
            message_waits=wait is not None and _can_wait(capabilities, wait),
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
        )

    def _dump(self, result: object) -> tuple[bytes | None, str | None]:
        """Write a result as JSON; what cannot be kept is said, and never undoes the work."""
        if result is None:
            return None, None
        from pydantic_core import from_json, to_json  # noqa: PLC0415 - kept off the import path

        try:
            kept = to_json(result, inf_nan_mode="constants")
            if b"NaN" in kept or b"Infinity" in kept:
                from_json(kept, allow_inf_nan=False)
        except (ValueError, RecursionError) as error:
            return None, f"the result of type {type(result).__name__} is not kept: {error}"
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
            message = str(error)
            text = "".join(traceback.format_exception(error, limit=-50))
        except Exception as broken:  # noqa: BLE001 - an exception's own __str__ may raise
            message, text = f"its text cannot be made: {type(broken).__name__}", ""
        return TaskError(
            type=type(error).__name__,
            message=_clean(message)[: cap // 4],
            traceback=_clean(text)[-cap:],
        )


def _policy(held: Holding, error: BaseException) -> Retry:
    """A message that does not fit its task never will: no policy is asked."""
    return Retry(attempts=1, on=()) if type(error) in _REASONS else retry_of(held)


def retry_of(held: Holding) -> Retry:
    """The policy that holds for a task: its definition's, else its queue's; its own attempts."""
    own = None if held.definition is None else held.definition.options.retry
    policy = own or held.policy.retry
    given = held.message.taskattempts
    return policy if given is None else policy.with_attempts(given)


def is_last(held: Holding, error: BaseException) -> bool:
    """Whether the task ends with this error: no retry, snooze or cancel follows it."""
    if isinstance(error, Snooze | Cancel):
        return False
    return not decide(_policy(held, error), attempt=held.attempt, error=error, random=0).retry


def _reason(error: BaseException, decision: RetryDecision) -> str:
    if isinstance(error, HandlerTimeoutError):
        return Reason.TIMEOUT
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return reason
    permanent = decision.reason == "permanent" and not isinstance(error, ReportedError)
    return Reason.PERMANENT if permanent else Reason.ERROR


def is_control(value: object) -> bool:
    """Whether a returned value is an outcome that could have been raised as well."""
    return isinstance(value, _CONTROL)


def _can_wait(capabilities: QueueCapabilities, wait: timedelta) -> bool:
    longest = capabilities.max_release_delay
    return longest is None or wait <= longest


def _age(held: Holding, now: datetime) -> timedelta:
    return now - held.spec.created_at


def _noted(report: Report | None, problem: str) -> Report:
    warning = Report.warning(problem)
    return warning if report is None else report.add(warning)


def _clean(text: str) -> str:
    """Replace what UTF-8 cannot say: an error must not be lost for the sake of its text."""
    return text.encode("utf-8", "backslashreplace").decode()
