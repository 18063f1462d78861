"""The synchronous way out: messages leave in the caller's thread, rows follow behind.

For a broker whose adapter has a synchronous client: no event loop and no other thread stands
between the caller and the broker's confirmation (protocol.md §4.1).
"""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import wait
from threading import Lock
from typing import TYPE_CHECKING, Final

from longshore.client import answer_of, failure_of, is_direct, message_of, refuse_large
from longshore.errors import LongshoreError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from longshore.client import Enqueued
    from longshore.protocol import Record
    from longshore.queue import Outgoing
    from longshore.registry import SyncSender

LAST_ROWS: Final = 5.0
"""Seconds that closing waits for rows on their way; without one its task is seen from the claim."""


class DirectClient:
    """Enqueues from plain threads what the broker alone can take. Thread-safe."""

    def __init__(
        self, sender: SyncSender, record: Callable[[Sequence[Record]], Future[None] | None]
    ) -> None:
        """`record` begins to write rows, and answers None where none are wanted."""
        self._sender = sender
        self._record = record
        self._pid = os.getpid()
        self._lock = Lock()
        self._recording: set[Future[None]] = set()

    def takes(self, records: Sequence[Record]) -> bool:
        """Whether every message may go first; a key or a long delay is the log's to decide."""
        capabilities = self._sender.capabilities
        return all(is_direct(record, capabilities(record.spec.queue)) for record in records)

    def submit(self, records: Sequence[Record]) -> list[Enqueued]:
        """Send records that it takes; raises as `Client.enqueue` does."""
        by_queue: defaultdict[str, list[int]] = defaultdict(list)
        for i, record in enumerate(records):
            refuse_large(record, self._sender.capabilities(record.spec.queue))
            by_queue[record.spec.queue].append(i)
        failed: dict[int, LongshoreError] = {}
        for queue, places in by_queue.items():
            sent = self._sent(queue, [message_of(records[i]) for i in places])
            failed |= {i: error for i, error in zip(places, sent, strict=True) if error}
        done = {i: answer_of(one, None) for i, one in enumerate(records) if i not in failed}
        self._follow([records[i] for i in done])
        if failed:
            raise failure_of(failed, done)
        return list(done.values())

    def close(self) -> None:
        """Wait a moment for rows that are on their way; a forked child's parent sees to them."""
        if os.getpid() != self._pid:
            return
        wait(self._recording, timeout=LAST_ROWS)

    def _sent(self, queue: str, messages: Sequence[Outgoing]) -> Sequence[LongshoreError | None]:
        """Send to one queue; repeat once where nobody answered: a copy is one task by the log."""
        try:
            try:
                return self._sender.send(queue, messages)
            except UnavailableError:
                return self._sender.send(queue, messages)
        except LongshoreError as error:
            return [error] * len(messages)

    def _follow(self, records: Sequence[Record]) -> None:
        recording = self._record(records) if records else None
        if recording is not None and recording not in self._recording:
            with self._lock:
                self._recording.add(recording)
            recording.add_done_callback(self._forget)

    def _forget(self, recording: Future[None]) -> None:
        with self._lock:
            self._recording.discard(recording)
