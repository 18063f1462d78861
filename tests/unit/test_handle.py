from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore import Longshore
from longshore.client import Enqueued
from longshore.errors import TaskNotFoundError
from longshore.handle import Handle

if TYPE_CHECKING:
    from collections.abc import Iterator


class Shop:
    """Two applications of one queue: one enqueues, the log of the other has no row of it."""

    def __init__(self, sender: Longshore, worker: Longshore) -> None:
        self.ran: list[str] = []
        self.sender = sender
        self.worker = worker
        self.task = sender.task(self.note)
        worker.task(self.note)

    def note(self, text: str) -> None:
        self.ran.append(text)

    def enqueue(self) -> Handle[None]:
        """Send a message, and hold a handle as its enqueuer does whose record was lost."""
        sent = self.task.enqueue("ran")
        enqueued = Enqueued(id=sent.id, name=sent.name, queue=sent.queue, state=sent.status())
        return Handle(enqueued, lambda: self.worker.session)


@pytest.fixture
def shop() -> Iterator[Shop]:
    queue = f"memory://{uuid4().hex}"
    with (
        Longshore(url=queue, log_url=f"memory://{uuid4().hex}") as sender,
        Longshore(url=queue, log_url=f"memory://{uuid4().hex}") as worker,
    ):
        sender.session.call(_nothing)
        worker.session.call(_nothing)
        yield Shop(sender, worker)


async def _nothing(_live: object) -> None:
    """Open the ports, so that both share the queue."""


def test_a_task_cancelled_before_its_row_is_written_never_starts(shop: Shop) -> None:
    handle = shop.enqueue()
    with pytest.raises(TaskNotFoundError):
        handle.status()

    cancelled = handle.cancel()
    shop.worker.session.drain()

    assert (cancelled.state, cancelled.spec.name) == ("cancelled", "note")
    assert shop.ran == []
    assert handle.status() == "cancelled"


async def test_a_task_may_be_cancelled_ahead_from_a_coroutine(shop: Shop) -> None:
    handle = shop.enqueue()

    assert (await handle.acancel()).state == "cancelled"


def test_a_task_that_nobody_cancelled_runs_though_its_row_was_lost(shop: Shop) -> None:
    handle = shop.enqueue()

    shop.worker.session.call(_nothing)
    shop.sender.session.call(_nothing)
    stopped = shop.worker.session.drain()

    assert (stopped.done, shop.ran) == (1, ["ran"])
    assert handle.status() == "succeeded"
