"""Distributions that are exported as what came since the last time."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)

from longshore.telemetry import Tallies
from longshore.telemetry.exported import WithTallies, publish
from longshore.telemetry.instruments import OPERATION_DURATION, SENT_MESSAGES

KEY = ("send", "memory", "q", None)


class Kept(MetricExporter):
    """Keeps the points of one histogram, export by export."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[Any] = []

    def export(self, metrics_data: Any, *_: Any, **__: Any) -> MetricExportResult:
        for resource in metrics_data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == OPERATION_DURATION.name:
                        self.points += metric.data.data_points
        return MetricExportResult.SUCCESS

    def force_flush(self, *_: Any, **__: Any) -> bool:
        return True

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Nothing is open."""


class Line:
    """Tallies on their way through an SDK that exports when it is told to."""

    def __init__(self) -> None:
        self.tallies = Tallies()
        self.exporter = Kept()
        reader = PeriodicExportingMetricReader(
            WithTallies(self.exporter, self.tallies), export_interval_millis=float("inf")
        )
        self._provider = MeterProvider([reader], shutdown_on_exit=False)
        publish(self._provider.get_meter("longshore"), self.tallies, each=False)
        self.tallies.add(SENT_MESSAGES, KEY)

    def point(self, *seconds: float) -> Any:
        """Observe, export, and answer what was exported."""
        for each in seconds:
            self.tallies.observe(OPERATION_DURATION, KEY, each)
        self._provider.force_flush()
        return self.exporter.points[-1]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    return Line()


def test_an_export_says_what_came_since_the_one_before(line: Line) -> None:
    first = line.point(0.5, 9.0)
    second = line.point(0.25)

    assert (first.count, first.sum) == (2, 9.5)
    assert (second.count, second.sum, sum(second.bucket_counts)) == (1, 0.25, 1)
    assert second.start_time_unix_nano == first.time_unix_nano


def test_no_export_says_an_end_that_is_of_another_time(line: Line) -> None:
    line.point(0.5, 9.0)
    second = line.point(0.75)

    assert second.min in {None, 0.75}
    assert second.max in {None, 0.75}


def test_a_forked_child_exports_nothing_that_its_parent_counted(line: Line) -> None:
    line.point(0.5, 9.0)
    line.tallies.reset()
    line.tallies.add(SENT_MESSAGES, KEY)

    child = line.point(0.25)

    assert (child.count, child.sum, min(child.bucket_counts)) == (1, 0.25, 0)
    assert child.start_time_unix_nano == line.tallies.began
