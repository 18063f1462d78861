"""What may be changed of a worker while it runs: by signals, and by what operators order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from longshore.worker.admission import Admission
    from longshore.worker.slots import Slots

_log = logging.getLogger("longshore.worker")
State: TypeAlias = Literal["running", "paused", "draining"]


class Steering:
    """Pauses, resumes, resizes and stops one worker. Call from its loop; each call returns at once.

    What is paused takes nothing more, and what has not begun goes back without an attempt; what
    runs goes on. A queue paused by itself stays so when the worker is resumed.
    """

    def __init__(
        self,
        admission: Admission,
        slots: Slots,
        stopping: asyncio.Event,
        *,
        begin: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        """`begin` gives back what is paused and starts what may; `stop` drains, then hurries."""
        self._admission = admission
        self._slots = slots
        self._stopping = stopping
        self._begin = begin
        self._stop = stop
        self.grown: Callable[[int], None] | None = None

    @property
    def state(self) -> State:
        """What the worker is at."""
        if self._stopping.is_set():
            return "draining"
        return "paused" if self._admission.paused else "running"

    @property
    def paused_queues(self) -> frozenset[str]:
        """The queues that are paused by themselves."""
        return self._admission.paused_queues

    def pause(self) -> None:
        """Pause the worker, all its queues."""
        self._pause(worker=True, queues=self.paused_queues)

    def resume(self) -> None:
        """Undo `pause`."""
        self._pause(worker=False, queues=self.paused_queues)

    def pause_queues(self, names: frozenset[str]) -> None:
        """Let exactly these queues be paused by themselves."""
        self._pause(worker=self._admission.paused, queues=names)

    def resize(self, concurrency: int) -> None:
        """Run so many at once from now on; what runs above that may end."""
        _log.info("running up to %d tasks at once", concurrency)
        self._slots.concurrency = concurrency
        if self.grown is not None:
            self.grown(concurrency)
        self._slots.changed.set()
        self._begin()

    def drain(self) -> None:
        """Stop, and let what runs end within the grace."""
        if not self._stopping.is_set():
            self._stop()

    def stop(self) -> None:
        """Stop at once: what runs is interrupted, and given back."""
        self.drain()
        self._stop()

    def _pause(self, *, worker: bool, queues: frozenset[str]) -> None:
        if (worker, queues) == (self._admission.paused, self.paused_queues):
            return
        what = "every queue" if worker else ", ".join(sorted(queues)) or "nothing"
        _log.info("paused from now on: %s", what)
        self._admission.pause(worker=worker, queues=queues)
        self._begin()
