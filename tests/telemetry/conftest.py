"""Places that tasks are sent through, each observed by providers of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.settings import Settings
from tests.brokers.fixtures import aws_environment, dynamodb_url, localstack_url, rabbitmq_url

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["aws_environment", "dynamodb_url", "localstack_url", "rabbitmq_url"]

PLACES = ("memory", "sqlite", "sqs", "sqs_dynamodb", "rabbitmq")
"""Queues and logs whose traces are compared; a broker that joins them is added here."""
SYSTEMS = {
    "memory": "memory",
    "sqlite": "sqlite",
    "sqs": "aws_sqs",
    "sqs_dynamodb": "aws_sqs",
    "rabbitmq": "rabbitmq",
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name: str = request.param
    return name


@pytest.fixture
def settings(place: str, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Where tasks go, new for each test; servers only where they are there."""
    name = f"t{uuid4().hex[:12]}"
    database = f"sqlite:///{tmp_path}/tasks.db"
    if place == "memory":
        return Settings.load(url=f"memory://{name}")
    if place == "sqlite":
        return Settings.load(url=database)
    if place == "rabbitmq":
        url: str = request.getfixturevalue("rabbitmq_url")
        return Settings.load(url=database, queue_url=f"{url}?prefix={name}-")
    endpoint = request.getfixturevalue("localstack_url")
    request.getfixturevalue("aws_environment")
    queue_url = f"sqs://?endpoint_url={endpoint}&prefix={name}-"
    if place == "sqs":
        return Settings.load(url=database, queue_url=queue_url)
    dynamodb = request.getfixturevalue("dynamodb_url")
    return Settings.load(url=f"dynamodb://{name}?endpoint_url={dynamodb}", queue_url=queue_url)


def extras(place: str, settings: Settings) -> dict[str, object]:
    """What one system asks for beside the common attributes: RabbitMQ the real routing key."""
    if place != "rabbitmq":
        return {}
    prefix = str(settings.queue_url).partition("prefix=")[2]
    return {"messaging.rabbitmq.destination.routing_key": f"{prefix}default"}
