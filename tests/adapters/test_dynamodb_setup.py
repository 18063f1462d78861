"""Making, examining and removing the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.session import get_session

from longshore.clock import SystemClock
from longshore.errors import StorageError
from longshore.registry import SupportsExamination, SupportsPermissions
from longshore_adapters.dynamodb import ADAPTER, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("aws_environment")]


@pytest.fixture
def table() -> str:
    return f"longshore-{uuid4().hex}"


@pytest.fixture
def url(table: str, dynamodb_url: str, aws_environment: None) -> Iterator[str]:
    assert aws_environment is None
    url = f"dynamodb://{table}?endpoint_url={dynamodb_url}"
    yield url
    ADAPTER.deinit(url)


def create(definition: dict[str, Any], endpoint: str) -> None:
    client: Any = get_session().create_client("dynamodb", endpoint_url=endpoint)
    client.create_table(**definition)
    client.close()


def test_init_says_what_it_made_and_then_that_all_is_there(url: str, table: str) -> None:
    first = ADAPTER.init(url)
    second = ADAPTER.init(url)

    assert first[0] == f"table {table}: created, paid by request"
    assert second == [f"table {table}: exists, with all it needs"]


def test_init_makes_an_index_that_is_missing(
    table: str, moto_url: str, aws_environment: None
) -> None:
    """On moto, because DynamoDB Local takes a minute to build an index of nothing."""
    url = f"dynamodb://{table}?endpoint_url={moto_url}"
    made = schema.table(table)
    made["GlobalSecondaryIndexes"] = [schema.index(schema.LIST)]
    made["AttributeDefinitions"] = schema.attributes("p", "s", "g", "o")
    create(made, moto_url)

    found = {finding.text for finding in ADAPTER.examine(url, [])}
    said = ADAPTER.init(url)

    assert "index wake is missing" in found
    assert f"index wake of {table}: created" in said
    assert [finding.verdict for finding in ADAPTER.examine(url, [])] == ["ok"]
    ADAPTER.deinit(url)


def test_shards_are_never_made_fewer(url: str, table: str) -> None:
    ADAPTER.init(f"{url}&shards=8")

    fewer = ADAPTER.init(f"{url}&shards=2")
    more = ADAPTER.init(f"{url}&shards=16")

    assert fewer == [f"table {table}: exists, with all it needs"]
    assert more == [f"shards of {table}: 16"]


def test_deinit_removes_the_table_once(url: str, table: str) -> None:
    ADAPTER.init(url)

    assert ADAPTER.deinit(url) == [f"table {table}: removed"]
    assert ADAPTER.deinit(url) == [f"table {table}: not there"]


def test_a_missing_table_is_a_finding_with_the_next_step(url: str) -> None:
    [finding] = ADAPTER.examine(url, ["default"])

    assert finding.verdict == "fail"
    assert "longshore init" in finding.step


async def test_a_table_of_another_program_is_refused(
    url: str, table: str, dynamodb_url: str
) -> None:
    create(schema.table(table), dynamodb_url)

    with pytest.raises(StorageError, match="not one of Longshore's"):
        async with ADAPTER.open(url, SystemClock()):
            pass


async def test_calls_are_counted_by_operation(url: str) -> None:
    ADAPTER.init(url)

    async with ADAPTER.open(url, SystemClock()) as backend:
        assert backend.store is not None
        assert backend.calls is not None
        before = backend.calls().get("BatchGetItem", 0)
        await backend.store.get(["a", "b"])

        assert backend.calls()["BatchGetItem"] == before + 1
        assert backend.queue is None


def test_the_adapter_can_be_examined_and_knows_its_permissions() -> None:
    assert isinstance(ADAPTER, SupportsExamination)
    assert isinstance(ADAPTER, SupportsPermissions)
