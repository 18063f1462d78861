"""The floor: the same calls in the same batches by bare boto3, and nothing around them.

`python -m tests.bench.aws.apps.boto3_app` is its worker: one thread, one call after another.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3

from tests.bench import journal
from tests.bench.aws.apps import calls

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from types_boto3_sqs import SQSClient

BATCH = 10


def client(endpoint: str) -> SQSClient:
    """Make a client as it comes."""
    made: SQSClient = boto3.client("sqs", endpoint_url=endpoint)  # pyright: ignore[reportUnknownMemberType] - overloads for services whose stubs are not installed
    return made


@contextmanager
def producing() -> Generator[Callable[[range], object]]:
    """Send in batches of ten."""
    calls.count()
    sqs = client(os.environ["BENCH_SQS"])
    url = sqs.get_queue_url(QueueName=os.environ["BENCH_QUEUE"])["QueueUrl"]

    def send(numbers: range) -> None:
        for start in range(0, len(numbers), BATCH):
            part = numbers[start : start + BATCH]
            sqs.send_message_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(place), "MessageBody": json.dumps({"number": number})}
                    for place, number in enumerate(part)
                ],
            )

    yield send


def main() -> None:
    """Receive ten, run them, delete them; until the process is ended."""
    calls.count()
    sqs = client(os.environ["BENCH_SQS"])
    url = sqs.get_queue_url(QueueName=os.environ["BENCH_QUEUE"])["QueueUrl"]
    while True:
        received: Any = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=20
        )
        messages: list[Any] = received.get("Messages", [])
        for message in messages:
            journal.ran(json.loads(message["Body"])["number"])
        if messages:
            sqs.delete_message_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
                    for place, message in enumerate(messages)
                ],
            )


if __name__ == "__main__":
    main()
