"""Drain a filled SQLite database with one kind of telemetry; print the processor time it took.

A program, so that each run has an interpreter of its own: `python drain.py KIND DATABASE`. It runs
on a checkout without telemetry as well, as `off`, so that the two can be compared.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from typing import Any

from longshore.definition import TaskRegistry, define
from longshore.policy import Policy
from longshore.settings import Settings
from longshore.wiring import open_ports
from longshore.worker import Worker, WorkerOptions

RATES = {"every": 1.0, "sampled": 0.01, "none": 0.0}


async def noop(number: int) -> None:
    del number


def main(kind: str, path: str) -> None:
    registry = TaskRegistry()
    registry.add(define(noop, name="noop"))
    given: dict[str, Any] = {} if kind == "off" else {"telemetry": telemetry(kind)}
    settings = Settings.load(url=f"sqlite:///{path}?synchronous=normal")
    sys.stdout.write(f"{asyncio.run(drain(settings, registry, given)):.6f}\n")


async def drain(settings: Settings, registry: TaskRegistry, given: dict[str, Any]) -> float:
    gc.collect()
    gc.freeze()  # as a worker process does
    async with open_ports(settings, **given) as ports:
        worker = Worker(ports, registry, Policy(), WorkerOptions(burst=True, concurrency=100))
        began = time.process_time()
        await worker.run()
        return time.process_time() - began


def telemetry(kind: str) -> object:
    """The metrics alone, or spans alone, exported to nowhere as an application would."""
    from longshore.telemetry import Tallies, Telemetry, TelemetryOptions  # noqa: PLC0415 - not `off`

    if kind == "metrics":
        return Telemetry(Tallies(), TelemetryOptions(), None, None, None)
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415 - as above
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )
    from opentelemetry.sdk.trace.sampling import (  # noqa: PLC0415 - as above
        ParentBasedTraceIdRatio,
    )

    class Nowhere(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    from longshore.telemetry.tallies import Uncounted  # noqa: PLC0415 - as above

    provider = TracerProvider(ParentBasedTraceIdRatio(RATES[kind]), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=16_384))
    return Telemetry(Uncounted(), TelemetryOptions(), provider.get_tracer("longshore"), None, None)


if __name__ == "__main__":
    main(*sys.argv[1:])
