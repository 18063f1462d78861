"""The servers that tests of whole programs run against; see tests/brokers/fixtures.py."""

from __future__ import annotations

from tests.brokers.fixtures import (
    aws_environment,
    dynamodb_url,
    localstack_url,
    moto_url,
    node_modules,
    prometheus_programs,
)

__all__ = [
    "aws_environment",
    "dynamodb_url",
    "localstack_url",
    "moto_url",
    "node_modules",
    "prometheus_programs",
]
