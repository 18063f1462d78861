"""Sends one task with Celery's own client: endpoint, queue, queue URL, and the call as JSON."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit


def main(endpoint: str, queue: str, queue_url: str, call: str) -> None:
    """Print the id that Celery gave the task."""
    celery: Any = import_module("celery").Celery(
        broker=f"sqs://test:test@{urlsplit(endpoint).netloc}"
    )
    login = {"access_key_id": "test", "secret_access_key": "test"}
    celery.conf.update(
        broker_transport_options={
            "region": "us-east-1",
            "is_secure": False,
            "predefined_queues": {queue: {"url": queue_url, **login}},
        },
        task_default_queue=queue,
    )
    sent = celery.send_task(queue=queue, **json.loads(call))
    print(sent.id)  # noqa: T201  how a script speaks


if __name__ == "__main__":
    main(*sys.argv[1:])
