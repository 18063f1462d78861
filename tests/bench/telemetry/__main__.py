"""What telemetry costs: `python -m tests.bench.telemetry [--before CHECKOUT]`.

First what an attempt's telemetry takes by itself, beside the same spans of the bare SDK, in one
process; then whole drains of SQLite. All is processor time, in runs that alternate, because the
clock on the wall says more of the other users of a machine than of us. The least of each kind
counts. Every message carries the context of its creation.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from longshore.client import Client, Preparer
from longshore.definition import define
from longshore.draft import Draft
from longshore.registry import find_adapter
from longshore.settings import Settings
from longshore.wiring import open_ports
from tests.bench.telemetry.attempts import measured

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
KINDS = ("off", "metrics", "none", "sampled", "every")
PRODUCED = {"none": 0, "sampled": 100, "every": 1}
"""One in how many messages comes from a sampled trace; the others are never looked at."""
BATCH = 1000


class Produced:
    """Stands for a producer that samples one trace in `each`; 0: none."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._number = 0

    def of(self, queue: str, task: str, task_id: str) -> dict[str, str]:
        """A context of its own for each message, as `create` spans have."""
        self._number += 1
        number = self._number
        flag = "01" if self._each and number % self._each == 0 else "00"
        return {"traceparent": f"00-{number:032x}-{number:016x}-{flag}"}


async def noop(number: int) -> None:
    del number


async def fill(path: Path, tasks: int, each: int) -> None:
    url = f"sqlite:///{path}?synchronous=normal"
    find_adapter(url).init(url)
    definition = define(noop, name="noop")
    async with open_ports(Settings.load(url=url)) as ports:
        preparer = Preparer(ports.ids)
        client = Client(ports, preparer)
        for first in range(0, tasks, BATCH):
            drafts = [Draft(definition, {"number": n}) for n in range(first, first + BATCH)]
            now = ports.clock.now()
            await client.submit(preparer.records(drafts, now, Produced(each)))


def measure(tasks: int, rounds: int, before: Path | None) -> dict[str, list[float]]:
    """Processor seconds of each kind of drain, round by round."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    kinds = [*KINDS, *(["before"] if before else [])]
    with tempfile.TemporaryDirectory() as folder:
        full = {each: Path(folder) / f"full-{each}.db" for each in set(PRODUCED.values())}
        for each, path in full.items():
            asyncio.run(fill(path, tasks, each))
        for number in range(rounds):
            # The order turns, so that none always comes after the same one.
            turn = number % len(kinds)
            for kind in kinds[turn:] + kinds[:turn]:
                copy = Path(folder) / "run.db"
                shutil.copy(full[PRODUCED.get(kind, 1)], copy)
                took[kind].append(run(kind, copy, before if kind == "before" else None))
                for used in Path(folder).glob("run.db*"):
                    used.unlink()
    return dict(took)


def run(kind: str, database: Path, checkout: Path | None) -> float:
    """One drain, in a process of its own; of another checkout's code where one is given."""
    environment = dict(os.environ)
    if checkout is not None:
        environment["PYTHONPATH"] = f"{checkout}/core:{checkout}/adapters"
    said = subprocess.run(
        [sys.executable, HERE / "drain.py", "off" if checkout else kind, database],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return float(said.stdout)


def drains(took: dict[str, list[float]], tasks: int) -> Iterator[str]:
    """Of each kind the least, its ratio to the least without telemetry, and the rounds' ratios."""
    for kind, seconds in took.items():
        ratios = [one / off for one, off in zip(seconds, took["off"], strict=True)]
        least = min(seconds)
        yield (
            f"{kind:10} {least / tasks * 1e6:7.1f} us/task, {least / min(took['off']):.3f} of off; "
            f"by rounds {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        )


def attempts(least: dict[str, float]) -> Iterator[str]:
    """Of each kind what an attempt takes, what of it is the bare SDK's, and what is left."""
    nothing = least["nothing"]
    for kind in KINDS[1:]:
        whole, bare = least[kind] - nothing, least.get(f"{kind}, bare", 0.0)
        yield (
            f"{kind:10} {whole * 1e6:7.2f} us/attempt, the same spans of the bare SDK "
            f"{bare * 1e6:.2f}: {(whole - bare) * 1e6:.2f} beyond"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.telemetry")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="a checkout to compare `off` with")
    given = parser.parse_args()
    for line in attempts(measured(batches=20, rounds=5 * given.rounds)):
        sys.stdout.write(f"{line}\n")
    for line in drains(measure(given.tasks, given.rounds, given.before), given.tasks):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
