from __future__ import annotations

import pytest

from longshore.policy import Policy, QueuePolicy

ROUTES = {"mail.send": "exact", "mail.*": "mail", "*": "rest", "mail.a*": "longer", "*.z": "tail"}


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("mail.send", "exact"),
        ("mail.read", "mail"),
        ("mail.archive", "longer"),
        ("invoice", "rest"),
        ("invoice.z", "tail"),
    ],
)
def test_the_exact_name_routes_a_task_else_the_longest_pattern(task: str, queue: str) -> None:
    assert Policy(routes=ROUTES).route(task) == queue


@pytest.mark.parametrize("routes", [{"a*": "first", "*a": "last"}, {"*a": "last", "a*": "first"}])
def test_of_equally_long_patterns_the_order_they_are_written_in_decides_nothing(
    routes: dict[str, str],
) -> None:
    assert Policy(routes=routes).route("aa") == "last"


def test_a_task_that_no_route_fits_goes_to_the_default_queue() -> None:
    assert Policy(queue="main", routes={"mail.*": "mail"}).route("invoice") == "main"
    assert Policy().route("invoice") == "default"


def test_letter_case_counts() -> None:
    assert Policy(routes={"Mail.*": "mail"}).route("mail.send") == "default"


def test_a_queue_that_nothing_is_said_of_has_the_defaults() -> None:
    policy = Policy(default=QueuePolicy(priority=3), queues={"mail": QueuePolicy(priority=9)})

    assert policy.of("mail").priority == 9
    assert policy.of("other").priority == 3
