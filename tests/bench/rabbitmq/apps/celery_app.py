"""Celery, told to wait for confirms and to acknowledge what was run, on a quorum queue."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.bench import journal
from tests.bench.load import DELAY, HOW, QUEUE, load, on_threads
from tests.bench.rabbitmq.apps.server import PREFETCH, URL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_THREADS = 2
app: Any = import_module("celery").Celery(broker=f"amqp://{URL}//")
app.conf.update(
    broker_transport_options={"confirm_publish": True},
    task_default_queue=QUEUE,
    task_default_queue_type="quorum",
    task_acks_late=True,
    worker_concurrency=_THREADS,
    worker_prefetch_multiplier=PREFETCH // _THREADS,
    worker_enable_remote_control=False,
)


def _never(*_: object) -> bool:
    return False


# With a quorum queue it makes 28 more, for delays, which nobody here has.
_delays: Any = import_module("celery.worker.consumer.delayed_delivery").DelayedDelivery
_delays.include_if = _never


def _noop(number: int, sent: int, filling: str) -> None:
    del filling
    journal.ran(number, sent)


noop: Any = app.task(name="noop", ignore_result=True)(_noop)


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send one by one, or so on several threads."""
    later = DELAY if HOW == "later" else None
    yield on_threads(lambda number: noop.apply_async(load(number), countdown=later))
    app.close()
