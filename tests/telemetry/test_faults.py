"""Telemetry that is broken breaks no task, and slows none."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Sampler

from longshore.settings import Settings
from longshore.task import TaskState
from longshore.telemetry import Observed, Tallies
from longshore.telemetry.instruments import OPERATION_DURATION
from longshore.telemetry.tracing import ProcessSpan
from tests.telemetry.observed import observed

if TYPE_CHECKING:
    from longshore.telemetry import Seam


@pytest.fixture
def settings() -> Settings:
    return Settings.load(url=f"memory://{uuid4()}")


class BrokenAtStart(SpanProcessor):
    def on_start(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError("on_start is broken")


class BrokenAtEnd(SpanProcessor):
    def on_end(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError("on_end is broken")


class BrokenSampler(Sampler):
    def should_sample(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError("the sampler is broken")

    def get_description(self) -> str:
        return "broken"


class Stuck(SpanExporter):
    """Never ends an export until it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def export(self, spans: Any) -> SpanExportResult:
        self.free.wait(20)
        return SpanExportResult.FAILURE


class Raising(SpanExporter):
    def export(self, spans: Any) -> NoReturn:
        raise RuntimeError("the exporter is broken")


async def ends_well(settings: Settings, tasks: int = 3, **broken: Any) -> float:
    """Run tasks to their end under broken telemetry; answer the seconds it took."""
    async with observed(settings, **broken) as app:

        async def job() -> None:
            return None

        app.task(job)
        began = time.monotonic()
        enqueued = await app.enqueue(*["job"] * tasks)
        await app.work(*enqueued)
        took = time.monotonic() - began
        rows = await app.ports.task_log.get([one.id for one in enqueued])
        lone = await app.enqueue("job")
        await app.work(*lone)
    assert {row.state for row in rows if row} == {TaskState.SUCCEEDED}
    assert {row.attempts for row in rows if row} == {1}
    return took


async def test_a_processor_that_fails_at_the_start_of_a_span_fails_no_task(
    settings: Settings,
) -> None:
    await ends_well(settings, processor=BrokenAtStart())


async def test_a_processor_that_fails_at_the_end_of_a_span_fails_no_task(
    settings: Settings,
) -> None:
    await ends_well(settings, processor=BrokenAtEnd())


async def test_a_sampler_that_fails_fails_no_task(settings: Settings) -> None:
    await ends_well(settings, sampler=BrokenSampler())


async def test_an_exporter_that_raises_fails_no_task(settings: Settings) -> None:
    processor: Any = BatchSpanProcessor(Raising(), schedule_delay_millis=1)

    await ends_well(settings, processor=processor)

    processor.shutdown()


async def test_a_full_queue_of_spans_keeps_no_task_waiting(settings: Settings) -> None:
    exporter = Stuck()
    processor: Any = BatchSpanProcessor(
        exporter, max_queue_size=8, max_export_batch_size=4, schedule_delay_millis=1
    )

    took = await ends_well(settings, tasks=200, processor=processor)

    exporter.free.set()
    processor.shutdown()
    assert took < 15, "the export that hangs would have taken 20 s"


async def test_tallies_keep_a_metric_at_so_many_series(settings: Settings) -> None:
    async with observed(settings) as app:
        seam: Seam | None = app.ports.telemetry
        assert seam is not None
        for number in range(1500):
            seam.timed("send", f"queue-{number}", 0.1, None)
        lines = [one for one in exposed(app.tallies) if "_count" in one]

    assert len(lines) == 1001
    assert any('messaging_destination_name="_other"' in line for line in lines)


def exposed(tallies: Any) -> list[str]:
    from longshore.telemetry import exposition  # noqa: PLC0415 - for one test

    return exposition(tallies).splitlines()


def test_what_fails_at_the_end_of_a_span_does_not_reach_the_worker() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BrokenAtEnd())
    span = ProcessSpan(provider.get_tracer("test").start_span("a"), Context(), "", always=False)
    complaints: list[str] = []
    attempt = Observed(None, span, lambda: complaints.append("broken"))

    attempt.end(None, 0.1)

    assert complaints == ["broken"]


def test_who_is_told_of_values_and_fails_keeps_them_from_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> NoReturn:
        raise RuntimeError("the meter is broken")

    told: list[float] = []
    tallies = Tallies()
    tallies.listen(fail)
    tallies.listen(lambda _instrument, _attributes, value: told.append(value))

    for value in (0.1, 0.2):
        tallies.observe(OPERATION_DURATION, ("send", "memory", "q", None), value)

    assert told == [0.1, 0.2]
    assert len(caplog.records) == 1
