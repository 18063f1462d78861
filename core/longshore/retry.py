"""Whether a failed attempt is tried again, and when: a pure policy and a pure decision.

Attempts count from 1. `delay(1)` is the wait after the first failure. Randomness is given by the
caller, so the same inputs always make the same decision.

The outcomes a handler may raise are here too. Their arguments are their facts, not a sentence, so
that they survive the pickling between a child process and its parent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import isfinite, log
from typing import Final, Literal, NoReturn, TypeAlias, TypeGuard, cast

from longshore.errors import ConfigurationError, LongshoreError
from longshore.when import Duration, format_duration, parse_duration

DEFAULT_ATTEMPTS: Final = 3
LONGEST_DELAY: Final = timedelta(days=3650)
"""No decision waits longer, so that adding it to the present stays inside datetime's range."""
LONGEST_RETRY_AFTER: Final = timedelta(days=1)
"""A foreign `retry_after` above this is read as this: a broken header must not park a task."""

_ZERO: Final = timedelta(0)
_EXPONENT_LIMIT: Final = 2**53

Backoff: TypeAlias = Duration | Sequence[Duration] | Callable[[int], Duration]
"""One wait, a list of waits whose last one repeats, or a function of the attempt number."""

RetryReason: TypeAlias = Literal["error", "permanent", "attempts", "deadline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """A backoff of `base * factor ** (attempt - 1)`, at most `cap`; never decreases.

    The defaults wait 2, 4, 8 … 256 and then 300 seconds. Any attempt number is safe.
    """

    base: timedelta = timedelta(seconds=2)
    factor: float = 2.0
    cap: timedelta = timedelta(seconds=300)

    def __post_init__(self) -> None:
        """Refuse what would shrink, stand at zero or overflow."""
        if not _ZERO < self.base <= self.cap <= LONGEST_DELAY:
            _refuse(
                f"base {self.base} and cap {self.cap}",
                f"0 < base <= cap <= {format_duration(LONGEST_DELAY)}; "
                "for no wait at all use backoff=timedelta(0)",
            )
        if not (isfinite(self.factor) and self.factor >= 1):
            _refuse(f"factor {self.factor!r}", "a finite number of 1 or more")

    def __call__(self, attempt: int) -> timedelta:
        """Answer the wait after attempt number `attempt`."""
        exponent = min(max(attempt, 1) - 1, _EXPONENT_LIMIT)
        # Compared as logarithms first: the power itself overflows near attempt 1,000.
        if exponent * log(self.factor) >= log(self.cap / self.base):
            return self.cap
        return min(self.base * self.factor**exponent, self.cap)


@dataclass(frozen=True, slots=True)
class Steps:
    """A backoff of listed waits, the last of which repeats; one alone is a fixed wait."""

    waits: tuple[timedelta, ...]

    def __post_init__(self) -> None:
        """Refuse an empty list: it says nothing about the first retry."""
        if not self.waits:
            _refuse("an empty list of waits", "at least one, such as ['1s', '5s', '1m']")

    def __call__(self, attempt: int) -> timedelta:
        """Answer the wait after attempt number `attempt`."""
        return self.waits[min(max(attempt, 1), len(self.waits)) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, how soon and for which errors a task is tried again.

    `attempts` counts all tries, the first included: 3 by default, 1 means no retry, None means
    without end. `backoff` and `deadline` also take text and seconds (`"10s"`, `[1, 5, "1m"]`)
    and hold the parsed form. `jitter` takes a random share off each wait: it ends up within
    [wait * (1 - jitter), wait], so a cap holds after jitter as before; set 0 for exact waits.
    Only errors of a class in `on` are retried, and never one in `never`. With `deadline`, no
    attempt begins later than that after the task was first enqueued.

    Raises ConfigurationError or ScheduleError when made with values that cannot work.
    """

    attempts: int | None = DEFAULT_ATTEMPTS
    backoff: Backoff = field(default_factory=Exponential)
    jitter: float = 0.2
    on: tuple[type[BaseException], ...] = (Exception,)
    never: tuple[type[BaseException], ...] = ()
    deadline: Duration | None = None

    def __post_init__(self) -> None:
        """Parse and check every field once, so that a decision cannot fail on one."""
        _check_attempts(self.attempts)
        _check_jitter(self.jitter)
        _check_classes("on", self.on)
        _check_classes("never", self.never)
        object.__setattr__(self, "backoff", _parsed_backoff(self.backoff))
        if self.deadline is not None:
            object.__setattr__(self, "deadline", parse_duration(self.deadline))

    @classmethod
    def retries(cls, count: int | None) -> Retry:
        """Make a policy from the number of retries: 0 is none, None or -1 is without end."""
        return cls(attempts=None if count in (None, -1) else _retries(count) + 1)

    def with_attempts(self, attempts: int | None) -> Retry:
        """Answer the same policy with another number of tries, such as one from a message."""
        return replace(self, attempts=attempts)

    def delay(self, attempt: int) -> timedelta:
        """Answer the wait after attempt number `attempt`, before jitter.

        Raises whatever a backoff function raises, and ScheduleError when it answers nonsense.
        """
        wait = _parsed_backoff(self.backoff)(attempt)
        return min(parse_duration(wait), LONGEST_DELAY)

    def to_dict(self) -> dict[str, int | None]:
        """Write the part that travels: `attempts` alone. Functions and classes are per process."""
        return {"attempts": self.attempts}


class RetryLater(LongshoreError):  # noqa: N818 - an outcome a handler asks for, not an error
    """Raised by a handler: this attempt failed, try again after exactly this delay.

    Counts as an attempt, so it ends in failure when none is left. No jitter is applied, and
    neither `on` nor `never` is asked.
    """

    def __init__(self, after: Duration, reason: str = "") -> None:
        """`after` is text, seconds or a timedelta; ScheduleError where it cannot be read."""
        super().__init__(after, reason)
        self.after = min(parse_duration(after), LONGEST_DELAY)
        self.reason = reason

    def __str__(self) -> str:
        return _sentence(f"retry in {format_duration(self.after)}", self.reason)


class PermanentError(LongshoreError):
    """Raised by a handler: trying again cannot help. Never retried; subclass it freely."""


class Reject(PermanentError):  # noqa: N818 - an outcome a handler asks for, not an error
    """Raised by a handler: the task is not one to be done; fail it for good and dead-letter it."""

    def __init__(self, reason: str) -> None:
        """`reason` is recorded and shown with the dead letter."""
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return _sentence("rejected", self.reason)


class Snooze(LongshoreError):  # noqa: N818 - an outcome a handler asks for, not an error
    """Raised by a handler: not now; run again later without having used an attempt.

    Give a delay (text, seconds, timedelta) or `until` (a datetime; a naive one is UTC), one of
    the two. Settled by the worker before any retry policy is asked.
    """

    def __init__(
        self,
        delay: Duration | None = None,
        until: datetime | None = None,
        reason: str = "",
    ) -> None:
        """Refuse both or neither with ConfigurationError, a bad delay with ScheduleError."""
        super().__init__(delay, until, reason)
        if (delay is None) == (until is None):
            _refuse("Snooze with both or neither of delay and until", "exactly one of them")
        self.delay = None if delay is None else min(parse_duration(delay), LONGEST_DELAY)
        self.until = None if until is None else _utc(until)
        self.reason = reason

    def __str__(self) -> str:
        return _sentence("snoozed", self.reason)

    def due(self, now: datetime) -> datetime:
        """Answer when to run again, never before `now`, for a worker whose clock reads `now`."""
        if self.until is not None:
            return max(self.until, now)
        return now + (self.delay or _ZERO)


class Cancel(LongshoreError):  # noqa: N818 - an outcome a handler asks for, not an error
    """Raised by a handler: end the task as cancelled, neither done nor failed."""

    def __init__(self, reason: str = "") -> None:
        """`reason` is recorded with the task."""
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return _sentence("cancelled", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDecision:
    """What becomes of a failed attempt.

    `reason` is `error` when it is retried after `delay`. Otherwise it says why not:
    `permanent` (of a kind that is not retried), `attempts` (none left) or `deadline` (the next
    would begin too late). `problem` is a sentence for the log when the policy's own backoff
    function failed and the default backoff stood in for it.
    """

    retry: bool
    delay: timedelta
    reason: RetryReason
    problem: str = ""


def decide(
    policy: Retry,
    *,
    attempt: int,
    error: BaseException,
    random: float,
    age: timedelta | None = None,
) -> RetryDecision:
    """Decide whether attempt number `attempt`, which ended in `error`, is followed by another.

    `random` is in [0, 1) and picks the place inside the jitter; `age` is the time since the
    first enqueue, and without it the deadline is not looked at. An error with a `retry_after`
    (seconds or a timedelta, as HTTP clients have it) waits at least that long, at most
    LONGEST_RETRY_AFTER. Never raises, whatever a backoff function or the error does. `Snooze`
    and `Cancel` are no failures: settle them without asking.
    """
    if not _retryable(policy, error):
        return _ending("permanent")
    if policy.attempts is not None and attempt >= policy.attempts:
        return _ending("attempts")
    delay, problem = _wait(policy, attempt, error, random)
    if policy.deadline is not None and age is not None:
        deadline = parse_duration(policy.deadline)
        if delay > deadline - age:
            return _ending("deadline", problem)
    return RetryDecision(retry=True, delay=delay, reason="error", problem=problem)


def _retryable(policy: Retry, error: BaseException) -> bool:
    if isinstance(error, (PermanentError, Cancel)):
        return False
    if isinstance(error, RetryLater):
        return True
    return isinstance(error, policy.on) and not isinstance(error, policy.never)


def _ending(reason: RetryReason, problem: str = "") -> RetryDecision:
    return RetryDecision(retry=False, delay=_ZERO, reason=reason, problem=problem)


def _wait(
    policy: Retry, attempt: int, error: BaseException, random: float
) -> tuple[timedelta, str]:
    if isinstance(error, RetryLater):
        return error.after, ""
    full, problem = _backoff(policy, attempt)
    return max(full * (1 - policy.jitter * random), _asked_for(error)), problem


def _backoff(policy: Retry, attempt: int) -> tuple[timedelta, str]:
    try:
        return policy.delay(attempt), ""
    except Exception as failure:  # noqa: BLE001 - a user's function may raise anything
        problem = f"the backoff of this task failed with {type(failure).__name__}; give a "
        return Exponential()(attempt), problem + "function from an attempt number to a duration"


def _asked_for(error: BaseException) -> timedelta:
    try:
        asked: object = getattr(error, "retry_after", None)
        if not isinstance(asked, (int, float, timedelta)):
            return _ZERO
        return min(parse_duration(asked), LONGEST_RETRY_AFTER)
    except Exception:  # noqa: BLE001 - a foreign attribute may be a property that raises
        return _ZERO


def _parsed_backoff(backoff: Backoff) -> Callable[[int], Duration]:
    if callable(backoff):
        return backoff
    if isinstance(backoff, Sequence) and not isinstance(backoff, str):
        return Steps(tuple(parse_duration(wait) for wait in backoff))
    return Steps((parse_duration(backoff),))


def _check_attempts(attempts: object) -> None:
    if attempts is not None and not (_whole(attempts) and attempts >= 1):
        _refuse(f"attempts={attempts!r}", "1 (no retry) or more, or None for without end")


def _retries(count: object) -> int:
    if not (_whole(count) and count >= 0):
        _refuse(f"retries {count!r}", "0 (none) or more, or None for without end")
    return count


def _check_jitter(jitter: object) -> None:
    if not (isinstance(jitter, (int, float)) and not isinstance(jitter, bool) and 0 <= jitter <= 1):
        _refuse(f"jitter={jitter!r}", "a share of the wait, from 0 to 1")


def _check_classes(name: str, classes: object) -> None:
    if isinstance(classes, tuple) and all(
        map(_is_exception_class, cast("tuple[object, ...]", classes))
    ):
        return
    _refuse(f"{name}={classes!r}", f"a tuple of exception classes, such as {name}=(OSError,)")


def _is_exception_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _sentence(fact: str, reason: str) -> str:
    return f"{fact}: {reason}" if reason else fact


def _utc(moment: datetime) -> datetime:
    aware = moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC)


def _refuse(given: str, wanted: str) -> NoReturn:
    message = f"{given} cannot be used; give {wanted}"
    raise ConfigurationError(message)
