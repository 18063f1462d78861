"""The queue on a server: messages in a hash, and in sorted sets by their order and their times."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from longshore.errors import LeaseLostError, LongshoreError
from longshore.queue import Depth, QueueCapabilities, Release
from longshore_adapters.redis import scripts
from longshore_adapters.redis.letters import (
    payload,
    receipt_of,
    redriven,
    to_dead_letter,
    to_delivery,
    why,
)
from longshore_adapters.redis.limits import FIT, MAX_BATCH, MAX_BODY, PORTION
from longshore_adapters.redis.scalars import MICROSECOND, moment, raw, span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from longshore.queue import DeadLetter, Delivery, Outgoing, Rejection
    from longshore_adapters.redis.bell import Bell
    from longshore_adapters.redis.connection import Connection
    from longshore_adapters.redis.scripts import Script

_LOOK: Final = 1.0
"""Seconds after which a receiver looks by itself: a token may have gone down with a process."""
_HELD, _GONE = 1, 0


class Taken(NamedTuple):
    """What was taken; with nothing, in how many seconds the next message will be visible."""

    deliveries: list[Delivery]
    soonest: float


class RedisQueue:
    """A named queue of an open server."""

    def __init__(
        self, connection: Connection, bell: Bell, name: str, capabilities: QueueCapabilities
    ) -> None:
        """Serve the queue `name`, which exists as soon as it is used."""
        self._connection = connection
        self._bell = bell
        self._name = name
        self._capabilities = capabilities
        self._keys = (*connection.keys.common, *connection.keys.queue(name))
        self._raw_name = raw(name)

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._name

    @property
    def capabilities(self) -> QueueCapabilities:
        """Everything; how durable it is, is the server's affair."""
        return self._capabilities

    async def send(self, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Add messages; a body above the limit is refused."""
        self._connection.check_open()
        errors = [FIT.message(message) for message in messages]
        arguments: list[bytes | int] = []
        for message, error in zip(messages, errors, strict=True):
            if error is None:
                content = payload(message.group, message.attributes, message.body)
                arguments += (message.priority, span(message.delay), raw(message.key), content)
        if arguments:
            await self._run(scripts.SEND, *arguments)
        return errors

    async def receive(self, *, limit: int, wait: timedelta, lease: timedelta) -> list[Delivery]:
        """Take the best visible messages, waiting for the first."""
        self._connection.check_open()
        if limit < 1:
            return []
        clock = self._connection.clock
        end = clock.monotonic() + wait.total_seconds()
        taken = await self._taken(limit, lease)
        if taken.deliveries or end <= clock.monotonic():
            return taken.deliveries
        with self._bell.waiting() as event:
            while True:
                event.clear()
                taken = await self._taken(limit, lease)
                left = end - clock.monotonic()
                if taken.deliveries or left <= 0:
                    return taken.deliveries
                await clock.wait(event, min(left, taken.soonest, _LOOK))

    async def ack(self, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
        """Forget deliveries; one that is gone already is fine."""
        told = await self._settle([(b"ack", each, b"") for each in deliveries])
        return [
            None if answer in {_HELD, _GONE} else lost(delivery)
            for delivery, answer in zip(deliveries, told, strict=True)
        ]

    async def release(self, releases: Sequence[Release]) -> list[LongshoreError | None]:
        """Give deliveries back."""
        moves = [(b"release", each.delivery, span(each.delay)) for each in releases]
        return _answers([each.delivery for each in releases], await self._settle(moves))

    async def reject(self, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
        """Move deliveries to the dead letters, each in one step."""
        moves = [(b"reject", each.delivery, why(each)) for each in rejections]
        return _answers([each.delivery for each in rejections], await self._settle(moves))

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        """Move the end of each lease."""
        moves = [(b"extend", each, span(lease)) for each in deliveries]
        return _answers(deliveries, await self._settle(moves))

    async def depth(self) -> Depth:
        """Count what waits; of a priority the oldest message is the first."""
        ready, flying, delayed, dead, age = await self._run(scripts.DEPTH)
        oldest = int(age) * MICROSECOND if age else None
        return Depth(ready=ready, in_flight=flying, delayed=delayed, dead=dead, oldest_age=oldest)

    async def declare(self) -> bool:
        """Note that the queue exists; that is all it needs."""
        queues = self._connection.keys.queues
        return bool(await self._connection.command(b"SADD", queues, self._raw_name))

    async def delete(self) -> None:
        """Remove the queue, portion by portion."""
        while await self._run(scripts.PURGE, PORTION, b"all"):
            pass
        while letters := await self.dead_letters(limit=PORTION):
            await self.discard([letter.id for letter in letters])
        await self._connection.command(b"UNLINK", *self._keys[len(self._connection.keys.common) :])
        await self._connection.command(b"SREM", self._connection.keys.queues, self._raw_name)

    async def purge(self) -> int:
        """Remove what is not in flight, portion by portion."""
        total = 0
        while gone := await self._run(scripts.PURGE, PORTION, b""):
            total += gone
        return total

    async def dead_letters(self, *, limit: int, after: str | None = None) -> list[DeadLetter]:
        """List dead letters in the order they died."""
        past = int(after) if after is not None and after.isdecimal() else 0
        found = await self._run(scripts.LETTERS, past, limit)
        return [
            to_dead_letter(self._name, found[at], found[at + 1]) for at in range(0, len(found), 2)
        ]

    async def redrive(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Send dead letters again, stamped."""
        self._connection.check_open()
        if not ids:
            return []
        words = [raw(each) for each in ids]
        letters = await self._connection.command(b"HMGET", self._keys[-1], *words)
        arguments = [
            part
            for word, letter in zip(words, letters, strict=True)
            for part in (word, b"" if letter is None else redriven(letter))
        ]
        done = await self._run(scripts.REDRIVE, *arguments)
        return [None if each else self._no_letter(id_) for each, id_ in zip(done, ids, strict=True)]

    async def discard(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Remove dead letters for good."""
        await self._run(scripts.DISCARD, *map(raw, ids))
        return [None] * len(ids)

    async def _taken(self, limit: int, lease: timedelta) -> Taken:
        """Take; where the caller leaves meanwhile, give back what came for it."""
        taking = self._connection.behind(self._take(limit, lease))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._connection.behind(self._return(taking))
            raise

    async def _take(self, limit: int, lease: timedelta) -> Taken:
        first, *found = await self._run(scripts.TAKE, limit, span(lease))
        if not found:
            return Taken([], max(int(first) / 1_000_000, 0.0) if first else float("inf"))
        until = moment(int(first))
        deliveries = [to_delivery(self._name, until, each) for each in found]
        return Taken(deliveries, 0.0)

    async def _return(self, taking: asyncio.Task[Taken]) -> None:
        with suppress(LongshoreError):  # else they come back when their leases end
            taken = await taking
            await self.release([Release(delivery=each) for each in taken.deliveries])

    async def _settle(self, moves: Sequence[tuple[bytes, Delivery, bytes | int]]) -> list[int]:
        self._connection.check_open()
        if not moves:
            return []
        arguments: list[bytes | int] = []
        for verb, delivery, value in moves:
            arguments += (verb, *receipt_of(delivery), value)
        return list(await self._run(scripts.SETTLE, *arguments))

    async def _run(self, script: Script, *arguments: bytes | int) -> Any:  # noqa: ANN401 - its answer
        return await self._connection.run(script, self._keys, self._raw_name, *arguments)

    def _no_letter(self, letter_id: str) -> LongshoreError:
        return LongshoreError(f"no dead letter {letter_id} in queue {self._name!r}")


def _answers(deliveries: Sequence[Delivery], told: Sequence[int]) -> list[LongshoreError | None]:
    return [
        None if answer == _HELD else lost(delivery)
        for delivery, answer in zip(deliveries, told, strict=True)
    ]


def lost(delivery: Delivery) -> LeaseLostError:
    """Say that a delivery is in other hands, or gone."""
    rank_and_number = delivery.receipt.rpartition(":")[0]
    return LeaseLostError(f"delivery {rank_and_number} of queue {delivery.queue!r}")


def capabilities() -> QueueCapabilities:
    """Say what a queue can do; how much of it outlives the server, the log says."""
    return QueueCapabilities(adapter="redis", max_body=MAX_BODY, max_batch=MAX_BATCH)
