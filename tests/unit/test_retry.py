"""Retry policies and decisions (L09, P09, P10, P18, E36): bounded, monotone, never raising."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import ConfigurationError, LongshoreError, ScheduleError
from longshore.retry import (
    LONGEST_DELAY,
    LONGEST_RETRY_AFTER,
    Cancel,
    Exponential,
    PermanentError,
    Reject,
    Retry,
    RetryDecision,
    RetryLater,
    Snooze,
    decide,
)

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
ERROR = ValueError("broken")
EXACT = Retry(attempts=None, jitter=0)

attempts = st.integers(1, 200) | st.integers(1, 2**10_000)
shares = st.floats(0, 1)
randoms = st.floats(0, 1, exclude_max=True)
exponentials = st.builds(
    Exponential,
    base=st.timedeltas(timedelta(microseconds=1), timedelta(hours=1)),
    factor=st.floats(1, 1e300),
    cap=st.timedeltas(timedelta(hours=1), LONGEST_DELAY),
)


class BusyError(Exception):
    def __init__(self, retry_after: object) -> None:
        super().__init__("try later")
        self.retry_after = retry_after


class RaisingPropertyError(Exception):
    @property
    def retry_after(self) -> float:
        raise RuntimeError


def seconds(*numbers: float) -> list[timedelta]:
    return [timedelta(seconds=number) for number in numbers]


def exploding(attempt: int) -> timedelta:
    raise ZeroDivisionError(attempt)


def backwards(attempt: int) -> timedelta:
    return timedelta(seconds=-attempt)


def astronomic(attempt: int) -> timedelta:
    return timedelta(days=999_999_999 // attempt)


GOLDEN: list[tuple[str, Retry, list[timedelta]]] = [
    ("default", Retry(), seconds(2, 4, 8, 16, 32, 64, 128, 256, 300, 300)),
    (
        "factor",
        Retry(backoff=Exponential(base=timedelta(seconds=5), factor=2, cap=timedelta(minutes=1))),
        seconds(5, 10, 20, 40, 60, 60),
    ),
    (
        "slow",
        Retry(backoff=Exponential(base=timedelta(seconds=1), factor=1.5)),
        seconds(1, 1.5, 2.25, 3.375, 5.0625, 7.59375),
    ),
    ("flat", Retry(backoff=Exponential(factor=1)), seconds(2, 2, 2)),
    ("fixed", Retry(backoff=timedelta(seconds=10)), seconds(10, 10, 10)),
    ("text", Retry(backoff="+30 seconds"), seconds(30, 30, 30)),
    ("number", Retry(backoff=1.5), seconds(1.5, 1.5)),
    ("at once", Retry(backoff=0), seconds(0, 0)),
    ("listed", Retry(backoff=[1, "5s", timedelta(minutes=1)]), seconds(1, 5, 60, 60, 60)),
    ("function", Retry(backoff=lambda attempt: attempt**2), seconds(1, 4, 9, 16)),
]


@pytest.mark.parametrize(
    ("policy", "delays"),
    [(policy, delays) for _, policy, delays in GOLDEN],
    ids=[name for name, _, _ in GOLDEN],
)
def test_each_attempt_waits_as_the_table_says(policy: Retry, delays: list[timedelta]) -> None:
    waits = [policy.delay(attempt) for attempt in range(1, len(delays) + 1)]

    assert waits == delays


@pytest.mark.parametrize(
    ("policy", "delays"),
    [(policy, delays) for _, policy, delays in GOLDEN],
    ids=[name for name, _, _ in GOLDEN],
)
def test_the_decisions_of_one_run_wait_as_the_table_says(
    policy: Retry, delays: list[timedelta]
) -> None:
    endless = replace(policy, attempts=None, jitter=0)

    waits = [
        decide(endless, attempt=attempt, error=ERROR, random=0.9).delay
        for attempt in range(1, len(delays) + 1)
    ]

    assert waits == delays


@given(backoff=exponentials, attempt=attempts)
def test_exponential_waits_grow_and_stay_below_the_cap(backoff: Exponential, attempt: int) -> None:
    wait, following = backoff(attempt), backoff(attempt + 1)

    assert backoff.base <= wait <= following <= backoff.cap


@given(backoff=exponentials, attempt=attempts, jitter=shares, random=randoms)
def test_jitter_takes_no_more_than_its_share_off_a_wait(
    backoff: Exponential, attempt: int, jitter: float, random: float
) -> None:
    policy = Retry(attempts=None, backoff=backoff, jitter=jitter)

    decision = decide(policy, attempt=attempt, error=ERROR, random=random)

    full = backoff(attempt)
    assert full * (1 - jitter) <= decision.delay <= full <= backoff.cap


@pytest.mark.parametrize(("random", "wait"), [(0.0, 10), (0.5, 7.5), (0.999999, 5.000005)])
def test_jitter_spreads_from_the_whole_wait_downwards(random: float, wait: float) -> None:
    policy = Retry(backoff="10s", jitter=0.5)

    decision = decide(policy, attempt=1, error=ERROR, random=random)

    assert decision.delay == timedelta(seconds=wait)


@pytest.mark.parametrize(
    ("policy", "tries"),
    [
        (Retry(), 3),
        (Retry(attempts=1), 1),
        (Retry(attempts=5), 5),
        (Retry.retries(0), 1),
        (Retry.retries(4), 5),
    ],
    ids=["default", "one", "five", "no retries", "four retries"],
)
def test_a_task_is_tried_as_often_as_its_policy_says(policy: Retry, tries: int) -> None:
    attempt = 1
    while (decision := decide(policy, attempt=attempt, error=ERROR, random=0.5)).retry:
        attempt += 1

    assert attempt == tries
    assert decision == RetryDecision(retry=False, delay=timedelta(0), reason="attempts")


@pytest.mark.parametrize("count", [None, -1])
def test_unlimited_retries_never_run_out(count: int | None) -> None:
    policy = Retry.retries(count)

    decision = decide(policy, attempt=2**10_000, error=ERROR, random=0)

    assert policy.attempts is None
    assert decision == RetryDecision(retry=True, delay=timedelta(seconds=300), reason="error")


def test_only_errors_asked_for_are_retried() -> None:
    policy = Retry(on=(OSError,), never=(FileNotFoundError,))

    reasons = {
        type(error).__name__: decide(policy, attempt=1, error=error, random=0).reason
        for error in (OSError(), TimeoutError(), FileNotFoundError(), ValueError())
    }

    assert reasons == {
        "OSError": "error",
        "TimeoutError": "error",
        "FileNotFoundError": "permanent",
        "ValueError": "permanent",
    }


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()], ids=repr)
def test_what_is_no_exception_of_the_handler_is_not_retried(error: BaseException) -> None:
    decision = decide(Retry(), attempt=1, error=error, random=0)

    assert decision.reason == "permanent"


@pytest.mark.parametrize(
    "error", [PermanentError("no such customer"), Reject("not ours"), Cancel()], ids=repr
)
def test_a_permanent_outcome_is_never_retried(error: Exception) -> None:
    policy = Retry(attempts=None, on=(BaseException,))

    decision = decide(policy, attempt=1, error=error, random=0)

    assert decision == RetryDecision(retry=False, delay=timedelta(0), reason="permanent")


def test_retry_later_waits_exactly_as_asked_whatever_the_policy_is_for() -> None:
    policy = Retry(on=(OSError,), never=(LongshoreError,), jitter=1)

    decision = decide(policy, attempt=1, error=RetryLater("2h"), random=0.9)

    assert decision == RetryDecision(retry=True, delay=timedelta(hours=2), reason="error")


def test_retry_later_uses_up_attempts() -> None:
    decision = decide(Retry(attempts=3), attempt=3, error=RetryLater(1), random=0)

    assert decision.reason == "attempts"


@pytest.mark.parametrize("asked", [60, 60.0, timedelta(minutes=1)], ids=["int", "float", "delta"])
def test_a_foreign_retry_after_is_waited_for_at_least(asked: object) -> None:
    short, long = Retry(backoff="1s"), Retry(backoff="1h", jitter=0)

    waits = [decide(p, attempt=1, error=BusyError(asked), random=0).delay for p in (short, long)]

    assert waits == [timedelta(minutes=1), timedelta(hours=1)]


def test_a_foreign_retry_after_is_honoured_up_to_a_day() -> None:
    decision = decide(Retry(), attempt=1, error=BusyError(10**12), random=0)

    assert decision.delay == LONGEST_RETRY_AFTER == timedelta(days=1)


@pytest.mark.parametrize(
    "error",
    [
        RaisingPropertyError(),
        *map(BusyError, (None, "60", -1, float("nan"), float("inf"), True, 10**400, [60])),
    ],
    ids=["raises", "none", "text", "negative", "nan", "inf", "bool", "overflow", "list"],
)
def test_a_foreign_retry_after_that_makes_no_sense_is_ignored(error: Exception) -> None:
    decision = decide(EXACT, attempt=1, error=error, random=0)

    assert decision == RetryDecision(retry=True, delay=timedelta(seconds=2), reason="error")


@pytest.mark.parametrize(
    ("age", "retried"), [(0, True), (50, True), (51, False), (1000, False), (None, True)]
)
def test_no_attempt_begins_after_the_deadline(age: float | None, retried: bool) -> None:  # noqa: FBT001 - a parameter of the test
    policy = Retry(backoff="10s", jitter=0, deadline="1m")
    since = None if age is None else timedelta(seconds=age)

    decision = decide(policy, attempt=1, error=ERROR, random=0, age=since)

    assert decision.retry is retried
    assert decision.reason == ("error" if retried else "deadline")


@pytest.mark.parametrize("backoff", [exploding, backwards], ids=["raises", "negative"])
def test_a_broken_backoff_function_is_stood_in_for_and_reported(backoff: Any) -> None:
    policy = Retry(backoff=backoff, jitter=0)

    decision = decide(policy, attempt=2, error=ERROR, random=0)

    assert decision.retry
    assert decision.delay == timedelta(seconds=4)
    assert "the backoff of this task failed with" in decision.problem


def test_no_wait_is_so_long_that_the_calendar_ends() -> None:
    policy = Retry(attempts=None, backoff=astronomic, jitter=0)

    waits = [
        decide(policy, attempt=1, error=ERROR, random=0).delay,
        decide(policy, attempt=1, error=RetryLater(timedelta.max), random=0).delay,
    ]

    assert waits == [LONGEST_DELAY, LONGEST_DELAY]
    assert (NOW + LONGEST_DELAY).year == 2036


WRONG: dict[str, dict[str, Any]] = {
    "no attempts": {"attempts": 0},
    "negative attempts": {"attempts": -1},
    "attempts as bool": {"attempts": True},
    "attempts as text": {"attempts": "3"},
    "jitter above 1": {"jitter": 1.1},
    "negative jitter": {"jitter": -0.1},
    "jitter not a number": {"jitter": float("nan")},
    "jitter as bool": {"jitter": True},
    "one class": {"on": ValueError},
    "list of classes": {"never": [ValueError]},
    "not an exception": {"on": (int,)},
    "an instance": {"never": (ValueError(),)},
    "no waits": {"backoff": []},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG)
def test_a_policy_that_cannot_work_is_refused_when_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used; give"):
        Retry(**fields)


@pytest.mark.parametrize(
    "fields",
    [{"backoff": "soon"}, {"backoff": -1}, {"backoff": ["1s", "x"]}, {"deadline": "-1m"}],
    ids=repr,
)
def test_a_duration_that_cannot_be_read_is_refused_when_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ScheduleError, match="cannot be read as a duration"):
        Retry(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"base": timedelta(0)},
        {"base": timedelta(minutes=10)},
        {"cap": timedelta.max},
        {"factor": 0.5},
        {"factor": float("inf")},
        {"factor": float("nan")},
    ],
    ids=["zero", "above cap", "endless cap", "shrinking", "inf", "nan"],
)
def test_an_exponential_that_cannot_work_is_refused_when_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used; give"):
        Exponential(**fields)


@pytest.mark.parametrize("count", [-2, True, 1.5, "3"])
def test_a_number_of_retries_that_cannot_be_is_refused(count: Any) -> None:
    with pytest.raises(ConfigurationError, match="retries"):
        Retry.retries(count)


def test_a_policy_is_a_value() -> None:
    policy = Retry(backoff="10s", deadline=60)
    field = "attempts"

    assert policy == Retry(backoff=[timedelta(seconds=10)], deadline="1m")
    assert hash(policy) == hash(Retry(backoff=10, deadline="1m"))
    assert replace(policy, jitter=0).backoff == policy.backoff
    with pytest.raises(FrozenInstanceError):
        setattr(policy, field, 5)


def test_only_attempts_travel_and_can_be_put_over_the_policy_of_the_process() -> None:
    policy = Retry(attempts=7, backoff=lambda attempt: attempt)

    written = policy.to_dict()
    restored = Retry(backoff="1s", on=(OSError,)).with_attempts(written["attempts"])

    assert written == {"attempts": 7}
    assert restored == Retry(attempts=7, backoff="1s", on=(OSError,))


def test_a_snooze_for_a_while_is_due_then() -> None:
    snooze = Snooze("10 minutes", reason="still uploading")

    assert snooze.due(NOW) == NOW + timedelta(minutes=10)
    assert str(snooze) == "snoozed: still uploading"


def test_a_snooze_until_a_time_is_due_then_and_never_in_the_past() -> None:
    evening = datetime(2026, 11, 22, 18)  # noqa: DTZ001 - a naive time is UTC

    due = [Snooze(until=evening).due(now) for now in (NOW, NOW + timedelta(days=1))]

    assert due == [evening.replace(tzinfo=UTC), NOW + timedelta(days=1)]


def test_a_snooze_needs_a_delay_or_a_time_and_not_both() -> None:
    with pytest.raises(ConfigurationError, match="exactly one"):
        Snooze()
    with pytest.raises(ConfigurationError, match="exactly one"):
        Snooze("1m", until=NOW)
    with pytest.raises(ScheduleError):
        Snooze("soon")


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (RetryLater("1h30m", "rate limited"), "retry in 1h30m: rate limited"),
        (Snooze("1h", reason="not ready"), "snoozed: not ready"),
        (Snooze(until=NOW), "snoozed"),
        (Reject("not ours"), "rejected: not ours"),
        (Cancel("order withdrawn"), "cancelled: order withdrawn"),
        (PermanentError("no such customer"), "no such customer"),
    ],
    ids=["later", "snooze", "until", "reject", "cancel", "permanent"],
)
def test_an_outcome_survives_the_way_from_a_child_process(
    outcome: LongshoreError, sentence: str
) -> None:
    arrived = pickle.loads(pickle.dumps(outcome))  # noqa: S301 - our own bytes

    assert type(arrived) is type(outcome)
    assert vars(arrived) == vars(outcome)
    assert str(arrived) == sentence
