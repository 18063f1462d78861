from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.simulation import protocol_model
from tests.simulation.mutants import (
    BEYOND_THE_MODEL,
    ELSEWHERE,
    FOUND_LATELY,
    MUTANTS,
    OF_THE_MODEL,
    SEEDS,
)

ROOT = Path(__file__).parents[2]
GIVES_WAY = ("/usr/bin/env", "nice")
"""It takes every core it gets for minutes, and nothing in it looks at a clock; other tests do."""


@pytest.mark.once
@pytest.mark.timeout(1800)  # half a minute by itself; beside others it gives way
def test_the_simulation_finds_every_planted_mistake() -> None:
    done = subprocess.run(
        [*GIVES_WAY, sys.executable, "-m", "tests.simulation.mutants"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["name"] for one in results} == set(MUTANTS), done.stderr
    assert [one for one in results if one["seed"] is None] == []


def test_every_mistake_of_the_model_is_planted_or_accounted_for() -> None:
    model: Any = protocol_model
    of_the_model = {name for name, *_ in model.MUTANTS}

    assert {one.name for one in OF_THE_MODEL} | set(ELSEWHERE) == of_the_model


def test_mistakes_have_names_of_their_own() -> None:
    assert len(MUTANTS) == len(OF_THE_MODEL) + len(BEYOND_THE_MODEL)


def test_a_seed_that_is_tried_first_is_one_of_those_a_mutant_gets() -> None:
    assert set(FOUND_LATELY) <= set(MUTANTS)
    assert all(0 <= seed < SEEDS for seed in FOUND_LATELY.values())


def test_every_mistake_has_its_place_in_the_code() -> None:
    """Said at once, where planting them all takes minutes."""
    gone = [
        f"{one.name} in {edit.module}"
        for one in MUTANTS.values()
        for edit in one.edits
        if source_of(edit.module).count(edit.old) != 1
    ]

    assert gone == []


def source_of(module: str) -> str:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text()
