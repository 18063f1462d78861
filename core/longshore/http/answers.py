"""The three questions, and what a worker process replies: `/livez`, `/readyz`, `/metrics`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from longshore.telemetry.prometheus import CONTENT_TYPE
from longshore.worker.liveness import is_live, is_ready

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from longshore.worker.liveness import Bounds, Verdict
    from longshore.worker.pulse import Pulse

JSON: Final = "application/json"
PATHS: Final = ("/livez", "/readyz", "/metrics")
_AGAIN: Final = 0.2
"""Seconds until a process that seems dead is looked at once more: it may have been frozen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back: a status, a body, and what the body is."""

    status: HTTPStatus
    body: bytes
    kind: str = JSON

    @classmethod
    def of(cls, status: HTTPStatus, document: Mapping[str, Any]) -> Reply:
        """A document as JSON, on one line."""
        return cls(status=status, body=json.dumps(document).encode() + b"\n")


Answer: TypeAlias = "Callable[[], Awaitable[Reply]]"
Answers: TypeAlias = "Mapping[str, Answer]"
"""What is replied under which path."""


def judged(word: str, verdict: Verdict) -> Reply:
    """A verdict as a reply: 200, or 503 and what is wrong."""
    status = HTTPStatus.OK if verdict.ok else HTTPStatus.SERVICE_UNAVAILABLE
    document = {word: verdict.ok, "problems": list(verdict.problems), **verdict.facts}
    return Reply.of(status, document)


def answers_of(pulse: Pulse, bounds: Bounds, expose: Callable[[], str]) -> Answers:
    """The answers of one worker process. `expose` writes its metrics."""

    async def live() -> Reply:
        verdict = is_live(pulse, bounds)
        if not verdict.ok:
            await asyncio.sleep(_AGAIN)
            verdict = is_live(pulse, bounds)
        return judged("live", verdict)

    async def ready() -> Reply:
        return judged("ready", is_ready(pulse))

    async def metrics() -> Reply:
        return measured(expose())

    return dict(zip(PATHS, (live, ready, metrics), strict=True))


def measured(text: str) -> Reply:
    """Metrics as a reply, in the text format of Prometheus."""
    return Reply(status=HTTPStatus.OK, body=text.encode(), kind=CONTENT_TYPE)
