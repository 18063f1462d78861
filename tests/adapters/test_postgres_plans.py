"""Each statement finds its rows by an index, however few there were when it was planned."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import pytest

from longshore_adapters.postgres import listing, statements
from longshore_adapters.postgres.connection import connect
from longshore_adapters.postgres.options import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from longshore_adapters.postgres.connection import Bounded

pytestmark = pytest.mark.once

OURS: Final = {"attempt", "dead_letter", "entry", "message", "queue", "task"}
NO_ROWS: Final = {"CLOCK", "WAKE", "ANNOUNCE", "WITHDRAW", "INSERT_TASK", "UPDATE_TASK"}
"""What reads no table; and the two that take a row by its place, of which one is shown below."""


def named() -> dict[str, str]:
    """Every statement by its name, those of the listings too."""
    found: dict[str, str] = {}
    for module in (statements, listing):
        for name, text in vars(module).items():
            whole = isinstance(text, str) and re.match(
                r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)", text
            )
            if whole and name.isupper() and not name.startswith("_") and "%(" in text:
                found[name] = text
    return found


STATEMENTS: Final = {name: text for name, text in named().items() if name not in NO_ROWS}


@pytest.fixture
def connection(postgres_schema: str) -> Iterator[Bounded]:
    with closing(connect(parse_url(postgres_schema))) as opened:
        yield opened


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def read_whole(connection: Bounded, statement: str) -> list[str]:
    """The tables that a plan for any values reads from end to end, by no index."""
    names: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    text = re.sub(r"%\((\w+)\)[sb]", numbered, statement)
    connection.execute(f"PREPARE asked AS {text}".encode())
    nothing = f"({', '.join(['NULL'] * len(names))})" if names else ""
    explain = f"EXPLAIN (FORMAT JSON) EXECUTE asked{nothing}".encode()
    [(plans,)] = connection.execute(explain).fetchall()
    return [
        f"{node['Node Type']} on {node['Relation Name']}"
        for node in nodes(plans[0]["Plan"])
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in OURS
    ]


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_a_statement_reads_no_table_whole(connection: Bounded, name: str) -> None:
    assert read_whole(connection, STATEMENTS[name]) == []


def test_no_statement_was_forgotten() -> None:
    assert len(STATEMENTS) > 35
    assert {"TAKE", "START", "SUCCEED", "RECORD", "PRUNE", "SCAN", "DURATION"} <= set(STATEMENTS)


def test_a_table_that_is_read_whole_would_be_seen(connection: Bounded) -> None:
    assert read_whole(connection, "SELECT 1 FROM task WHERE label = %(label)s::text") == [
        "Seq Scan on task"
    ]
