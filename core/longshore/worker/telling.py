"""Telling people and programs what a worker does: one log record for each start and end.

The records go to the logger `longshore.worker`; their attribute `event` holds the facts, for
formatters that write structured logs. Nothing is made where nobody listens.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from longshore.protocol import End

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.protocol import Outcome
    from longshore.worker.holding import Holding

_log = logging.getLogger("longshore.worker")
_LONGEST: Final = 500
_WORDS: Final[Mapping[End, str]] = {
    End.SUCCESS: "processed",
    End.FAILURE: "failed",
    End.GIVE_BACK: "given back",
    End.CANCEL: "cancelled",
}


def tell_start(held: Holding) -> None:
    """Say that an attempt begins."""
    if _log.isEnabledFor(logging.INFO):
        _say(logging.INFO, "processing", held, f"attempt {held.attempt}", {})


def tell_end(held: Holding, outcome: Outcome | None, seconds: float) -> None:
    """Say what an attempt came to; None where its lease was lost and nothing was recorded."""
    level = logging.INFO
    if outcome is None or outcome.end is End.FAILURE:
        level = logging.WARNING
    if not _log.isEnabledFor(level):
        return
    word = "lost" if outcome is None else _WORDS[outcome.end]
    facts: dict[str, Any] = {"seconds": round(seconds, 6)}
    text = f"attempt {held.attempt} took {_span(seconds)}"
    if outcome is None:
        text += "; its lease was lost, its next owner goes on"
    elif outcome.error is not None:
        said = outcome.error.message[:_LONGEST]
        facts |= {"error": outcome.error.type, "message": said}
        text += f"; {outcome.error.type}: {said}"
    if outcome is not None and outcome.end is End.FAILURE:
        wait = outcome.retry_in
        facts["retry_in"] = None if wait is None else wait.total_seconds()
        text += "; no tries left" if wait is None else f"; again in {_span(wait.total_seconds())}"
    _say(level, word, held, text, facts)


def _say(level: int, word: str, held: Holding, text: str, facts: Mapping[str, Any]) -> None:
    spec = held.spec
    event = {
        "kind": word.replace(" ", "_"),
        "task_id": spec.id,
        "task": spec.name,
        "queue": spec.queue,
        "attempt": held.attempt,
        "run": held.run,
        **facts,
    }
    if held.ctx.trace is not None:
        event |= {"trace_id": held.ctx.trace_id, "span_id": held.ctx.span_id}
    message = "[%s] %s %s, %s"
    _log.log(level, message, word.upper(), spec.name, spec.id, text, extra={"event": event})


def _span(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.1f} s"
