from __future__ import annotations

from datetime import timedelta

import pytest

from longshore.errors import UnsupportedError
from longshore_adapters.sqs import limits

SECOND = timedelta(seconds=1)


def test_a_lease_above_twelve_hours_is_refused_and_one_of_twelve_is_not() -> None:
    refusal = limits.lease_refusal(timedelta(seconds=43_201))

    assert isinstance(refusal, UnsupportedError)
    assert "12:00:00 is the limit of SQS" in str(refusal)
    assert limits.lease_refusal(timedelta(seconds=43_200)) is None


def test_a_release_beyond_a_quarter_of_an_hour_is_refused_and_sent_to_the_log() -> None:
    refusal = limits.release_refusal(timedelta(minutes=15) + SECOND)

    assert isinstance(refusal, UnsupportedError)
    assert "in the log" in str(refusal)
    assert limits.release_refusal(timedelta(minutes=15)) is None


@pytest.mark.parametrize(("asked", "whole"), [(0.1, 1), (1.0, 1), (1.2, 2), (-3.0, 0)])
def test_a_lease_is_never_shorter_than_asked_for(asked: float, whole: int) -> None:
    assert limits.seconds(timedelta(seconds=asked)) == whole
