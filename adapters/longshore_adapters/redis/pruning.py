"""Removing old rows, with their attempts and their dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from longshore.identity import TaskId
from longshore.task import TaskState
from longshore_adapters.redis import scripts
from longshore_adapters.redis.limits import PORTION
from longshore_adapters.redis.scalars import micros, raw, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from longshore_adapters.redis.connection import Connection
    from longshore_adapters.redis.ledger import Ledger

_FINALS = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED, TaskState.EXPIRED)
_FIRST_FINAL = 5
_NUMBER = 8


class Old(NamedTuple):
    """A row that may go: when it was last written, its number and id, its state."""

    updated_at: int
    member: bytes
    state: TaskState


class Pruner:
    """Removes rows of an open server."""

    def __init__(self, connection: Connection, ledger: Ledger) -> None:
        """Serve one connection."""
        self._connection = connection
        self._ledger = ledger
        self._keys = (*connection.keys.common, *connection.keys.log)

    async def prune(self, states: frozenset[TaskState], before: datetime, limit: int) -> int:
        """Remove the oldest, but those of which a message stands; answer how many went."""
        removed, kept = 0, dict.fromkeys((state for state in _FINALS if state in states), 0)
        while removed < limit:
            old = await self._oldest(kept, before, min(limit - removed, PORTION))
            if not old:
                break
            gone = await self._remove(old, states, before)
            removed += len(gone)
            for each in old:
                kept[each.state] += each not in gone
        return removed

    async def _oldest(
        self, kept: Mapping[TaskState, int], before: datetime, most: int
    ) -> list[Old]:
        """Look behind those that were kept, in each state."""
        found: list[Old] = []
        for state, past in kept.items():
            key = self._connection.keys.log[_FIRST_FINAL + _FINALS.index(state)]
            words = (b"-inf", b"(%d" % micros(before), b"WITHSCORES", b"LIMIT", past, most)
            told = await self._connection.command(b"ZRANGEBYSCORE", key, *words)
            found += [
                Old(int(float(told[at + 1])), told[at], state) for at in range(0, len(told), 2)
            ]
        return sorted(found)[:most]

    async def _remove(
        self, old: Sequence[Old], states: frozenset[TaskState], before: datetime
    ) -> set[Old]:
        named = {TaskId(text(each.member[_NUMBER:])): each for each in old}
        _, seen = await self._ledger.seen(named, whole=False)
        fitting = [
            task_id
            for task_id, row in seen.items()
            if row.task and row.task.state in states and row.task.updated_at < before
        ]
        arguments: list[bytes | int] = []
        for task_id in fitting:
            arguments += (raw(task_id), seen[task_id].version)
        done = await self._connection.run(scripts.PRUNE, self._keys, *arguments)
        gone = [task_id for task_id, went in zip(fitting, done, strict=True) if went]
        await self._discard(gone)
        return {named[task_id] for task_id in gone}

    async def _discard(self, gone: Sequence[TaskId]) -> None:
        """Remove the dead letters of rows that went; each of them names its queue."""
        buried = self._connection.keys.common[2]
        letters: dict[bytes, list[bytes]] = {}
        for task_id in gone:
            start = raw(task_id) + b"\0"
            words = (b"[" + start, b"(" + start + b"\xff")
            for member in await self._connection.command(b"ZRANGEBYLEX", buried, *words):
                letter, _, queue = member[len(start) :].partition(b"\0")
                letters.setdefault(queue, []).append(letter)
        for queue, ids in letters.items():
            keys = (*self._connection.keys.common, *self._connection.keys.queue(text(queue)))
            await self._connection.run(scripts.DISCARD, keys, queue, *ids)
