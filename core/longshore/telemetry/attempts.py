"""What is told of one attempt: its start, its end, and what becomes of its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.protocol import End
from longshore.telemetry import instruments as table

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context as Variables

    from longshore.protocol import Outcome
    from longshore.telemetry.carrier import Carrier
    from longshore.telemetry.tallies import Tallies
    from longshore.telemetry.tracing import ProcessSpan

_WORDS = {End.SUCCESS: "succeeded", End.CANCEL: "cancelled", End.GIVE_BACK: "given_back"}


class Observed:
    """One attempt under observation. Nothing here raises, and nothing waits."""

    __slots__ = ("_complain", "_destination", "_span", "_system", "_tallies", "_task")

    def __init__(
        self,
        tallies: Tallies,
        names: tuple[str, str, str],
        span: ProcessSpan | None,
        complain: Callable[[], None],
    ) -> None:
        """`names` are system, destination and task; `complain` says that spans are broken."""
        self._complain = complain
        self._tallies = tallies
        self._system, self._destination, self._task = names
        self._span = span

    @property
    def carrier(self) -> Carrier | None:
        """What carries the span's context into another process."""
        return None if self._span is None else self._span.carrier

    def context(self, base: Variables) -> Variables:
        """Answer the variables a handler is to run with: the worker's own, under the span."""
        mine = base.copy()
        if self._span is not None:
            self._span.enter(mine)
        return mine

    def end(self, outcome: Outcome | None, seconds: float) -> None:
        """Say what the attempt came to; None where its lease was lost."""
        word, error = table.LOST, None
        if outcome is not None:
            word = _WORDS.get(outcome.end) or ("failed" if outcome.retry_in is None else "retrying")
            error = None if outcome.error is None else outcome.error.type
        else:
            error = table.LOST
            self.refused()
        where = (self._system, self._destination, self._task)
        self._tallies.add(table.TASK_ATTEMPTS, (*where, word))
        self._tallies.observe(table.PROCESS_DURATION, (*where, error), seconds)
        if self._span is not None:
            try:
                self._span.end(word, error, outcome)
            except Exception:  # noqa: BLE001 - an application's processors may do anything
                self._complain()

    def refused(self) -> None:
        """Say that the log did not take the outcome: the lease was lost meanwhile."""
        where = (self._system, self._destination, self._task)
        self._tallies.add(table.LEASES_LOST, where)
