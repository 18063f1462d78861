"""Names of the messaging conventions."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from longshore.telemetry import system_of


@pytest.mark.parametrize(
    ("scheme", "system"),
    [
        ("sqs", "aws_sqs"),
        ("rabbitmq", "rabbitmq"),
        ("rabbitmqs", "rabbitmq"),
        ("postgres", "postgresql"),
    ],
)
def test_a_system_is_named_as_the_conventions_do(scheme: str, system: str) -> None:
    assert system_of(scheme) == system


def test_schemes_of_one_adapter_are_one_system() -> None:
    systems: dict[str, set[str]] = {}
    for each in entry_points(group="longshore.adapters"):
        systems.setdefault(each.value, set()).add(system_of(each.name))

    assert {adapter: names for adapter, names in systems.items() if len(names) > 1} == {}
