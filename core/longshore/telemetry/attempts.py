"""What is told of one attempt: its start, its end, and what becomes of its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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
_MOST_ENDS: Final = 100


class Attempts:
    """Counts the attempts of one task in one queue; values are added up by the batch."""

    __slots__ = ("_ends", "_tallies", "_where", "retried", "waited")

    def __init__(self, tallies: Tallies, where: tuple[str, str, str]) -> None:
        """`where` are system, destination and task."""
        self._tallies = tallies
        self._where = where
        self.retried = tallies.pending(table.TASK_RETRIES, where)
        self.waited = tallies.pending(table.TASK_WAIT, where)
        self._ends: dict[
            tuple[str, str | None], tuple[Callable[[float], None], Callable[[float], None]]
        ] = {}

    def ended(self, word: str, error: str | None, seconds: float) -> None:
        """Count the end of one."""
        found = self._ends.get((word, error))
        if found is None:
            if len(self._ends) >= _MOST_ENDS:
                error = None if error is None else table.UNKNOWN
            found = self._ends[word, error] = (
                self._tallies.pending(table.TASK_ATTEMPTS, (*self._where, word)),
                self._tallies.pending(table.PROCESS_DURATION, (*self._where, error)),
            )
        count, took = found
        count(1)
        took(seconds)

    def refused(self) -> None:
        """Count a lost lease."""
        self._tallies.add(table.LEASES_LOST, self._where)


class Observed:
    """One attempt under observation. Nothing here raises, and nothing waits."""

    __slots__ = ("_attempts", "_complain", "_span")

    def __init__(
        self, attempts: Attempts | None, span: ProcessSpan | None, complain: Callable[[], None]
    ) -> None:
        """Without `attempts` nobody counts; `complain` says that spans are broken."""
        self._attempts = attempts
        self._complain = complain
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
        if self._attempts is not None:
            self._attempts.ended(word, error, seconds)
        if self._span is not None:
            try:
                self._span.end(word, error, outcome)
            except Exception:  # noqa: BLE001 - an application's processors may do anything
                self._complain()

    def refused(self) -> None:
        """Say that the log did not take the outcome: the lease was lost meanwhile."""
        if self._attempts is not None:
            self._attempts.refused()
