"""The servers that adapter tests run against; tests/brokers finds or starts them.

Ask for one by its fixture: `localstack_url`, `moto_url` and `dynamodb_url` are endpoint URLs for
the whole session, and `aws_environment` gives a test the credentials that any of them accepts.
"""

from __future__ import annotations

from tests.brokers.fixtures import (
    asked_for_credentials,
    aws_environment,
    dynamodb_url,
    localstack_url,
    moto_url,
    postgres_schema,
    postgres_url,
    private_postgres,
    private_rabbitmq,
    private_redis,
    rabbitmq_of_the_session,
    rabbitmq_url,
    redis_url,
)

__all__ = [
    "asked_for_credentials",
    "aws_environment",
    "dynamodb_url",
    "localstack_url",
    "moto_url",
    "postgres_schema",
    "postgres_url",
    "private_postgres",
    "private_rabbitmq",
    "private_redis",
    "rabbitmq_of_the_session",
    "rabbitmq_url",
    "redis_url",
]
