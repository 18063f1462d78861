"""The README's first promises: its table of adapters, its ten lines of code."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from longshore.clock import SystemClock
from longshore.registry import Backend, find_adapter
from longshore_adapters.dynamodb.connection import Connection
from longshore_adapters.dynamodb.options import parse_url
from longshore_adapters.dynamodb.store import DynamoDbStore
from longshore_adapters.dynamodb.table import Table
from longshore_adapters.dynamodb.task_log import DynamoDbTaskLog
from longshore_adapters.redis import backend as redis_backend
from longshore_adapters.redis import connection as redis_connection
from longshore_adapters.redis import options as redis_options
from tests.architecture.places import OTHER_SCHEMES, ROOT
from tests.brokers.fixtures import aws_environment, postgres_schema, postgres_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import timedelta
    from pathlib import Path

__all__ = ["aws_environment", "postgres_schema", "postgres_url"]

README = (ROOT / "README.md").read_text(encoding="utf-8")
URLS = {
    "dynamodb": "dynamodb://readme?region=us-east-1",
    "memory": "memory://",
    "null": "null://",
    "postgres": "{postgres_schema}",
    "rabbitmq": "rabbitmq://broker?type=classic&bands=10",
    "redis": "redis://server",
    "s3": "s3://",
    "sqlite": "sqlite:///{tmp}/readme.db",
    "sqs": "sqs://?region=us-east-1&bands=1,5,10,15",
}
NONE = "–"


@pytest.mark.parametrize("scheme", sorted(URLS))
async def test_the_table_says_what_the_adapter_declares(
    scheme: str, tmp_path: Path, aws_environment: None, request: pytest.FixtureRequest
) -> None:
    said = row_of(scheme)
    url = URLS[scheme]
    if url.startswith("{postgres"):
        url = request.getfixturevalue(url.strip("{}"))

    async with opened(url.format(tmp=tmp_path)) as backend:
        declared = declared_by(backend)
        there = {
            "queue": backend.queue is not None,
            "log": backend.task_log is not None,
            "store": backend.store is not None,
        }

    assert {name: said[name] != NONE for name in there} == there
    wrong = [name for name, begin in declared.items() if not said[name].startswith(begin)]
    assert wrong == [], declared


def test_every_adapter_with_an_entry_point_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z0-9]+)://", README, re.MULTILINE)

    assert sorted(rows) == sorted(URLS)
    schemes = set(entry_points(group="longshore.adapters").names)
    assert {*rows} == schemes - {*OTHER_SCHEMES}


def test_the_ten_lines_run_as_they_stand() -> None:
    (block,) = re.findall(r"```python\n(# shop\.py\n.*?)```", README, re.DOTALL)
    names: dict[str, object] = {"__name__": "shop"}

    exec(compile(block, "shop.py", "exec"), names)  # noqa: S102 - our own README

    assert callable(names["send_email"])


def row_of(scheme: str) -> dict[str, str]:
    """Read an adapter's row by the names of its columns."""
    lines = [line for line in README.splitlines() if line.startswith("|")]
    head = [cell.strip() for cell in lines[0].strip("|").split("|")]
    (row,) = [line for line in lines if line.startswith(f"| `{scheme}://")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    return dict(zip(head, cells, strict=True))


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Backend]:
    """Open an adapter, without its server where that can be."""
    if url.startswith("dynamodb:"):
        connection = Connection(parse_url(url), SystemClock())
        table = Table(connection)
        log = DynamoDbTaskLog(connection, table, shards=1)
        yield Backend(url=url, task_log=log, store=DynamoDbStore(connection, table))
    elif url.startswith("redis:"):
        options = redis_options.parse_url(url)
        unconnected = redis_connection.Connection(options, SystemClock())
        yield redis_backend.serving(url, unconnected, unconnected, [], "")
    else:
        async with find_adapter(url).open(url, SystemClock()) as backend:
            yield backend


def declared_by(backend: Backend) -> dict[str, str]:
    """Say how the cells begin, by what a backend's ports declare: a queue's, else a log's."""
    cells = dict.fromkeys(
        ["durable", "several processes", "delay", "priority", "dead letters"], NONE
    )
    if backend.task_log is not None:
        log = backend.task_log.capabilities
        cells |= {"durable": _word(given=log.durable), "several processes": _word(given=log.shared)}
    if backend.queue is None:
        return cells
    queue = backend.queue("readme").capabilities
    return {
        "durable": _word(given=queue.durable),
        "several processes": _word(given=queue.shared),
        "delay": _length(queue.max_delay),
        "priority": "0–100" if queue.priorities else NONE,
        "dead letters": _word(given=queue.dead_letters),
    }


def _word(*, given: bool) -> str:
    return "yes" if given else "no"


def _length(longest: timedelta | None) -> str:
    return "any" if longest is None else f"{longest.total_seconds() / 60:g} min,"
