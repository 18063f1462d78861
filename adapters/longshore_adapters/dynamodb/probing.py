"""What the caller may do, found out by calls that alter nothing: reads, and writes of no item.

Each write is of a key that no item has, under a condition that only an item could meet. Actions of
which there is no such call are not tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import uuid4

from longshore.errors import LongshoreError, UnavailableError
from longshore.registry import Permit
from longshore_adapters.dynamodb import schema
from longshore_adapters.dynamodb.errors import DENIED, MISSING, code_of
from longshore_adapters.dynamodb.permissions import every_action, resources
from longshore_adapters.dynamodb.scalars import number, text
from longshore_adapters.dynamodb.setup import SHARDS
from longshore_adapters.dynamodb.statements import Kind, Write, inserting, request, statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore_adapters.dynamodb.connection import Connection

_Call: TypeAlias = "tuple[str, Mapping[str, Any]]"
"""An operation and its request."""

_QUERY: Final = "Query"
_NO_CALL: Final = "not tried"
_NO_TABLE: Final = "there is no such table, or none that is ready"


async def probe(connection: Connection) -> list[Permit]:
    """Try whatever any role does."""
    name = connection.options.table
    table, indexes = resources(connection.options)
    calls = {**_reads(name), **_writes(name)}
    if await _is_ready(connection):
        calls["PartiQLInsert"] = _partiql(name, inserting({**SHARDS, "n": number(0)}))
    permits = [
        await _tried(connection, action, table, calls.get(action)) for action in every_action()
    ]
    return [*permits, await _tried(connection, _QUERY, indexes, _of_an_index(name))]


def _reads(table: str) -> dict[str, _Call]:
    on, least = {"TableName": table}, {"Limit": 1, "Select": "COUNT"}
    return {
        "BatchGetItem": ("BatchGetItem", {"RequestItems": {table: {"Keys": [SHARDS]}}}),
        "DescribeTable": ("DescribeTable", on),
        "DescribeTimeToLive": ("DescribeTimeToLive", on),
        _QUERY: (_QUERY, {**on, **least, **_equals("p")}),
        "Scan": ("Scan", {**on, **least}),
    }


def _of_an_index(table: str) -> _Call:
    least = {"TableName": table, "Limit": 1, "Select": "COUNT", "IndexName": schema.LIST}
    return _QUERY, {**least, **_equals(schema.INDEXES[schema.LIST][0])}


def _equals(key: str) -> dict[str, Any]:
    return {
        "KeyConditionExpression": f"{key} = :nobody",
        "ExpressionAttributeValues": {":nobody": text("doctor")},
    }


def _writes(table: str) -> dict[str, _Call]:
    """Give for each action a write that finds no item, and makes none."""
    nobody = {"p": text("doctor"), "s": text(uuid4().hex)}
    where = {"n": number(0)}
    update = Write(Kind.UPDATE, nobody, {"n": number(0)}, where=where)
    delete = Write(Kind.DELETE, nobody, where=where)
    put = {"TableName": table, "Item": nobody, "ConditionExpression": "attribute_exists(p)"}
    gone = {"DeleteRequest": {"Key": nobody}}
    return {
        "BatchWriteItem": ("BatchWriteItem", {"RequestItems": {table: [gone]}}),
        "DeleteItem": ("DeleteItem", request(table, delete)),
        "PartiQLDelete": _partiql(table, delete),
        "PartiQLUpdate": _partiql(table, update),
        "PutItem": ("PutItem", put),
        "UpdateItem": ("UpdateItem", request(table, update)),
    }


def _partiql(table: str, write: Write) -> _Call:
    return "BatchExecuteStatement", {"Statements": [statement(table, write)]}


async def _is_ready(connection: Connection) -> bool:
    """Whether the item is there that an insert is to find."""
    operation, asked = _reads(connection.options.table)["BatchGetItem"]
    try:
        answer = await connection.call(operation, asked)
    except LongshoreError:
        return False
    return bool(answer["Responses"].get(connection.options.table))


async def _tried(connection: Connection, action: str, resource: str, call: _Call | None) -> Permit:
    allowed, said = (None, _NO_CALL) if call is None else await _asked(connection, *call)
    return Permit(action=f"dynamodb:{action}", resource=resource, allowed=allowed, text=said)


def _of_a_statement(answer: Mapping[str, Any]) -> str:
    """Why the one statement was not carried out; empty where it was."""
    error: Mapping[str, str] = answer["Responses"][0].get("Error", {})
    return error.get("Code", "")


async def _asked(
    connection: Connection, operation: str, asked: Mapping[str, Any]
) -> tuple[bool | None, str]:
    try:
        answer = await connection.call(operation, asked)
    except LongshoreError as error:
        code, said = code_of(error), str(error)
        if not code or (isinstance(error, UnavailableError) and code not in DENIED):
            return None, said
    else:
        code = said = _of_a_statement(answer) if operation == "BatchExecuteStatement" else ""
    if code in MISSING:
        return None, _NO_TABLE
    return code not in DENIED, said if code in DENIED else ""
