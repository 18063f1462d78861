"""What telemetry costs a drain: `python -m tests.bench.telemetry [--before CHECKOUT]`.

Processor time of whole processes, in runs that alternate, because the clock on the wall says more
of the other users of a machine than of us. The least of each kind counts. Every message carries the
context of its creation.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from longshore.client import Client, Preparer
from longshore.definition import define
from longshore.draft import Draft
from longshore.registry import find_adapter
from longshore.settings import Settings
from longshore.wiring import open_ports

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


def measure(tasks: int, rounds: int, before: Path | None) -> dict[str, float]:
    """The least processor seconds of each kind of drain."""
    least: defaultdict[str, float] = defaultdict(lambda: float("inf"))
    kinds = [*KINDS, *(["before"] if before else [])]
    with tempfile.TemporaryDirectory() as folder:
        full = {each: Path(folder) / f"full-{each}.db" for each in set(PRODUCED.values())}
        for each, path in full.items():
            asyncio.run(fill(path, tasks, each))
        for _ in range(rounds):
            for kind in kinds:
                copy = Path(folder) / "run.db"
                shutil.copy(full[PRODUCED.get(kind, 1)], copy)
                python = before / ".venv/bin/python" if kind == "before" and before else None
                least[kind] = min(least[kind], run(kind, copy, python))
                for each in Path(folder).glob("run.db*"):
                    each.unlink()
    return dict(least)


def run(kind: str, database: Path, python: Path | None) -> float:
    """One drain, in a process of its own."""
    said = subprocess.run(
        [python or sys.executable, HERE / "drain.py", "off" if python else kind, database],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(said.stdout)


def span_cost(number: int = 20_000) -> float:
    """What the SDK itself takes for a span as ours, in seconds: six attributes and two links."""
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - only to measure
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415 - as above
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )
    from opentelemetry.trace import Link, SpanContext, SpanKind  # noqa: PLC0415 - as above

    class Nowhere(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=16_384))
    tracer = provider.get_tracer("bare")
    attributes = {f"attribute.{n}": "value" for n in range(10)}
    link = Link(SpanContext(1, 1, is_remote=True))
    began = time.process_time()
    for _ in range(number):
        tracer.start_span("x", kind=SpanKind.CONSUMER, attributes=attributes, links=[link]).end()
    took = time.process_time() - began
    provider.shutdown()
    return took / number


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.telemetry")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="a checkout to compare `off` with")
    given = parser.parse_args()
    least = measure(given.tasks, given.rounds, given.before)
    for kind, seconds in least.items():
        each = seconds / given.tasks * 1e6
        sys.stdout.write(f"{kind:10} {each:7.1f} us/task  {seconds / least['off']:.3f} of off\n")
    sys.stdout.write(f"a bare span {span_cost() * 1e6:6.1f} us\n")


if __name__ == "__main__":
    main()
