"""The same steps for the memory adapter and for Redis: the same answers, the same rows.

And what Redis keeps beside rows and messages, to find and to count them, says what they say.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
import redis

from longshore.clock import ManualClock
from longshore.task import FINAL
from longshore_adapters.memory import ADAPTER as MEMORY
from longshore_adapters.redis import ADAPTER as REDIS
from longshore_adapters.redis.letters import parts_of
from longshore_adapters.redis.scalars import micros, raw
from longshore_adapters.redis.wire import CODES, to_seen
from tests.adapters.walks import STEPS, Walk, seen, side

if TYPE_CHECKING:
    from collections.abc import Iterator

WALKS: Final = 16
ARCHIVED, DELETED = 1, 2


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def url(redis_url: str, prefix: str) -> Iterator[str]:
    url = f"{redis_url}?prefix={prefix}&clock=host"
    yield url
    REDIS.deinit(url)


@pytest.mark.once
@pytest.mark.parametrize("seed", range(1000, 1000 + WALKS))
async def test_any_steps_answer_and_leave_what_they_do_in_memory(
    seed: int, url: str, redis_url: str, prefix: str
) -> None:
    clock, walk, kept = ManualClock(), Walk(seed), Kept(redis_url, prefix)
    async with REDIS.open(url, clock) as one, MEMORY.open("memory://", clock) as other:
        ours, theirs = side(one), side(other)
        for _ in range(STEPS):
            step = walk.step()
            if isinstance(step, timedelta):
                clock.advance(step)
            else:
                assert await step(ours) == await step(theirs)
            assert await seen(ours) == await seen(theirs)
            kept.agrees()


class Kept:
    """What stands on the server under a prefix, read behind the adapter's back."""

    def __init__(self, url: str, prefix: str) -> None:
        self._client: Any = redis.Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]
        self._prefix = prefix

    def agrees(self) -> None:
        self._rows_agree()
        self._messages_agree()

    def _hash(self, name: str) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = self._client.hgetall(f"{{{self._prefix}}}:{name}")
        return found

    def _set(self, name: str) -> dict[bytes, float]:
        return dict(self._client.zrange(f"{{{self._prefix}}}:{name}", 0, -1, withscores=True))

    def _rows_agree(self) -> None:
        index, wakes, bodies = set[bytes](), dict[bytes, float](), set[bytes]()
        finals: dict[str, dict[bytes, float]] = {state: {} for state in FINAL}
        for name, row in self._hash("log:rows").items():
            found = to_seen(name.decode(), row)
            task, member = found.task, found.number.to_bytes(8, "big") + name
            assert task is not None
            hidden = ARCHIVED * (task.archived_at is not None)
            hidden += DELETED * (task.deleted_at is not None)
            start = bytes([ord("A") + CODES[task.state], ord("0") + hidden])
            index.add(start + raw(task.spec.queue) + b"\0" + member)
            if task.wake_at is not None:
                wakes[member] = micros(task.wake_at)
            if task.state in FINAL:
                finals[task.state][member] = micros(task.updated_at)
            if task.body is not None:
                bodies.add(name)
        assert set(self._set("log:index")) == index
        assert self._set("log:wakes") == wakes
        assert {state: self._set(f"log:{state}") for state in FINAL} == finals
        assert set(self._hash("log:bodies")) == bodies

    def _messages_agree(self) -> None:
        messages = self._hash("queue:default:messages")
        letters = self._hash("queue:default:letters")
        places = [self._set(f"queue:default:{name}") for name in ("ready", "delayed", "leased")]
        standing = Counter(raw(parts_of(message).key) for message in messages.values())
        assert Counter(rank for place in places for rank in place) == Counter(messages.keys())
        assert set(self._hash("queue:default:held")) <= set(messages)
        assert {key: int(count) for key, count in self._hash("standing").items()} == standing
        assert set(self._set("queue:default:dead")) == set(letters)
        assert {member.split(b"\0")[1] for member in self._set("buried")} == set(letters)
