from __future__ import annotations

from datetime import timedelta

import pytest

from longshore.clock import ManualClock
from longshore.errors import UnsupportedError
from longshore.queue import Delivery
from longshore_adapters.sqs import limits
from longshore_adapters.sqs.receipts import Receipt, held_for, receipt_of

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


def test_what_would_hide_a_message_past_twelve_hours_since_its_receive_is_refused() -> None:
    held = timedelta(hours=11, minutes=59)
    refusal = limits.hold_refusal(held, timedelta(seconds=61))

    assert isinstance(refusal, UnsupportedError)
    assert "0:01:01 more for a message that has been held for 11:59:00" in str(refusal)
    assert "12:00:00 since the receive is the limit of SQS (ChangeMessageVis" in str(refusal)
    assert limits.hold_refusal(held, timedelta(seconds=60)) is None


@pytest.mark.parametrize(("passed", "held"), [(0.0, 0), (0.2, 1), (1.0, 1), (43_199.5, 43_200)])
def test_a_message_is_never_held_for_less_than_sqs_counts(passed: float, held: int) -> None:
    clock = ManualClock()
    receipt = str(Receipt(threshold=10, since=clock.monotonic(), handle="AQ EB="))
    clock.advance(timedelta(seconds=passed))

    assert held_for(Delivery(receipt=receipt, queue="q", body=b""), clock) == held * SECOND


def test_a_receipt_is_read_as_it_was_written() -> None:
    receipt = Receipt(threshold=0, since=1.5, handle="AQ EB=")

    assert receipt_of(Delivery(receipt=str(receipt), queue="q", body=b"")) == receipt


@pytest.mark.parametrize(("asked", "whole"), [(0.1, 1), (1.0, 1), (1.2, 2), (-3.0, 0)])
def test_a_lease_is_never_shorter_than_asked_for(asked: float, whole: int) -> None:
    assert limits.seconds(timedelta(seconds=asked)) == whole
