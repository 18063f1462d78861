"""The servers that tests of whole programs run against; see tests/brokers/fixtures.py."""

from __future__ import annotations

from tests.brokers.fixtures import (
    amqplib_modules,
    aws_environment,
    dynamodb_url,
    localstack_url,
    moto_url,
    node_modules,
    postgres_url,
    private_dynamodb,
    private_rabbitmq,
    private_sqs,
    prometheus_programs,
    rabbitmq_of_the_session,
    rabbitmq_url,
)

__all__ = [
    "amqplib_modules",
    "aws_environment",
    "dynamodb_url",
    "localstack_url",
    "moto_url",
    "node_modules",
    "postgres_url",
    "private_dynamodb",
    "private_rabbitmq",
    "private_sqs",
    "prometheus_programs",
    "rabbitmq_of_the_session",
    "rabbitmq_url",
]
