"""What these credentials may do on DynamoDB: found out without altering anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, get_args
from uuid import uuid4

import pytest
from botocore.session import get_session

from longshore.registry import Role
from longshore_adapters.dynamodb import ADAPTER
from tests.adapters.sqs_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from longshore.registry import Permit
    from tests.adapters.sqs_proxy import Proxy

pytestmark = pytest.mark.once

SINGLE = (
    *("BatchGetItem", "BatchWriteItem", "DeleteItem", "DescribeTable"),
    *("DescribeTimeToLive", "PutItem", "Query", "Scan", "UpdateItem"),
)
STATEMENTS = {"PartiQLDelete", "PartiQLInsert", "PartiQLUpdate"}
NOT_TRIED = {"CreateTable", "DeleteTable", "UpdateTable", "UpdateTimeToLive"}


@pytest.fixture
async def proxy(dynamodb_url: str, aws_environment: None) -> AsyncIterator[Proxy]:
    async with proxied(dynamodb_url) as proxy:
        yield proxy


@pytest.fixture
def table(dynamodb_url: str, aws_environment: None) -> Iterator[str]:
    name = f"permits-{uuid4().hex[:12]}"
    url = f"dynamodb://{name}?endpoint_url={dynamodb_url}"
    ADAPTER.init(url)
    yield name
    ADAPTER.deinit(url)


async def probed(proxy: Proxy, table: str) -> list[Permit]:
    url = f"dynamodb://{table}?endpoint_url={proxy.url}"
    return await asyncio.to_thread(ADAPTER.probe, url, [])


def answers(permits: list[Permit], *, allowed: bool | None) -> set[str]:
    actions = {each.action for each in permits if each.allowed is allowed}
    return {action.removeprefix("dynamodb:") for action in actions}


async def test_what_is_allowed_and_what_is_not_tried_is_told_apart(
    proxy: Proxy, table: str
) -> None:
    permits = await probed(proxy, table)

    assert answers(permits, allowed=True) == {*SINGLE, *STATEMENTS}
    assert answers(permits, allowed=None) == NOT_TRIED
    assert answers(permits, allowed=False) == set()


async def test_every_action_that_a_policy_names_is_answered(proxy: Proxy, table: str) -> None:
    permits = await probed(proxy, table)

    for role in get_args(Role):
        statement: Any
        for statement in ADAPTER.permissions(f"dynamodb://{table}", [], role):
            for action in statement["Action"]:
                answered = {each.resource for each in permits if each.action == action}
                assert answered >= set(statement["Resource"])


async def test_asking_alters_nothing(proxy: Proxy, table: str, dynamodb_url: str) -> None:
    client: Any = get_session().create_client("dynamodb", endpoint_url=dynamodb_url)

    def seen() -> tuple[Any, ...]:
        described = client.describe_table(TableName=table)["Table"]
        steady = {name: described[name] for name in ("AttributeDefinitions", "KeySchema")}
        expiry = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        return client.scan(TableName=table)["Items"], steady, expiry

    before = await asyncio.to_thread(seen)

    await probed(proxy, table)

    assert await asyncio.to_thread(seen) == before
    client.close()


@pytest.mark.parametrize("action", SINGLE)
async def test_what_is_denied_is_found_and_nothing_else(
    proxy: Proxy, table: str, action: str
) -> None:
    proxy.fault = lambda operation, _body: "deny" if operation == action else None

    permits = await probed(proxy, table)

    assert answers(permits, allowed=False) == {action}


@pytest.mark.parametrize("fault", ["deny", "deny one"])
async def test_denied_statements_are_found(proxy: Proxy, table: str, fault: str) -> None:
    proxy.fault = lambda operation, _body: fault if "Statement" in operation else None

    permits = await probed(proxy, table)

    assert answers(permits, allowed=False) == STATEMENTS


async def test_a_service_that_is_away_denies_nothing(proxy: Proxy, table: str) -> None:
    proxy.fault = lambda _operation, _body: "broken"

    permits = await probed(proxy, table)

    assert {each.allowed for each in permits} == {None}


async def test_a_table_that_is_not_there_is_not_made(
    proxy: Proxy, table: str, dynamodb_url: str
) -> None:
    permits = await probed(proxy, f"{table}-absent")

    assert {each.allowed for each in permits} == {None}
    assert proxy.asked["CreateTable"] == 0
