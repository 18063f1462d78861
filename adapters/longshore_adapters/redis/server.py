"""What the server says of itself: version, role, what it evicts, and what it keeps on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError
from longshore_adapters.redis.errors import evicts, is_replica, too_old

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore_adapters.redis.connection import Connection

_OLDEST: Final = (6, 2)
_SYNCED: Final = {
    "always": ", and a power cut",
    "everysec": "; a power cut may undo the last second",
    "no": "; a power cut undoes what the system had not written yet",
    None: "; how much a power cut undoes, the server does not tell",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What matters of INFO and CONFIG; None where the server does not tell."""

    version: str
    role: str
    maxmemory: int
    policy: str
    append_only: bool
    fsync: str | None
    snapshots: str | None
    cluster: bool

    @property
    def evicts(self) -> bool:
        """Whether keys without an expiry, as all of ours are, may be thrown away."""
        return self.maxmemory > 0 and self.policy.startswith("allkeys-")

    @property
    def survives(self) -> str:
        """Say what an answered write outlives."""
        if self.append_only:
            known = "" if self.fsync is None else f", appendfsync {self.fsync}"
            text = f"the server's{_SYNCED.get(self.fsync, _SYNCED[None])} (appendonly yes{known})"
            return f"its writer's death and {text}; a failover may undo more"
        if self.snapshots:
            what = f"goes back to its last snapshot (appendonly no, save {self.snapshots})"
        else:
            what = "forgets all, because nothing is kept on disk (appendonly no)"
        return f"its writer's death alone: a server that restarts {what}"


async def look(connection: Connection) -> Facts:
    """Ask the server."""
    found = _info(await connection.command(b"INFO"))
    settings = await _settings(connection)
    return Facts(
        version=found.get("redis_version", "0"),
        role=found.get("role", "master"),
        maxmemory=int(found.get("maxmemory", "0")),
        policy=found.get("maxmemory_policy", "noeviction"),
        append_only=found.get("aof_enabled") == "1",
        fsync=settings.get("appendfsync"),
        snapshots=settings.get("save"),
        cluster=found.get("cluster_enabled") == "1",
    )


def check(facts: Facts, where: str) -> None:
    """Raise where the server cannot be used."""
    version = tuple(int(part) for part in facts.version.split(".")[:2] if part.isdecimal())
    if version < _OLDEST:
        raise too_old(where, facts.version)
    if facts.role in {"slave", "replica"}:
        raise is_replica(where)
    if facts.evicts:
        raise evicts(where, facts.policy)


async def _settings(connection: Connection) -> Mapping[str, str]:
    """Read what INFO does not tell; a managed server may refuse."""
    try:
        told = [
            part
            for name in (b"appendfsync", b"save")
            for part in await connection.command(b"CONFIG", b"GET", name)
        ]
    except LongshoreError:
        return {}
    words = [part.decode() for part in told]
    return dict(zip(words[::2], words[1::2], strict=True))


def _info(told: bytes) -> Mapping[str, str]:
    lines = (line.partition(":") for line in told.decode("utf-8", "replace").splitlines())
    return {name: value for name, found, value in lines if found}
