from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from longshore.registry import SupportsPermissions
from longshore_adapters.sqs import ADAPTER

if TYPE_CHECKING:
    from longshore.registry import Role

URL = "sqs://123456789012?region=eu-central-1&bands=10"


def allowed(role: Role, url: str = URL) -> dict[str, set[str]]:
    """Actions by the queue they are allowed on."""
    found: dict[str, set[str]] = {}
    statement: Any
    for statement in ADAPTER.permissions(url, ["orders"], role):
        assert statement["Effect"] == "Allow"
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            found.setdefault(resource.rpartition(":")[2], set()).update(statement["Action"])
    return found


def test_a_producer_may_send_and_nothing_else() -> None:
    send = {"sqs:GetQueueUrl", "sqs:SendMessage"}

    assert allowed("producer") == {"orders": send, "orders-p10": send}


def test_a_worker_may_not_make_or_empty_queues_nor_read_dead_letters() -> None:
    found = allowed("worker")

    assert not {"sqs:CreateQueue", "sqs:PurgeQueue", "sqs:DeleteQueue"} & set().union(
        *found.values()
    )
    assert "sqs:ReceiveMessage" in found["orders-p10"]
    assert "sqs:ReceiveMessage" not in found["orders-dlq"]
    assert "sqs:SendMessage" in found["orders-dlq"]


def test_an_operator_may_redrive_and_neither_receive_nor_remove_what_waits() -> None:
    found = allowed("operator")

    assert "sqs:StartMessageMoveTask" in found["orders-dlq"]
    assert not {"sqs:ReceiveMessage", "sqs:DeleteMessage"} & found["orders"]


@pytest.mark.parametrize("role", ["producer", "worker", "operator"])
def test_what_the_url_does_not_say_has_a_name_to_replace(role: Role) -> None:
    assert isinstance(ADAPTER, SupportsPermissions)
    for statement in ADAPTER.permissions("sqs://", ["orders"], role):
        resources: Any = statement["Resource"]
        assert all(each.startswith("arn:aws:sqs:REGION:ACCOUNT_ID:orders") for each in resources)
