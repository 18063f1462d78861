"""What `longshore doctor` says of permissions, role by role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore.cli.permits import judged
from longshore.registry import Permit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.registry import Role
    from tests.unit.cli.conftest import Cli

WORK = {"Action": ["q:Send", "q:Receive"], "Resource": ["arn:q:a", "arn:q:b"]}
LIST = {"Action": "q:List", "Resource": "*"}


def permits(**allowed: bool | None) -> list[Permit]:
    """One of each action for both queues."""
    return [
        Permit(action=f"q:{action}", resource=resource, allowed=answer, text="not tried")
        for resource in ("arn:q:a", "arn:q:b")
        for action, answer in allowed.items()
    ]


def said(role: Role, found: list[Permit], *statements: Mapping[str, object]) -> tuple[str, str]:
    finding = judged("sqs", role, statements or [WORK], found)
    return finding.verdict, finding.text


def test_where_all_is_allowed_that_is_said() -> None:
    assert said("worker", permits(Send=True, Receive=True)) == (
        "ok",
        "nothing that it needs is denied",
    )


@pytest.mark.parametrize(
    ("role", "verdict"), [("producer", "fail"), ("worker", "warn"), ("operator", "ok")]
)
def test_what_is_denied_is_named_with_where_and_weighs_by_role(role: Role, verdict: str) -> None:
    found = said(role, permits(Send=True, Receive=False))

    assert found[0] == verdict
    assert found[1].startswith("denied: q:Receive on a, b")


def test_what_was_not_found_out_is_named_with_the_reason() -> None:
    assert said("worker", permits(Send=True, Receive=None)) == (
        "ok",
        "nothing that it needs is denied; not found out: q:Receive on a, b (not tried)",
    )


def test_what_a_role_does_not_need_does_not_concern_it() -> None:
    found = [*permits(Send=True, Receive=True, Purge=False), *permits(Drop=None)]

    assert said("worker", found)[1] == "nothing that it needs is denied"


def test_resources_that_lack_different_actions_are_told_apart() -> None:
    only = [
        Permit(action="q:Send", resource="arn:q:a", allowed=False),
        Permit(action="q:Receive", resource="arn:q:b", allowed=False),
        Permit(action="q:List", resource="*", allowed=False),
    ]

    assert said("worker", only, WORK, LIST)[1] == (
        "denied: q:Send on a; q:Receive on b; q:List on *"
    )


def test_the_doctor_says_it_of_each_role(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{cli.plugin()}?denied"
    monkeypatch.setenv("LONGSHORE_QUEUE_URL", url)
    cli("init", "--app", cli.app)
    scheme = url.partition("://")[0]

    found = {one["name"]: one for one in cli.json("doctor", "--app", cli.app)["checks"]}

    assert found[f"{scheme} as a producer"]["verdict"] == "ok"
    worker = found[f"{scheme} as a worker"]
    assert (worker["verdict"], worker["text"]) == ("warn", "denied: queue:worker on default, mail")
    assert worker["next"] == "where these credentials are a worker's: longshore permissions worker"
    operator = found[f"{scheme} as an operator"]
    assert operator["verdict"] == "ok"
    assert "not found out: queue:operator on default, mail (not tried)" in operator["text"]
