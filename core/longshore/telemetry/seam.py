"""Where an application is observed: ports are wrapped here, and here its worker tells the rest.

Nothing of it raises into a caller, waits for an exporter, or costs more than adding up.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from longshore.telemetry import instruments as table
from longshore.telemetry.attempts import Attempts, Observed
from longshore.telemetry.naming import destination
from longshore.telemetry.queues import InstrumentedQueue, by_reason, with_xray
from longshore.telemetry.rows import (
    InstrumentedLog,
    InstrumentedSyncTogether,
    InstrumentedTogether,
)
from longshore.telemetry.senders import InstrumentedSender
from longshore.telemetry.tallies import MOST_SERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from datetime import datetime

    from longshore.context import Context
    from longshore.errors import LongshoreError
    from longshore.message import Message
    from longshore.queue import Delivery, Depth, Outgoing, Queue
    from longshore.task import TaskSpec
    from longshore.task_log import TaskLog
    from longshore.telemetry.options import TelemetryOptions
    from longshore.telemetry.senders import Sender
    from longshore.telemetry.sending import Sending
    from longshore.telemetry.tallies import Reading, Tallies
    from longshore.telemetry.tracing import ProcessSpan, Tracing
    from longshore.together import SyncTogether, Together

_log = logging.getLogger("longshore.telemetry")
_KEPT: Final = 2.5
"""How many times its own interval a gauge is kept: then whoever told it leads no more."""
_LAG_KEPT: Final = 15.0
_UNTRACED: Final[AbstractContextManager[None]] = nullcontext()


class Seam:
    """Observes one set of ports. Safe for use by several threads."""

    def __init__(
        self, tallies: Tallies, options: TelemetryOptions, system: str, tracing: Tracing | None
    ) -> None:
        """Without `tracing` only the counting is done."""
        self.tallies = tallies
        self.options = options
        self.system = system
        self.tracing = tracing
        self._known: Callable[[str], bool] = frozenset[str]().__contains__
        self._broken = False
        self._attempts: dict[tuple[str, str], Attempts] = {}

    # ------------------------------------------------------------------ ports

    def queues(self, opened: Callable[[str], Queue]) -> Callable[[str], Queue]:
        """Wrap queues, each once."""
        wrapped: dict[str, Queue] = {}

        def queue(name: str) -> Queue:
            found = wrapped.get(name)
            if found is None:
                found = wrapped[name] = InstrumentedQueue(opened(name), self)
            return found

        return queue

    def task_log(self, log: TaskLog) -> TaskLog:
        """Wrap a log."""
        return InstrumentedLog(log, self)

    def together(self, together: Together | None) -> Together | None:
        """Wrap queue and log as one, where they are."""
        return None if together is None else InstrumentedTogether(together, self)

    def sync_together(self, together: SyncTogether) -> SyncTogether:
        """Wrap the way in for callers without a loop."""
        return InstrumentedSyncTogether(together, self)

    def sender(self, sender: Sender) -> Sender:
        """Wrap the way in to a broker for callers without a loop."""
        return InstrumentedSender(sender, self)

    def calls(self, system: str, calls: Callable[[], Mapping[str, int]]) -> Callable[[], None]:
        """Have a server's requests counted; answers how to stop. What was counted stays."""
        last: Counter[str] = Counter()

        def read() -> Iterable[Reading]:
            last.update(Counter(calls()) - last)
            return [((system, name), float(number)) for name, number in last.items()]

        stop = self.tallies.watch(table.BACKEND_CALLS, read)

        def end() -> None:
            final = read()
            stop()
            for key, number in final:
                self.tallies.add(table.BACKEND_CALLS, key, number)

        return end

    def quiet(self) -> AbstractContextManager[None]:
        """Keep others' instruments from tracing what is done inside: our own polls and settling."""
        if self.tracing is None:
            return _UNTRACED
        from longshore.telemetry.quiet import Quiet  # noqa: PLC0415 - imports OpenTelemetry

        return Quiet()

    # ------------------------------------------------------------------ producers

    def sending(self, count: int) -> Sending | AbstractContextManager[None]:
        """Observe one enqueue of so many messages."""
        if self.tracing is None or not count:
            return _UNTRACED
        from longshore.telemetry.sending import Sending  # noqa: PLC0415 - imports OpenTelemetry

        return Sending(self.tracing, count)

    def outgoing(self, messages: Sequence[Outgoing]) -> Sequence[Outgoing]:
        """Answer messages as they are to be sent."""
        return with_xray(messages) if self.options.xray else messages

    def sent(self, queue: str, answers: Sequence[LongshoreError | None]) -> None:
        """Count messages by what their sending came to."""
        went = Counter(None if error is None else type(error).__name__ for error in answers)
        for error, count in went.items():
            self.counted(queue, count, error)

    def counted(self, queue: str, count: int, error: str | None) -> None:
        """Count messages that were to be sent."""
        self.tallies.add(table.SENT_MESSAGES, ("send", *self._where(queue), error), count)

    @contextmanager
    def publishing(self, queue: str, messages: Sequence[Outgoing]) -> Generator[None]:
        """Trace the sending of what waited in the log; the queue's wrapper counts it."""
        began, error = time.time_ns(), None
        try:
            with self.quiet():
                yield
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            self._published(queue, messages, began, error)

    def _published(
        self, queue: str, messages: Sequence[Outgoing], began: int, error: str | None
    ) -> None:
        if self.tracing is not None:
            try:
                self.tracing.published(queue, messages, began, error)
            except Exception:  # noqa: BLE001 - a task is sent, whatever its trace may come to
                self._complain()

    # ------------------------------------------------------------------ consumers

    def received(self, queue: str, deliveries: Sequence[Delivery], began: int) -> None:
        """Count what came, and trace the poll that brought it."""
        key = ("receive", *self._where(queue))
        self.tallies.add(table.CONSUMED_MESSAGES, key, len(deliveries))
        self.tallies.fold()
        if self.tracing is not None:
            try:
                self.tracing.received(queue, deliveries, began)
            except Exception:  # noqa: BLE001 - no message is lost for its trace
                self._complain()

    def settled(self, verb: str, queue: str, count: int, began: int) -> None:
        """Trace messages that were settled together, where that is wanted."""
        if self.tracing is not None and self.options.settling:
            try:
                self.tracing.settled(verb, queue, count, began, None)
            except Exception:  # noqa: BLE001 - as above
                self._complain()

    def refused(self, verb: str, queue: str, answers: Sequence[LongshoreError | None]) -> None:
        """Count messages that their queue did not settle."""
        for error, count in Counter(type(one).__name__ for one in answers if one).items():
            self.tallies.add(table.MESSAGES_REFUSED, (verb, *self._where(queue), error), count)

    def timed(self, verb: str, queue: str, seconds: float, error: str | None) -> None:
        """Count a call of a queue."""
        key = (verb, *self._where(queue), error)
        self.tallies.observe(table.OPERATION_DURATION, key, seconds)

    def died(self, queue: str, reasons: Sequence[str]) -> None:
        """Count dead letters."""
        for reason, count in by_reason(reasons).items():
            self.tallies.add(table.DEAD_LETTERS, (*self._where(queue), reason), count)

    def duplicate(self, queue: str) -> None:
        """Count a message whose task had ended."""
        self.tallies.add(table.DUPLICATES_DROPPED, self._where(queue))

    def rescued(self, queue: str, task: str) -> None:
        """Count a task that was taken over."""
        self.tallies.add(table.TASK_RESCUES, (*self._where(queue), self._task(task)))

    def begin(
        self,
        spec: TaskSpec,
        ctx: Context,
        message: Message,
        delivery: Delivery | None,
        began_at: datetime,
    ) -> Observed:
        """Observe an attempt that begins now. Call in the thread of the loop."""
        attempts = self._attempts_of(spec) if self.tallies.counts else None
        if attempts is not None and ctx.attempt > 1:
            attempts.retried(1)
        elif attempts is not None and not ctx.run:
            waited = began_at - max(spec.created_at, message.notbefore or spec.created_at)
            attempts.waited(max(waited.total_seconds(), 0.0))
        span: ProcessSpan | None = None
        if self.tracing is not None:
            try:
                span = self.tracing.process(ctx, message, delivery)
            except Exception:  # noqa: BLE001 - a task runs, whatever its trace may come to
                self._complain()
        return Observed(attempts, span, self._complain)

    def _attempts_of(self, spec: TaskSpec) -> Attempts:
        found = self._attempts.get((spec.queue, spec.name))
        if found is None:
            where = (*self._where(spec.queue), self._task(spec.name))
            found = Attempts(self.tallies, where)
            if len(self._attempts) < MOST_SERIES:
                self._attempts[spec.queue, spec.name] = found
        return found

    # ------------------------------------------------------------------ gauges

    def knows(self, tasks: Callable[[str], bool]) -> None:
        """Let tasks that are known so be told apart by name; all others are one."""
        self._known = tasks
        self._attempts = {}

    def worker(self, slots: Callable[[], tuple[int, int, int]]) -> Callable[[], None]:
        """Have a worker's slots read: in all, running, and held; answers how to stop."""

        def held() -> Iterable[Reading]:
            _, running, all_held = slots()
            return [(("running",), running), (("waiting",), max(all_held - running, 0))]

        stops = [
            self.tallies.watch(table.IN_FLIGHT, held),
            self.tallies.watch(table.SLOTS, lambda: [((), slots()[0])]),
            self.tallies.watch(table.SATURATION, lambda: [((), slots()[1] / max(slots()[0], 1))]),
        ]

        def stop() -> None:
            for each in stops:
                each()

        return stop

    def depth(self, queue: str, depth: Depth) -> None:
        """Set how much waits in a queue."""
        keep = self.options.depth_every * _KEPT
        where = self._where(queue)
        for state in table.MESSAGE_STATES:
            number: int = getattr(depth, state)
            self.tallies.set(table.QUEUE_DEPTH, (*where, state), number, keep=keep)
        if depth.oldest_age is not None or not depth.ready:
            age = 0.0 if depth.oldest_age is None else depth.oldest_age.total_seconds()
            self.tallies.set(table.QUEUE_OLDEST_AGE, where, age, keep=keep)

    def lagged(self, seconds: float) -> None:
        """Set how late due rows are."""
        self.tallies.set(table.SCHEDULER_LAG, (), seconds, keep=_LAG_KEPT)

    def _where(self, queue: str) -> tuple[str, str]:
        return self.system, destination(self.system, queue)

    def _task(self, name: str) -> str:
        return name if self._known(name) else table.UNKNOWN

    def _complain(self) -> None:
        """Say once that tracing is broken; it is nobody else's trouble."""
        if not self._broken:
            self._broken = True
            _log.warning("spans cannot be made; tasks run without", exc_info=True)
