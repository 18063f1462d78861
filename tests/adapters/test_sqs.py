from __future__ import annotations

from uuid import uuid4

import pytest

from longshore.clock import SystemClock
from longshore.conformance import Connect, QueueContract, Time
from longshore.conformance.queue import Keeping, Ordering, Receiving, Rejecting
from longshore.conformance.queue.hands import Hands
from longshore_adapters.sqs import ADAPTER, receive_call, receiving

pytestmark = pytest.mark.once

KIT_PRIORITIES = "1,5,10,15,42,100"
"""A band for each priority that the kit tells apart."""


class Sqs:
    """Short polls are sound here, where one server has all messages, and save a second each."""

    options = "short_polls=on"

    @pytest.fixture
    def url(self, endpoint: str, aws_environment: None) -> str:
        return f"sqs://?endpoint_url={endpoint}&{self.options}"

    @pytest.fixture
    def connect(self, url: str) -> Connect:
        return lambda: ADAPTER.open(url, SystemClock())


class OnLocalStack(Sqs):
    @pytest.fixture
    def endpoint(self, localstack_url: str) -> str:
        return localstack_url


class OnMoto(Sqs):
    @pytest.fixture
    def endpoint(self, moto_url: str) -> str:
        return moto_url


class Fifo(Sqs):
    @pytest.fixture
    def queue_name(self) -> str:
        return f"conformance-{uuid4().hex[:12]}.fifo"


class Bands(Sqs):
    options = f"short_polls=on&bands={KIT_PRIORITIES}"

    @pytest.fixture(autouse=True)
    def patience(self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
        """Six polls at once take an emulator on a busy machine longer than SQS."""
        if "priority" in request.node.name:
            monkeypatch.setattr(receive_call, "SETTLED", 5.0)
            monkeypatch.setattr(receiving, "SETTLED", 5.0)


class TestStandardOnLocalStack(OnLocalStack, QueueContract): ...


class MotoContract(OnMoto, QueueContract):
    async def test_concurrent_receivers_never_hold_the_same_message(
        self, hands: Hands, others_hands: Hands
    ) -> None:
        pytest.skip("capability: moto now and then gives one message to two receives at once")


class TestStandardOnMoto(MotoContract): ...


class TestFifoOnLocalStack(Fifo, OnLocalStack, QueueContract): ...


class TestFifoOnMoto(Fifo, MotoContract):
    async def test_a_receive_returns_as_soon_as_a_message_is_released(
        self, hands: Hands, time: Time
    ) -> None:
        pytest.skip("capability: moto's long poll does not see a group that is released during it")


class TestReceivingAsOnAws(OnLocalStack, Receiving):
    options = "short_polls=off"


class TestBandsOnLocalStack(Bands, OnLocalStack, QueueContract): ...


class TestBandsOnMoto(Bands, OnMoto, Ordering, Rejecting, Keeping): ...
