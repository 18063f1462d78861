"""Sends one task with Celery's own client: broker, its options, the queue, and the call as JSON."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any


def main(broker: str, options: str, queue: str, call: str) -> None:
    """Print the id that Celery gave the task. The queue is there, and Celery is to leave it so."""
    celery: Any = import_module("celery").Celery(broker=broker)
    kombu: Any = import_module("kombu")
    place = kombu.Queue(queue, kombu.Exchange(""), routing_key=queue, no_declare=True)
    celery.conf.update(
        broker_transport_options=json.loads(options),
        task_default_queue=queue,
        task_queues=[place],
    )
    sent = celery.send_task(queue=queue, **json.loads(call))
    print(sent.id)  # noqa: T201  how a script speaks


if __name__ == "__main__":
    main(*sys.argv[1:])
