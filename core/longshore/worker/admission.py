"""Which queues a worker may receive from now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


class Admission:
    """Admits no queue that is paused, by itself or with the worker.

    Where it is strict, none either below one that may have something. A queue is dry once a
    receive found nothing, or while it cannot give more: at its own limit, paused, or away. Lives
    on the worker's loop.
    """

    def __init__(
        self, queues: Sequence[str], changed: Callable[[], None], *, strict: bool = False
    ) -> None:
        """`queues` begin with the one that goes first; `changed` hears when one is admitted."""
        self._order = tuple(dict.fromkeys(queues))
        self._changed = changed
        self._dry: set[str] = set()
        self._interrupts: dict[str, Callable[[], None]] = {}
        self.strict = strict
        self.paused_queues: frozenset[str] = frozenset()
        self.paused = False

    def listen(self, queue: str, interrupt: Callable[[], None]) -> None:
        """Let `interrupt` end a queue's receive when it is no longer admitted."""
        self._interrupts[queue] = interrupt

    def is_paused(self, queue: str) -> bool:
        """Whether nothing of a queue may be received or begin."""
        return self.paused or queue in self.paused_queues

    @property
    def any_paused(self) -> bool:
        """Whether anything is paused."""
        return self.paused or bool(self.paused_queues)

    def has_turn(self, queue: str) -> bool:
        """Whether every queue above is dry; always, where it is not strict."""
        above = self._order[: self._order.index(queue)] if self.strict else ()
        return self._dry.issuperset(above)

    def pause(self, *, worker: bool, queues: Collection[str] = ()) -> None:
        """From now on the whole worker is paused or not, and of its queues exactly these."""
        self.paused = worker
        self.paused_queues = frozenset(queues)
        for queue in self._order:
            if self.is_paused(queue):
                self._interrupts[queue]()
        self._changed()

    def dry(self, queue: str) -> None:
        """A queue gives nothing now: it is the turn of those below it."""
        if self.strict and queue not in self._dry:
            self._dry.add(queue)
            self._changed()

    def unsure(self, queue: str) -> None:
        """A queue has to be asked again before others below it are."""
        self._dry.discard(queue)

    def found(self, queue: str) -> None:
        """A queue gave something: those below it wait."""
        self._dry.discard(queue)
        if self.strict:
            for below in self._order[self._order.index(queue) + 1 :]:
                self._dry.discard(below)
                self._interrupts[below]()
