"""The servers that workers are broken on, beside SQLite; see tests/brokers/fixtures.py."""

from __future__ import annotations

from tests.brokers.fixtures import (
    aws_environment,
    dynamodb_url,
    localstack_url,
    postgres_schema,
    postgres_url,
    private_postgres,
    private_rabbitmq,
    rabbitmq_of_the_session,
    redis_url,
)

__all__ = [
    "aws_environment",
    "dynamodb_url",
    "localstack_url",
    "postgres_schema",
    "postgres_url",
    "private_postgres",
    "private_rabbitmq",
    "rabbitmq_of_the_session",
    "redis_url",
]
