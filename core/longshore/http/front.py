"""One address for several worker processes: a process of its own asks each, and replies for all.

It is forked from the supervisor, which runs no thread, and has opened nothing but the listening
socket. Each worker process listens at a socket in a folder of ours, by the number of its place.

- `/livez`: the supervisor goes round, and every process that listens is live. One that does not
  answer within `ANSWERS_WITHIN` is excused for `block`: compiled code of a handler may keep
  Python's lock, and with it every thread. A process that has died is replaced, and fails nothing.
- `/readyz`: at least one process is ready.
- `/metrics`: the series of all, each with the label `process`, the number of its place, which its
  successor takes over, so that there are never more series than twice the processes.
"""

from __future__ import annotations

import asyncio
import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from longshore.http.answers import PATHS, Reply, measured
from longshore.http.exposition import merged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from longshore.http.answers import Answers
    from longshore.worker.liveness import Bounds

ANSWERS_WITHIN: Final = 2.0
"""Seconds that a process has to answer: one with busy threads takes its time."""


class Crowd:
    """Asks all processes that listen in a folder."""

    def __init__(self, folder: Path, bounds: Bounds, silent_for: Callable[[], float]) -> None:
        """`silent_for` answers since how many seconds the supervisor has said nothing."""
        self._folder = folder
        self._bounds = bounds
        self._silent_for = silent_for
        self._heard: dict[str, float] = {}

    def answers(self) -> Answers:
        """What is replied for all of them."""
        return dict(zip(PATHS, (self._live, self._ready, self._metrics), strict=True))

    async def _live(self) -> Reply:
        replies = await self._ask("/livez")
        now = time.monotonic()
        problems: list[str] = []
        facts: dict[str, Any] = {}
        for place, reply in replies.items():
            if reply is not None:
                self._heard[place] = now
                facts[place] = _document(reply)
                problems += _named(place, facts[place])
                continue
            silent = now - self._heard.setdefault(place, now)
            facts[place] = {"silent": round(silent, 3)}
            if silent > self._bounds.block.total_seconds():
                problems.append(f"process {place} has answered nothing for {silent:.1f} s")
        self._heard = {place: self._heard[place] for place in replies}
        if (silent := self._silent_for()) > self._bounds.stall.total_seconds():
            problems.append(f"the supervisor has not come round for {silent:.1f} s")
        return _summed("live", problems, facts, ok=not problems)

    async def _ready(self) -> Reply:
        replies = await self._ask("/readyz")
        facts = {place: _document(reply) for place, reply in replies.items() if reply is not None}
        ready = any(each.get("ready") is True for each in facts.values())
        problems = [line for place, each in facts.items() for line in _named(place, each)]
        if not replies:
            problems.append("no worker process has started")
        return _summed("ready", problems, facts, ok=ready)

    async def _metrics(self) -> Reply:
        replies = await self._ask("/metrics")
        texts = {
            place: reply[1].decode()
            for place, reply in replies.items()
            if reply is not None and reply[0] == HTTPStatus.OK
        }
        return measured(merged(texts))

    async def _ask(self, path: str) -> dict[str, tuple[int, bytes] | None]:
        """Ask all at once; None from one that is there and does not answer in time."""
        places = sorted(self._folder.iterdir(), key=lambda each: int(each.name))
        replies = await asyncio.gather(*(_asked(each, path) for each in places))
        return {
            each.name: None if reply is _SILENT else reply
            for each, reply in zip(places, replies, strict=True)
            if reply is not None
        }


_SILENT: Final = (0, b"")


async def _asked(where: Path, path: str) -> tuple[int, bytes] | None:
    """Status and body; None where nobody listens any more, `_SILENT` where nobody answers."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            reader, writer = await asyncio.open_unix_connection(str(where))
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: worker\r\n\r\n".encode())
                whole = await reader.read(-1)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return _SILENT
    except OSError:
        return None
    head, _, body = whole.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return (int(words[1]), body) if len(words) > 1 else None


def _document(reply: tuple[int, bytes]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(reply[1])
    return document


def _named(place: str, document: dict[str, Any]) -> list[str]:
    return [f"process {place}: {problem}" for problem in document.get("problems", ())]


def _summed(word: str, problems: list[str], facts: dict[str, Any], *, ok: bool) -> Reply:
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    return Reply.of(status, {word: ok, "problems": problems, "processes": facts})
