"""`python -m tests.simulation --seeds 2000`: run seeds, print what fails, replay one."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.run import Tally, simulate, sweep

PORTION = 50
SHOWN = 5


def main(arguments: list[str] | None = None) -> int:
    """Run, and answer how the shell is to be told: 0 where every promise held."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one, and print its whole history")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    given = parser.parse_args(arguments)
    if given.seed is not None:
        report = simulate(given.seed)
        print(report.text())
        return 1 if report.found else 0
    began = time.monotonic()
    tally = run_seeds(given.first, given.seeds, given.processes)
    took = time.monotonic() - began
    for failure in tally.failures[:SHOWN]:
        print(f"seed {failure.seed} breaks {failure.what}")
    if tally.failures:
        print(f"{len(tally.failures)} seeds failed; replay: python -m tests.simulation --seed N")
    print(f"{tally.seeds:,} seeds, {tally.events:,} events, {tally.virtual / 3600:,.0f} hours of")
    print(f"virtual time in {took:.0f} s: {tally.summary()}")
    return 1 if tally.failures else 0


def run_seeds(first: int, seeds: int, processes: int) -> Tally:
    """Run seeds in portions, on as many processes."""
    total = Tally()
    starts = range(first, first + seeds, PORTION)
    portion = partial(sweep, end=first + seeds, count=PORTION)
    with ProcessPoolExecutor(processes) as pool:
        for tally in pool.map(portion, starts):
            total.add(tally)
    return total


if __name__ == "__main__":
    sys.exit(main())
