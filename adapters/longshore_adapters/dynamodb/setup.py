"""Making, examining and removing the table."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import StorageError, UnavailableError
from longshore.registry import Finding
from longshore_adapters.dynamodb import schema
from longshore_adapters.dynamodb.errors import code_of
from longshore_adapters.dynamodb.places import META
from longshore_adapters.dynamodb.scalars import number, text

if TYPE_CHECKING:
    from longshore_adapters.dynamodb.connection import Connection

SHARDS: Final = {"p": text(META), "s": text("shards")}
"""The item that says how many shards the table has had at most."""
_POLL: Final = 0.5
_PATIENCE: Final = 1200
"""Looks before giving up: an index over many rows is built for minutes."""
_INIT: Final = "longshore init --log dynamodb://TABLE"


async def describe(connection: Connection) -> dict[str, Any] | None:
    """Read what the service says of the table; None where there is none."""
    try:
        answer = await connection.call("DescribeTable", {"TableName": connection.options.table})
    except StorageError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    table: dict[str, Any] = answer["Table"]
    return table


async def make(connection: Connection) -> list[str]:
    """Create what is missing; say what was made."""
    name = connection.options.table
    said: list[str] = []
    if await describe(connection) is None:
        await _create(connection)
        said.append(f"table {name}: created, paid by request")
    found = await _active(connection)
    there = {index["IndexName"] for index in found.get("GlobalSecondaryIndexes", [])}
    for index in schema.INDEXES:
        if index not in there:
            await _add_index(connection, index)
            said.append(f"index {index} of {name}: created")
    if await _expire(connection):
        said.append(f"expiry of {name}: turned on, by the attribute {schema.EXPIRES!r}")
    if await _spread(connection):
        said.append(f"shards of {name}: {connection.options.shards}")
    return said or [f"table {name}: exists, with all it needs"]


async def remove(connection: Connection) -> list[str]:
    """Remove the table with everything in it."""
    name = connection.options.table
    if await describe(connection) is None:
        return [f"table {name}: not there"]
    await connection.call("DeleteTable", {"TableName": name})
    for _ in range(_PATIENCE):
        if await describe(connection) is None:
            return [f"table {name}: removed"]
        await asyncio.sleep(_POLL)
    message = f"the table {name} is still being removed; look again later"
    raise UnavailableError(message)


async def shards(connection: Connection) -> int:
    """Read into how many shards the table is spread; raises where there is no such table."""
    keys = {connection.options.table: {"Keys": [SHARDS], "ConsistentRead": True}}
    answer = await connection.call("BatchGetItem", {"RequestItems": keys})
    for item in answer["Responses"].get(connection.options.table, []):
        return int(item["n"]["N"])
    name = connection.options.table
    message = f"the table {name} is not one of Longshore's, or not ready; run: {_INIT}"
    raise StorageError(message)


async def examine(connection: Connection) -> list[Finding]:
    """Compare the table with what it should be."""
    name = connection.options.table
    found = await describe(connection)
    if found is None:
        return [Finding(name=name, verdict="fail", text="there is no such table", step=_INIT)]
    findings = [
        Finding(name=name, verdict="ok", text=f"the table is {found['TableStatus'].lower()}")
    ]
    there = {index["IndexName"]: index for index in found.get("GlobalSecondaryIndexes", [])}
    findings += [
        Finding(name=name, verdict="fail", text=f"index {index} is missing", step=_INIT)
        for index in schema.INDEXES
        if index not in there
    ]
    if not await _expires(connection):
        text_ = "expired entries of the store are never removed"
        findings.append(Finding(name=name, verdict="warn", text=text_, step=_INIT))
    if len(found.get("Replicas", [])) > 0:
        text_ = "a global table: safe only while one region alone writes"
        step = "let all workers and clients use one region"
        findings.append(Finding(name=name, verdict="warn", text=text_, step=step))
    return findings


async def _create(connection: Connection) -> None:
    try:
        await connection.call("CreateTable", schema.table(connection.options.table))
    except StorageError as error:
        if code_of(error) != "ResourceInUseException":  # another init was faster
            raise


async def _active(connection: Connection) -> dict[str, Any]:
    for _ in range(_PATIENCE):
        found = await describe(connection)
        if found is not None and _is_active(found):
            return found
        await asyncio.sleep(_POLL)
    message = f"the table {connection.options.table} does not become active; look again later"
    raise UnavailableError(message)


def _is_active(found: dict[str, Any]) -> bool:
    indexes = found.get("GlobalSecondaryIndexes", [])
    states = [found["TableStatus"], *(index["IndexStatus"] for index in indexes)]
    return all(state == "ACTIVE" for state in states)


async def _add_index(connection: Connection, index: str) -> None:
    await connection.call(
        "UpdateTable",
        {
            "TableName": connection.options.table,
            "AttributeDefinitions": schema.attributes("p", "s", *schema.INDEXES[index]),
            "GlobalSecondaryIndexUpdates": [{"Create": schema.index(index)}],
        },
    )
    await _active(connection)


async def _expires(connection: Connection) -> bool:
    asked = {"TableName": connection.options.table}
    answer = await connection.call("DescribeTimeToLive", asked)
    status = answer["TimeToLiveDescription"].get("TimeToLiveStatus")
    return status in {"ENABLED", "ENABLING"}


async def _expire(connection: Connection) -> bool:
    """Turn expiry on; False where it is."""
    if await _expires(connection):
        return False
    wanted = {"Enabled": True, "AttributeName": schema.EXPIRES}
    asked = {"TableName": connection.options.table, "TimeToLiveSpecification": wanted}
    await connection.call("UpdateTimeToLive", asked)
    return True


async def _spread(connection: Connection) -> bool:
    """Write how many shards there are: never fewer than before, since rows are in all of them."""
    wanted = number(connection.options.shards)
    asked = {
        "TableName": connection.options.table,
        "Key": SHARDS,
        "UpdateExpression": "SET n = :n",
        "ConditionExpression": "attribute_not_exists(n) OR n < :n",
        "ExpressionAttributeValues": {":n": wanted},
    }
    try:
        await connection.call("UpdateItem", asked)
    except StorageError as error:
        if code_of(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True
