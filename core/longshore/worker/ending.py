"""From the end of an attempt to the settler: every holding that began, or never will, ends here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from longshore.protocol import End
from longshore.worker.outcome import Outcomes, is_control
from longshore.worker.stuck import leave
from longshore.worker.telling import tell_end

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from longshore.ports import Ports
    from longshore.protocol import Outcome
    from longshore.queue import QueueCapabilities
    from longshore.worker.holding import Holding
    from longshore.worker.options import Limits
    from longshore.worker.settle import Settler
    from longshore.worker.slots import Slots

_log = logging.getLogger("longshore.worker")


class Endings:
    """Makes outcomes of what ended, and hands them to the settler. Lives on the worker's loop."""

    def __init__(self, ports: Ports, limits: Limits, slots: Slots, settler: Settler) -> None:
        """Count what is done and failed in `slots`."""
        self._ports = ports
        self._outcomes = Outcomes(limits)
        self._slots = slots
        self._settler = settler

    def end(self, held: Holding, result: object, error: BaseException | None) -> bool:
        """End an attempt; False where its lease is lost and nothing may be said of it."""
        held.ended = True
        took = self._ports.clock.monotonic() - held.began
        self._slots.took(took)
        outcome = self._described(held, result, error)
        if outcome is not None:
            self._settler.add(held, outcome)
        if outcome is None or outcome.end is not End.SUCCESS:
            self._slots.groups.block(held.group)
        if held.observed is not None:
            held.observed.end(outcome, took)
        tell_end(held, outcome, took)
        return outcome is not None

    def give_back(self, holdings: Iterable[Holding], wait: timedelta | None = None) -> None:
        """End what has used no attempt; it may begin again after `wait`, None for at once."""
        for held in holdings:
            held.ended = True
            capabilities = self._capabilities(held)
            outcome = self._outcomes.give_back(held, wait, capabilities=capabilities)
            if held.observed is not None:  # it runs, and cannot be stopped
                held.observed.end(outcome, self._ports.clock.monotonic() - held.began)
            self._settler.add(held, outcome)

    async def fail_late(self, held: Holding, *, least: timedelta) -> None:
        """End the attempt of a handler that is left behind after its timeout."""
        error = await leave(held)
        if held.ended:  # it came to its end meanwhile
            return
        held.ended = True
        capabilities = self._capabilities(held)
        outcome = self._outcomes.of_error(held, error, capabilities=capabilities, least=least)
        self._slots.failed += 1
        took = self._ports.clock.monotonic() - held.began
        if held.observed is not None:
            held.observed.end(outcome, took)
        self._settler.add(held, outcome)
        tell_end(held, outcome, took)

    def _described(
        self, held: Holding, result: object, error: BaseException | None
    ) -> Outcome | None:
        """Make the outcome; where even that fails, one that says so: no end is ever lost here."""
        try:
            return self._outcome(held, result, error)
        except Exception as broken:  # noqa: BLE001 - a bug of ours must not lose a task
            _log.exception("the end of task %s could not be described", held.spec.id)
            return self._outcomes.of_broken(held, broken, succeeded=error is None)

    def _outcome(
        self, held: Holding, result: object, error: BaseException | None
    ) -> Outcome | None:
        """What the log is told; None where the lease is lost."""
        if held.stopped == "lost":
            return None
        if error is None:
            self._slots.done += 1
            return self._outcomes.of_result(held, result)
        if held.stopped == "cancel":
            return self._outcomes.cancelled(held)
        capabilities = self._capabilities(held)
        # An error may be the stop's own doing; what the handler asks for by name is not.
        if held.stopped == "drain" and not is_control(error):
            return self._outcomes.give_back(held, None, capabilities=capabilities)
        outcome = self._outcomes.of_error(held, error, capabilities=capabilities)
        self._slots.failed += outcome.end is End.FAILURE
        return outcome

    def _capabilities(self, held: Holding) -> QueueCapabilities:
        return self._ports.queue(held.spec.queue).capabilities
