"""Where it is measured: an emulator of SQS, one of DynamoDB, and names that are used once."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from longshore.registry import find_adapter
from tests.bench.aws.apps.boto3_app import client
from tests.brokers.servers import DYNAMODB, LOCALSTACK

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from types_boto3_sqs import SQSClient

REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Endpoints of the emulators, and a folder for what processes write."""

    folder: Path
    sqs: str = f"http://{LOCALSTACK.address}"
    dynamodb: str = f"http://{DYNAMODB.address}"

    def sqs_url(self, prefix: str) -> str:
        """The URL of Longshore's queues under a prefix."""
        return f"sqs://?region={REGION}&endpoint_url={self.sqs}&prefix={prefix}-"

    @contextmanager
    def queue(self) -> Generator[str]:
        """Make a prefix, and under it the queue `default`; both are gone afterwards."""
        prefix = f"bench-{uuid4().hex[:8]}"
        client = self.client()
        url = client.create_queue(QueueName=f"{prefix}-default")["QueueUrl"]
        try:
            yield prefix
        finally:
            for one in client.list_queues(QueueNamePrefix=prefix).get("QueueUrls", [url]):
                client.delete_queue(QueueUrl=one)
            client.close()

    @contextmanager
    def table(self, options: str = "") -> Generator[str]:
        """Make a table for Longshore; it is gone afterwards."""
        name = f"bench-{uuid4().hex[:8]}"
        url = f"dynamodb://{name}?region={REGION}&endpoint_url={self.dynamodb}{options}"
        adapter = find_adapter(url)
        adapter.init(url)
        try:
            yield url
        finally:
            adapter.deinit(url)

    def left(self, prefix: str) -> int:
        """Messages of a queue that are not deleted, received or not."""
        client = self.client()
        url = client.get_queue_url(QueueName=f"{prefix}-default")["QueueUrl"]
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        client.close()
        waiting = int(found["ApproximateNumberOfMessages"])
        return waiting + int(found["ApproximateNumberOfMessagesNotVisible"])

    def client(self) -> SQSClient:
        """Make a client of the emulator."""
        return client(self.sqs)


def credentials() -> dict[str, str]:
    """What every AWS client is to find, and nothing of the user's own."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def settings(place: Place) -> dict[str, str]:
    """What a measured process is told; whatever it dials by itself is the emulator."""
    return credentials() | {"AWS_ENDPOINT_URL": place.sqs, "BENCH_SQS": place.sqs}


@contextmanager
def here(folder: Path) -> Generator[Place]:
    """Measure on the emulators of this machine, and see nothing else."""
    with isolated():
        yield Place(folder=folder)


@contextmanager
def isolated() -> Generator[None]:
    """Have this process see the emulators' credentials alone."""
    before = {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
    for name in before:
        del os.environ[name]
    os.environ.update(credentials())
    try:
        yield
    finally:
        for name in credentials():
            os.environ.pop(name, None)
        os.environ.update(before)
