"""Writing outcomes into the log until they are answered; one that it refuses harms no other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from longshore.errors import LongshoreError, UnavailableError
from longshore.protocol import Renewal
from longshore.together import Settlement
from longshore.worker.lighter import lighter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.ports import Ports
    from longshore.protocol import Finished
    from longshore.worker.holding import Holding
    from longshore.worker.lighter import Ending
    from longshore.worker.messages import Messages

_log = logging.getLogger("longshore.worker")
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0


class Writer:
    """Writes batches, and has their messages settled as the log answers."""

    def __init__(self, ports: Ports, messages: Messages) -> None:
        """Settle through `messages`."""
        self._ports = ports
        self._messages = messages

    async def settle(self, batch: Sequence[Ending]) -> None:
        """Write a batch and settle its messages; halve it where it is refused as a whole."""
        refusal = await self._write(batch)
        if refusal is None:
            return
        if len(batch) == 1:
            await self._persist(batch[0], refusal)
            return
        middle = len(batch) // 2
        await self.settle(batch[:middle])
        await self.settle(batch[middle:])

    async def _persist(self, one: Ending, refusal: Exception) -> None:
        """Write an outcome that was refused alone.

        A log that does not take a renewal of the same row either is itself at fault: then the
        outcome waits for it. Else it is written in a lighter form, or not at all.
        """
        pause = _FIRST_PAUSE
        proven = False
        form: Ending | None = one
        error: Exception | None = refusal
        while form is not None and error is not None:
            if not await self._takes(one.held):
                proven = False
                _log.warning("1 outcomes are not in the log yet: %s", error)
                await self._ports.clock.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            elif not proven:
                proven = True  # it may have come back just now: the same once more
            else:
                form = _lighter(form, error)
            error = None if form is None else await self._write([form])

    async def _takes(self, held: Holding) -> bool:
        """Ask whether the log writes at all, by the least there is to write."""
        renewal = Renewal(task_id=held.spec.id, token=held.token, lease=held.lease)
        try:
            await self._ports.task_log.renew([renewal])
        except Exception:  # noqa: BLE001 - whatever it is, it is not the outcome's fault
            return False
        return True

    async def _write(self, batch: Sequence[Ending]) -> Exception | None:
        """Write a batch and settle its messages; answer why it was refused as a whole."""
        try:
            answers = await self._answered(batch)
        except Exception as error:  # noqa: BLE001 - what no store takes, or a bug of one
            return error
        for one, answer in zip(batch, answers, strict=True):
            if one.held.observed is not None and not answer.accepted and answer.error is None:
                one.held.observed.refused()
        await self._messages.settle(batch, answers)
        await self._lighten(batch, answers)
        return None

    async def _lighten(self, batch: Sequence[Ending], answers: Sequence[Finished]) -> None:
        """Write what the log has refused by itself, such as what is too large, in lighter forms."""
        forms = [
            _lighter(one, answer.error)
            for one, answer in zip(batch, answers, strict=True)
            if answer.error is not None
        ]
        if rest := [form for form in forms if form is not None]:
            await self.settle(rest)

    async def _answered(self, batch: Sequence[Ending]) -> Sequence[Finished]:
        """Repeat a batch that was not answered, beyond its leases if need be (§7)."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._finish(batch)
            except UnavailableError as error:
                _log.warning("%d outcomes are not in the log yet: %s", len(batch), error)
            await self._ports.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _finish(self, batch: Sequence[Ending]) -> Sequence[Finished]:
        if self._ports.together is None:
            return await self._ports.task_log.finish([one.outcome for one in batch])
        return await self._ports.together.settle(
            [Settlement(outcome=one.outcome, delivery=one.delivery) for one in batch]
        )


def _lighter(one: Ending, error: Exception) -> Ending | None:
    """The next lighter form; where there is none, say that the outcome is given up."""
    form = lighter(one, error)
    if form is None:
        what, trace = one.held.spec.id, None if isinstance(error, LongshoreError) else error
        _log.error(
            "the end of task %s cannot be written; its lease runs out: %s",
            what,
            error,
            exc_info=trace,
        )
    return form
