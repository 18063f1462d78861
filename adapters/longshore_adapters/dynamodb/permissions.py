"""What each role needs to be allowed, as statements of an IAM policy. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.registry import Role
    from longshore_adapters.dynamodb.options import Options

_TASKS: Final = frozenset(
    {
        "BatchGetItem",
        "BatchWriteItem",
        "PartiQLInsert",
        "PartiQLUpdate",
        "PutItem",
        "Query",
        "UpdateItem",
    }
)
"""A batch of statements is allowed by what its statements do; `batch=off` does without PartiQL."""

_ROLES: Final[Mapping[Role, frozenset[str]]] = {
    "producer": _TASKS,
    "worker": _TASKS | {"DeleteItem", "PartiQLDelete", "Scan"},
    "operator": _TASKS
    | {
        "CreateTable",
        "DeleteTable",
        "DescribeTable",
        "DescribeTimeToLive",
        "Scan",
        "UpdateTable",
        "UpdateTimeToLive",
    },
}


def every_action() -> list[str]:
    """Name what any role does to the table, in order."""
    return sorted(frozenset[str]().union(*_ROLES.values()))


def resources(options: Options) -> tuple[str, str]:
    """Name the table and its indexes."""
    table = f"arn:aws:dynamodb:{options.region or '*'}:*:table/{options.table}"
    return table, f"{table}/index/*"


def policy(options: Options, role: Role) -> list[Mapping[str, object]]:
    """List the statements for a role.

    Producers record tasks and look at them by their ids. Workers also list and count, and the
    scheduler in them prunes: nobody else deletes. Operators list and count, and make and remove
    the table.
    """
    table, indexes = resources(options)
    tasks = [f"dynamodb:{action}" for action in sorted(_ROLES[role])]
    statements = [_allow("LongshoreTaskLog", tasks, table)]
    if role != "producer":
        statements.append(_allow("LongshoreTaskLists", ["dynamodb:Query"], indexes))
    return statements


def _allow(sid: str, actions: list[str], resource: str) -> Mapping[str, object]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": [resource]}
