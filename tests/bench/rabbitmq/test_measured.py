"""The bench runs and says all its rates. Nothing here looks at a time."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.bench.rabbitmq.__main__ import measured
from tests.brokers.fixtures import rabbitmq_url

__all__ = ["rabbitmq_url"]


@pytest.mark.once
def test_a_run_says_every_rate(rabbitmq_url: str) -> None:
    rates = dict(measured(urlsplit(rabbitmq_url).port or 0, 40))

    assert len(rates) == 8
    assert all(rate > 0 for rate in rates.values())
