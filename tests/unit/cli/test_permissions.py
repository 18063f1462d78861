"""`longshore permissions`: the policy of a role, for all servers together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from longshore.cli import ExitCode
from longshore.cli.permissions import merged

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize("role", ["producer", "worker", "operator"])
def test_the_policy_of_a_role_names_its_queues_in_order(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setenv("LONGSHORE_QUEUE_URL", cli.plugin())

    ran = cli("permissions", role, "--app", cli.app, "--queue", "audit")

    assert json.loads(ran.stdout) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Queues",
                "Action": sorted([f"queue:{role}", "queue:Look"]),
                "Effect": "Allow",
                "Resource": ["audit", "default", "mail"],
            }
        ],
    }
    assert ran.stderr == "sqlite has no permissions to be written down\n"


def test_where_no_server_has_permissions_it_says_so_and_fails(cli: Cli) -> None:
    ran = cli("permissions", "worker", code=ExitCode.CONFIGURATION)

    assert ran.stdout == ""
    assert "of sqlite none has permissions to be written down; give access by" in ran.stderr


def test_only_the_roles_there_are_can_be_asked_for(cli: Cli) -> None:
    assert "'admin' is not one of" in cli.err("permissions", "admin", code=ExitCode.USAGE)


def test_statements_that_differ_in_resources_alone_become_one() -> None:
    log = {"Sid": "Log", "Effect": "Allow", "Action": ["b", "a"], "Resource": "table/2"}
    store = {"Sid": "Log", "Effect": "Allow", "Action": ["a", "b"], "Resource": ["table/1"]}

    (one,) = merged([log, store, log])

    assert one == {**log, "Action": ["a", "b"], "Resource": ["table/1", "table/2"]}
    assert next(iter(one)) == "Sid"


def test_statements_are_in_the_same_order_however_they_come_and_named_once() -> None:
    look = {"Sid": "Log", "Effect": "Allow", "Action": "Get", "Resource": "table/1"}
    write = {"Sid": "Log", "Effect": "Allow", "Action": "Put", "Resource": "table/1"}
    bare = {"Effect": "Allow", "Action": "List", "Resource": "*"}

    first, second = merged([look, write, bare]), merged([bare, write, look])

    assert first == second
    assert [one.get("Sid") for one in first] == ["Log", None, "Log2"]
    assert [one["Action"] for one in first] == [["Get"], ["List"], ["Put"]]
