from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.run import Tally, simulate, sweep

ROOT = Path(__file__).parents[2]
SEEDS = 1000
"""More than a planted mistake gets to be found in; `make simulate` runs as many as one likes."""
GIVES_WAY = ("/usr/bin/env", "nice")
"""It takes every core it gets for minutes, and nothing in it looks at a clock; other tests do."""

pytestmark = pytest.mark.once


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GIVES_WAY, sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(1800)  # a minute on cores of its own; beside others it gives way, however long
def test_every_promise_holds_whatever_goes_wrong() -> None:
    done = run("--seeds", str(SEEDS))

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_seed_replays_exactly_in_another_process() -> None:
    one = run("--seed", "7", PYTHONHASHSEED="1")
    two = run("--seed", "7", PYTHONHASHSEED="2")

    assert one.returncode == 0, one.stderr
    assert one.stdout == two.stdout
    assert "Began" in one.stdout


def test_a_seed_replays_exactly_after_others() -> None:
    first = simulate(11).history.lines()
    simulate(12)

    assert simulate(11).history.lines() == first


def test_the_plans_bring_about_what_they_are_there_for() -> None:
    tally: Tally = sweep(0, 150, 150)

    assert tally.seeds == 150
    met = {
        "handlers run",
        "never arrived",
        "answer lost",
        "repeated",
        "delivered twice",
        "crash",
        "stop",
        "cont",
        "cut",
        "down",
        "drain",
        "copy",
        "late copy",
        "pause queue",
        "redeliver",
        "lose",
        "skew",
        "rescues",
        "poison",
    }
    assert met <= set(tally.seen)
