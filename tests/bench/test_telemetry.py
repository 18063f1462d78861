"""The bench of telemetry keeps its form; no test looks at a time."""

from __future__ import annotations

import pytest

from tests.bench.telemetry.__main__ import KINDS, measure, span_cost

pytestmark = pytest.mark.once


def test_every_kind_of_drain_is_measured() -> None:
    least = measure(tasks=1000, rounds=1, before=None)

    assert set(least) == set(KINDS)
    assert all(0 < seconds < 60 for seconds in least.values())
    assert 0 < span_cost(100) < 1
