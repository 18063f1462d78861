from __future__ import annotations

from uuid import uuid4

import pytest

from longshore.clock import SystemClock
from longshore.conformance import Connect, QueueContract
from longshore.conformance.queue import Delaying, Receiving, Rejecting, Releasing
from longshore_adapters.rabbitmq import ADAPTER

pytestmark = pytest.mark.once

KIT_PRIORITIES = "1,5,10,15,42,100"
"""A band for each priority that the kit tells apart."""


class RabbitMq:
    options = ""

    @pytest.fixture
    def url(self, rabbitmq_url: str) -> str:
        return f"{rabbitmq_url}?prefix=kit-{uuid4().hex[:8]}-{self.options}"

    @pytest.fixture
    def connect(self, url: str) -> Connect:
        return lambda: ADAPTER.open(url, SystemClock())


class TestQuorum(RabbitMq, QueueContract): ...


class TestClassicWithPriorities(RabbitMq, QueueContract):
    options = f"&type=classic&bands={KIT_PRIORITIES}"


class TestLadder(RabbitMq, Delaying, Receiving, Releasing, Rejecting):
    options = "&ladder=on"

    @pytest.fixture
    def url(self, rabbitmq_url: str) -> str:
        """One ladder for all runs: its 28 queues would be left behind by each."""
        return f"{rabbitmq_url}?prefix=kit-ladder-{self.options}"
