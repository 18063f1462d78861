"""The bench of telemetry keeps its form; no test looks at a time."""

from __future__ import annotations

import pytest

from tests.bench.telemetry.__main__ import KINDS, attempts, drains, measure
from tests.bench.telemetry.attempts import measured

pytestmark = pytest.mark.once


def test_every_kind_of_drain_is_measured() -> None:
    took = measure(tasks=1000, rounds=1, before=None)

    assert set(took) == set(KINDS)
    assert all(0 < one < 60 for seconds in took.values() for one in seconds)
    assert len(list(drains(took, 1000))) == len(KINDS)


def test_every_kind_of_attempt_is_measured_beside_the_bare_sdk() -> None:
    least = measured(batches=1, rounds=1)

    assert {"none, bare", "sampled, bare", "every, bare", "nothing"} <= set(least)
    assert all(0 < seconds < 1 for seconds in least.values())
    assert len(list(attempts(least))) == len(KINDS) - 1
