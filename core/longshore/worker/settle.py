"""Settling: outcomes into the log, then messages as the log says, in batches.

While one batch is on its way the next one gathers, so that load makes batches and a lone task
does not wait for company. What needs no log does not wait for one that is away.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from longshore.protocol import UNFENCED, End
from longshore.worker.lighter import Ending
from longshore.worker.messages import Messages
from longshore.worker.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from longshore.ports import Ports
    from longshore.protocol import Outcome
    from longshore.worker.holding import Holding

    Need: TypeAlias = tuple[str, bool] | None

BATCH: Final = 500


class Settler:
    """Takes outcomes from the loop, into lanes by what they need."""

    def __init__(self, ports: Ports, settled: Callable[[Holding], None]) -> None:
        """`settled` is told of each holding whose message is dealt with."""
        self._messages = Messages(ports)
        self._writer = Writer(ports, self._messages)
        self._settled = settled
        self._lanes: dict[Need, Lane] = {}
        self._opened: asyncio.Queue[Lane | None] = asyncio.Queue()

    @property
    def backlog(self) -> int:
        """Outcomes that are not on their way yet."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    @property
    def unwritten(self) -> int:
        """Outcomes that are not settled yet, those on their way included."""
        return sum(len(lane.waiting) + lane.moving for lane in self._lanes.values())

    def add(self, held: Holding, outcome: Outcome) -> None:
        """Hand over an outcome; call from the loop."""
        need = _need(held, outcome)
        lane = self._lanes.get(need)
        if lane is None:
            lane = self._lanes[need] = Lane(self._writer, self._settled)
            self._opened.put_nowait(lane)
        lane.add(held, outcome)

    def close(self) -> None:
        """Let `run` return when everything handed over is settled."""
        self._opened.put_nowait(None)

    async def run(self) -> None:
        """Settle what comes until closed, all lanes at once."""
        try:
            async with asyncio.TaskGroup() as lanes:
                while (lane := await self._opened.get()) is not None:
                    lanes.create_task(lane.run())
                for lane in self._lanes.values():
                    lane.close()
            await self._messages.rest()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            await self._messages.end()


class Lane:
    """Outcomes that need the same, settled batch after batch."""

    def __init__(self, writer: Writer, settled: Callable[[Holding], None]) -> None:
        """`settled` is told of each holding whose message is dealt with."""
        self._writer = writer
        self._settled = settled
        self.waiting: list[tuple[Holding, Outcome]] = []
        self.moving = 0
        self._came = asyncio.Event()
        self._closing = False

    def add(self, held: Holding, outcome: Outcome) -> None:
        """Let an outcome wait for its batch."""
        self.waiting.append((held, outcome))
        self._came.set()

    def close(self) -> None:
        """Let `run` return when nothing waits."""
        self._closing = True
        self._came.set()

    async def run(self) -> None:
        """Settle batch after batch."""
        while True:
            await self._came.wait()
            if not self.waiting:
                if self._closing:
                    return
                self._came.clear()
                continue
            batch, self.waiting = self.waiting[:BATCH], self.waiting[BATCH:]
            self.moving = len(batch)
            await self._writer.settle([Ending(held, end, held.delivery) for held, end in batch])
            self.moving = 0
            for held, _ in batch:
                self._settled(held)


def _need(held: Holding, outcome: Outcome) -> Need:
    """What was claimed without the log needs none, but may want a row where it failed for good."""
    if outcome.token != UNFENCED:
        return None
    return held.spec.queue, outcome.end is End.FAILURE and outcome.retry_in is None
