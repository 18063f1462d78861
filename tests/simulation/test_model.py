from __future__ import annotations

from typing import Any

import pytest

from tests.simulation import protocol_model

MODEL: Any = protocol_model
SMALL = frozenset({"sqs, foreign, lean, pause, resume", "fifo, pause, resume"})
"""Scenarios of some seconds each; all take minutes, and are run when the page changes."""

# Nothing but processor time, and no line of the product: there is nothing to measure.
pytestmark = [pytest.mark.once, pytest.mark.no_cover, pytest.mark.timeout(120)]


@pytest.mark.parametrize("mutant", MODEL.MUTANTS, ids=lambda mutant: mutant[0])
def test_the_model_finds_the_mistake(mutant: Any) -> None:
    _, expected, config, _ = mutant

    broken = MODEL.explore(config)[2]

    assert broken.startswith(expected) if expected else not broken


@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_invariant_holds_in_the_model(name: str) -> None:
    (scenario,) = [one for one in MODEL.SCENARIOS if one.name == name]

    assert not MODEL.explore(scenario)[2]
