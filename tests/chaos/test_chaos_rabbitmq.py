"""Workers, the broker and its connections broken together on RabbitMQ: every promise is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from longshore.registry import find_adapter
from tests.brokers.proxy import Proxy
from tests.chaos.breaking import assert_kept, broken

if TYPE_CHECKING:
    from pathlib import Path

    from tests.brokers.private import PrivateBroker

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]

HEARTBEAT = 2
STANDING = ("name", "messages_ready", "messages_unacknowledged", "consumers", "leader", "state")


def test_on_rabbitmq_with_a_log_in_sqlite_every_promise_is_kept(
    tmp_path: Path, private_rabbitmq: PrivateBroker
) -> None:
    log_url = f"sqlite:///{tmp_path}/log.db"
    find_adapter(log_url).init(log_url)

    seen = broken_on(private_rabbitmq, log_url, tmp_path)

    assert_kept(seen, seen["broker"])


def test_on_rabbitmq_with_a_log_in_dynamodb_every_promise_is_kept(
    tmp_path: Path, private_rabbitmq: PrivateBroker, dynamodb_url: str, aws_environment: None
) -> None:
    log_url = f"dynamodb://chaos{uuid4().hex[:8]}?endpoint_url={dynamodb_url}"
    find_adapter(log_url).init(log_url)

    seen = broken_on(private_rabbitmq, log_url, tmp_path)

    assert_kept(seen, seen["broker"])
    find_adapter(log_url).deinit(log_url)  # a broken promise leaves the table, to be looked into


def broken_on(broker: PrivateBroker, log_url: str, at: Path) -> dict[str, Any]:
    """Break the queue's broker and what leads to it; the log stays as it is."""
    with Proxy(broker.port) as proxy:
        queue_url = (
            f"rabbitmq://guest:guest@127.0.0.1:{proxy.port}"
            f"?heartbeat={HEARTBEAT}&prefix=chaos-{uuid4().hex[:8]}-"
        )
        seen = broken(("--url", log_url, "--queue-url", queue_url), broker, proxy, at)
    return seen | {"broker": broker.told("list_queues", *STANDING)}
