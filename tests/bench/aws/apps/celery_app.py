"""Celery on SQS, as it comes. Its receives go past botocore, and are not counted."""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.bench import journal
from tests.bench.aws.apps import calls

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

calls.count()
app: Any = import_module("celery").Celery(
    broker=f"sqs://test:test@{urlsplit(os.environ['BENCH_SQS']).netloc}"
)
app.conf.update(
    broker_transport_options={"region": os.environ["AWS_REGION"], "is_secure": False},
    task_default_queue=os.environ["BENCH_QUEUE"],
)


def _noop(number: int) -> None:
    journal.ran(number)


noop: Any = app.task(name="noop", ignore_result=True)(_noop)


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send one by one: it has no other way."""

    def send(numbers: range) -> None:
        for number in numbers:
            noop.delay(number)

    yield send
