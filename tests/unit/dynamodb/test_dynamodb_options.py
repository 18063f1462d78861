from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, cast

import pytest

from longshore.errors import ConfigurationError
from longshore_adapters.dynamodb import ADAPTER
from longshore_adapters.dynamodb.options import Options, parse_url

if TYPE_CHECKING:
    from longshore.registry import Role


ROLES: tuple[Role, ...] = ("producer", "worker", "operator")


def actions(url: str, role: Role) -> set[str]:
    statements = ADAPTER.permissions(url, ["default"], role)
    return {one for each in statements for one in cast("list[str]", each["Action"])}


def test_a_url_names_a_table_and_how_to_reach_it() -> None:
    url = (
        "dynamodb://tasks.prod?region=eu-central-1&endpoint_url=http%3A%2F%2F127.0.0.1%3A8000"
        "&profile=ops&role_arn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx&batch=off&capacity=on&skew=ignore"
        "&shards=8"
    )

    options = parse_url(url)

    assert options == Options(
        table="tasks.prod",
        region="eu-central-1",
        endpoint_url="http://127.0.0.1:8000",
        profile="ops",
        role_arn="arn:aws:iam::1:role/x",
        batch="off",
        capacity=True,
        skew="ignore",
        shards=8,
    )


def test_what_a_url_leaves_out_is_left_to_the_aws_configuration() -> None:
    assert parse_url("dynamodb://tasks") == Options(table="tasks")


@pytest.mark.parametrize(
    "url",
    [
        "dynamodb://",
        "dynamodb://ab",
        "dynamodb://a table",
        "dynamodb://tasks/orders",
        "dynamodb://tasks?region=",
        "dynamodb://tasks?endpoint_url=127.0.0.1:8000",
        "dynamodb://tasks?batch=maybe",
        "dynamodb://tasks?shards=0",
        "dynamodb://tasks?shards=65",
        "dynamodb://tasks?shards=four",
        "dynamodb://tasks?colour=red",
        "dynamodb://tasks?region=a&region=b",
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        parse_url(url)


def test_importing_the_adapter_loads_no_sdk() -> None:
    code = (
        "import sys, longshore_adapters.dynamodb; "
        "print(sorted({'boto3', 'botocore', 'aiobotocore'} & set(sys.modules)))"
    )

    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert said.stdout.strip() == "[]"


def test_a_worker_needs_no_right_to_make_or_remove_the_table() -> None:
    url = "dynamodb://tasks?region=eu-central-1"
    producer, worker, operator = (actions(url, role) for role in ROLES)

    assert producer < worker
    assert producer < operator
    assert "dynamodb:CreateTable" not in worker
    assert "dynamodb:Scan" not in producer


def test_permissions_name_the_table_and_its_indexes_only() -> None:
    statements = ADAPTER.permissions("dynamodb://tasks?region=eu-central-1", ["q"], "worker")

    assert [one["Resource"] for one in statements] == [
        ["arn:aws:dynamodb:eu-central-1:*:table/tasks"],
        ["arn:aws:dynamodb:eu-central-1:*:table/tasks/index/*"],
    ]
