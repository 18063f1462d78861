"""Sends tasks one at a time, each when the last has begun: `python -m tests.bench.ask`.

Its words are a contender's module and how many tasks. Between two it idles, of varied length, so
that no worker's own rhythm is met at the same point each time.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.bench import journal
from tests.bench.processes import PATIENCE

_LOOK: Final = 0.001


def main(module: str, tasks: int) -> None:
    """Ask, and answer how many have begun."""
    runs = Path(os.environ["BENCH_RUNS"])
    with import_module(module).producing() as send:
        for number in range(tasks):
            time.sleep(random.uniform(0.005, 0.025))  # noqa: S311 - no secret
            send(range(number, number + 1))
            _until(runs, number + 1)
    sys.stdout.write(json.dumps({"begun": journal.made(runs)}) + "\n")


def _until(runs: Path, wanted: int) -> None:
    end = time.monotonic() + PATIENCE
    while journal.made(runs) < wanted:
        if time.monotonic() > end:
            sys.exit(f"task {wanted} has not begun")
        time.sleep(_LOOK)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
