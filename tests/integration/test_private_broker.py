"""The broker that other tests kill does what they ask of it."""

from __future__ import annotations

import json
from base64 import b64encode
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from tests.brokers.probe import HOST

if TYPE_CHECKING:
    from tests.brokers.private import PrivateBroker

pytestmark = [pytest.mark.once, pytest.mark.timeout(180)]


def vhosts(broker: PrivateBroker) -> set[str]:
    """Ask its management API."""
    account = {"Authorization": f"Basic {b64encode(b'guest:guest').decode()}"}
    connection = HTTPConnection(HOST, broker.management_port, timeout=30)
    connection.request("GET", "/api/vhosts", headers=account)
    with connection.getresponse() as answer:
        found = {each["name"] for each in json.load(answer)}
    connection.close()
    return found


def test_a_private_broker_that_is_killed_and_started_has_what_it_had(
    private_rabbitmq: PrivateBroker,
) -> None:
    private_rabbitmq.told("add_vhost", "kept")

    private_rabbitmq.kill()
    accepted = private_rabbitmq.accepts()
    private_rabbitmq.start()

    assert not accepted
    assert private_rabbitmq.accepts()
    assert "kept" in vhosts(private_rabbitmq)
