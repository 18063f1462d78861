"""What each role needs to be allowed, as statements of an IAM policy. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.registry import Role
    from longshore_adapters.dynamodb.options import Options

_WRITES: Final = (
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "PartiQLDelete",
    "PartiQLInsert",
    "PartiQLUpdate",
    "PutItem",
    "Query",
    "UpdateItem",
)
"""A batch of statements is allowed by what its statements do; `batch=off` does without PartiQL."""

_OPERATES: Final = (
    "CreateTable",
    "DeleteTable",
    "DescribeTable",
    "DescribeTimeToLive",
    "UpdateTable",
    "UpdateTimeToLive",
)


def actions(role: Role) -> list[str]:
    """Name what a role does, in order."""
    scans = () if role == "producer" else ("Scan",)
    return sorted([*_WRITES, *scans, *(_OPERATES if role == "operator" else ())])


def resources(options: Options) -> tuple[str, str]:
    """Name the table and its indexes."""
    table = f"arn:aws:dynamodb:{options.region or '*'}:*:table/{options.table}"
    return table, f"{table}/index/*"


def policy(options: Options, role: Role) -> list[Mapping[str, object]]:
    """List the statements for a role.

    Producers record tasks and look at them; workers and schedulers also list, count and prune;
    operators also make and remove the table.
    """
    return [
        {
            "Sid": "LongshoreTaskLog",
            "Effect": "Allow",
            "Action": [f"dynamodb:{action}" for action in actions(role)],
            "Resource": list(resources(options)),
        }
    ]
