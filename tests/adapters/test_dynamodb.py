from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.session import get_session

from longshore.clock import ManualClock
from longshore.conformance import Connect, StoreContract, TaskLogContract
from longshore_adapters.dynamodb import ADAPTER

if TYPE_CHECKING:
    from collections.abc import Iterator


REGION = "us-east-1"


class Tables:
    """A table for each server, made once, and emptied for each test: that is three times faster."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._clients: dict[str, Any] = {}

    def empty(self, endpoint: str) -> str:
        """Give the table's name; nothing is in it but how many shards it has."""
        if endpoint not in self._names:
            name = f"longshore-{uuid4().hex}"
            ADAPTER.init(f"dynamodb://{name}?endpoint_url={endpoint}")
            self._clients[endpoint] = get_session().create_client(
                "dynamodb",
                region_name=REGION,
                endpoint_url=endpoint,
                aws_access_key_id="test",
                aws_secret_access_key="test",  # noqa: S106 - no secret: an emulator takes any
            )
            self._names[endpoint] = name
        self._wipe(endpoint)
        return self._names[endpoint]

    def _wipe(self, endpoint: str) -> None:
        client, name = self._clients[endpoint], self._names[endpoint]
        for page in client.get_paginator("scan").paginate(
            TableName=name, ProjectionExpression="p, s", ConsistentRead=True
        ):
            for key in page["Items"]:
                if key["s"]["S"] != "shards":
                    client.delete_item(TableName=name, Key=key)

    def close(self) -> None:
        for endpoint, client in self._clients.items():
            client.delete_table(TableName=self._names[endpoint])
            client.close()


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    made = Tables()
    yield made
    made.close()


@pytest.mark.usefixtures("aws_environment")
class DynamoDb:
    """Each test finds its table empty."""

    options = ""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def endpoint(self, dynamodb_url: str) -> str:
        return dynamodb_url

    @pytest.fixture
    def url(self, endpoint: str, tables: Tables) -> str:
        table = tables.empty(endpoint)
        return f"dynamodb://{table}?endpoint_url={endpoint}&skew=ignore{self.options}"

    @pytest.fixture
    def connect(self, url: str, clock: ManualClock) -> Connect:
        return lambda: ADAPTER.open(url, clock)


class TestDynamoDbTaskLog(DynamoDb, TaskLogContract): ...


class TestDynamoDbStore(DynamoDb, StoreContract): ...


ATOMIC = "capability: moto's conditional updates are not atomic: of two at once both may succeed"
UNFAITHFUL = {
    "test_concurrent_adds_lose_none": ATOMIC,
    "test_concurrent_increments_under_a_version_lose_none": ATOMIC,
    "test_concurrent_records_of_one_task_insert_one_row": ATOMIC,
    "test_concurrent_repeats_of_one_claim_own_one_token": ATOMIC,
    "test_of_concurrent_claims_exactly_one_wins": ATOMIC,
    "test_of_concurrent_writes_if_absent_one_succeeds": ATOMIC,
}
"""Where moto differs from the service; the README of the adapter has the same list."""


@pytest.mark.once
class Moto(DynamoDb):
    """It answers batches of statements with an error, so that each write is a call of its own."""

    options = "&batch=off"

    @pytest.fixture
    def endpoint(self, moto_url: str, request: pytest.FixtureRequest) -> str:
        name = request.function.__name__
        if name in UNFAITHFUL:
            pytest.skip(UNFAITHFUL[name])
        return moto_url


class TestMotoTaskLog(Moto, TaskLogContract): ...


class TestMotoStore(Moto, StoreContract): ...
