"""The one truth: queue, log and store of the memory adapter, with every change recorded.

What a broker may do and memory does not is added here: a stale receipt that deletes all the same,
and other limits than none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import UnsupportedError
from longshore_adapters.memory.queue import MemoryQueue
from longshore_adapters.memory.server import Connection, Held, MemoryServer
from longshore_adapters.memory.store import MemoryStore
from longshore_adapters.memory.task_log import MemoryTaskLog
from longshore_adapters.memory.together import MemoryTogether
from tests.simulation.clock import ServerClock
from tests.simulation.history import Buried, Extended, Gone, Removed, Sent, Wrote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from longshore.errors import LongshoreError
    from longshore.identity import TaskId
    from longshore.queue import DeadLetter, Delivery, Outgoing, QueueCapabilities
    from longshore.task import Task
    from tests.simulation.history import History
    from tests.simulation.loop import Process, VirtualLoop
    from tests.simulation.plan import Profile

QUEUE = "default"
_FOR_EVER = timedelta(days=1)


class Rows(dict["TaskId", "Task"]):
    """Rows that tell of each write."""

    def __init__(self, history: History, clock: ServerClock) -> None:
        super().__init__()
        self._history = history
        self._clock = clock

    def __setitem__(self, key: TaskId, row: Task) -> None:
        history = self._history
        history.add(
            Wrote(
                verb=history.verb,
                who=history.who,
                before=self.get(key),
                after=row,
                now=self._clock.now(),
            )
        )
        super().__setitem__(key, row)

    def __delitem__(self, key: TaskId) -> None:
        self._history.add(Removed(row=self[key]))
        super().__delitem__(key)


class Messages(dict[int, Held]):
    """Messages that tell when they come and go."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def __setitem__(self, number: int, held: Held) -> None:
        history = self._history
        stamp = held.message.attributes.get("stamp")
        key = held.message.key
        history.add(Sent(who=history.who, number=number, key=key, verb=history.verb, stamp=stamp))
        super().__setitem__(number, held)

    def __delitem__(self, number: int) -> None:
        self.pop(number)

    def pop(self, number: int, *default: Any) -> Any:
        history, held = self._history, self.get(number)
        if held is not None:
            key = held.message.key
            history.add(Gone(who=history.who, number=number, key=key, verb=history.verb))
        return super().pop(number, *default)


class Dead(dict[int, "tuple[DeadLetter, Outgoing]"]):
    """Dead letters that tell when they come."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def __setitem__(self, number: int, letter: tuple[DeadLetter, Outgoing]) -> None:
        history, dead = self._history, letter[0]
        history.add(Buried(who=history.who, key=dead.key, reason=dead.reason, stamp=dead.stamp))
        super().__setitem__(number, letter)


class ServerQueue(MemoryQueue):
    """The memory queue with a profile's limits and vices."""

    def __init__(
        self, connection: Connection, profile: Profile, history: History, random: Random
    ) -> None:
        super().__init__(connection, QUEUE)
        self._profile = profile
        self._history = history
        self._luck = random
        self._holders: dict[str, str] = {}
        self._capabilities = replace(super().capabilities, **profile.limits)

    @property
    def capabilities(self) -> QueueCapabilities:
        return self._capabilities

    async def extend(
        self, deliveries: Sequence[Delivery], *, lease: timedelta
    ) -> list[LongshoreError | None]:
        history = self._history
        for one in deliveries:
            assert one.key is not None
            history.add(Extended(who=history.who, key=one.key))
        return await super().extend(deliveries, lease=lease)

    def _take(self, limit: int, lease: timedelta) -> list[Delivery]:
        """Take what is best; of an ordered group nothing while what is before it is out."""
        if not self.capabilities.grouped:
            return super()._take(limit, _FOR_EVER if self._profile.tied else lease)
        with self._connection.use() as server:
            now = server.clock.now()
            held = list(server.messages[QUEUE].values())
            kept = {one.message.group for one in held if one.visible_at > now}
            ready = [one for one in held if one.message.group not in kept]
            return [self._deliver(one, now + lease) for one in ready[:limit]]

    def _next_visible(self) -> float:
        """Seconds until a message may be visible; one that waits for its group does so already."""
        with self._connection.use() as server:
            now = server.clock.now()
            waits = (one.visible_at - now for one in server.messages[QUEUE].values())
            later = (one for one in waits if one > timedelta(0))
            return min(later, default=timedelta.max).total_seconds()

    def hand_out(self, deliveries: Sequence[Delivery], who: str) -> None:
        """Note whose connection deliveries went to."""
        self._holders.update((one.receipt, who) for one in deliveries)

    def end_connection(self, who: str | None = None) -> None:
        """Take back what a tied broker had delivered, to one process or to all."""
        if not self._profile.tied:
            return
        with self._connection.use() as server:
            for held in server.messages[QUEUE].values():
                if held.receipt is not None and who in {None, self._holders.get(held.receipt)}:
                    held.receipt, held.visible_at = None, server.clock.now()
            server.wake()

    def give_back(
        self, server: MemoryServer, delivery: Delivery, delay: timedelta
    ) -> LongshoreError | None:
        """Refuse a delay that the profile's broker cannot wait: the message stays where it is."""
        longest = self.capabilities.max_release_delay
        if longest is not None and delay > longest:
            return UnsupportedError("simulated", f"a delay of {delay}", "release without one")
        return super().give_back(server, delivery, delay)

    def forget(self, server: MemoryServer, delivery: Delivery) -> LongshoreError | None:
        """Acknowledge; a stale receipt may delete as well where the profile says so."""
        number = int(delivery.receipt.partition(":")[0])
        held = server.messages[QUEUE].get(number)
        stale = held is not None and held.receipt != delivery.receipt
        if stale and self._profile.stale_deletes and self._luck.random() < 0.5:
            server.messages[QUEUE].pop(number)
            return None
        return super().forget(server, delivery)


@dataclass(slots=True, kw_only=True)
class Site:
    """The servers of one run. Queue and log are one server where the profile is `together`."""

    queue: ServerQueue
    task_log: MemoryTaskLog
    store: MemoryStore
    together: MemoryTogether | None
    clocks: tuple[ServerClock, ...]
    messages: Messages
    dead: Dead
    rows: Rows
    wake: MemoryServer
    logged: MemoryServer


def open_site(
    loop: VirtualLoop, profile: Profile, history: History, random: Random, own: Process
) -> Site:
    """Open the servers of a run; `own` is the process whose clock is theirs."""
    clock = ServerClock(loop, own, of_caller=profile.clock_of_caller)
    rows = Rows(history, clock)
    logged = MemoryServer(clock)
    logged.rows = rows
    broker = logged if profile.together else MemoryServer(ServerClock(loop, own, of_caller=False))
    messages, dead = Messages(history), Dead(history)
    broker.messages[QUEUE], broker.dead[QUEUE] = messages, dead
    at_log, at_broker = Connection(logged), Connection(broker)
    return Site(
        queue=ServerQueue(at_broker, profile, history, random),
        task_log=MemoryTaskLog(at_log),
        store=MemoryStore(at_log),
        together=MemoryTogether(at_log) if profile.together else None,
        clocks=(clock,),
        messages=messages,
        dead=dead,
        rows=rows,
        wake=broker,
        logged=logged,
    )
