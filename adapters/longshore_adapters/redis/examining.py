"""How the server is set up, beside how it should be. Nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from longshore.errors import LongshoreError
from longshore.registry import Finding
from longshore_adapters.redis import server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from longshore_adapters.redis.connection import Connection
    from longshore_adapters.redis.server import Facts


async def examine(connection: Connection) -> list[Finding]:
    """Look at the server; all queues share it."""
    where = connection.options.where
    try:
        facts = await server.look(connection)
        server.check(facts, where)
    except LongshoreError as error:
        return [_finding("server", "fail", str(error), "correct the URL, or the server")]
    return [
        _finding("server", "ok", f"version {facts.version} at {where}"),
        *_memory(facts),
        *_disk(facts),
        *_cluster(facts),
    ]


def _memory(facts: Facts) -> Iterator[Finding]:
    if facts.maxmemory == 0:
        text = "it has no limit of its own, and may be killed by the system when memory ends"
        step = "CONFIG SET maxmemory to what the host can spare, and maxmemory-policy noeviction"
        yield _finding("memory", "warn", text, step)
    elif facts.policy == "noeviction":
        yield _finding("memory", "ok", f"{facts.maxmemory:,} bytes at most, and evicts nothing")
    else:
        text = f"{facts.maxmemory:,} bytes at most; {facts.policy} spares keys without an expiry"
        yield _finding("memory", "ok", f"{text}, as all of Longshore's are")


def _disk(facts: Facts) -> Iterator[Finding]:
    text = f"what was answered survives {facts.survives}"
    if facts.append_only and facts.fsync in {"always", "everysec"}:
        yield _finding("disk", "ok", text)
    else:
        step = "CONFIG SET appendonly yes, and appendfsync everysec, or always where nothing may go"
        yield _finding("disk", "warn", text, step)


def _cluster(facts: Facts) -> Iterator[Finding]:
    if facts.cluster:
        text = "it is a node of one; all keys of a prefix are in one slot, hence on one node"
        yield _finding("cluster", "ok", text)


def _finding(
    name: str, verdict: Literal["ok", "warn", "fail"], text: str, step: str = ""
) -> Finding:
    return Finding(name=f"Redis {name}", verdict=verdict, text=text, step=step)
