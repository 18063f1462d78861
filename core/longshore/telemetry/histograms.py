"""Distributions and tallies on their way out, without a call of an instrument for each value."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from longshore.telemetry.instruments import INSTRUMENTS, Kind, buckets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.metrics import CallbackOptions, Meter

    from longshore.telemetry.instruments import Instrument
    from longshore.telemetry.tallies import Distribution, Tallies

SCOPE: Final = "longshore"
_DELTA: Final = frozenset({"DELTA", "LOWMEMORY"})


class WithDistributions(MetricExporter):
    """An exporter that adds Longshore's distributions, as they stand, to what is exported."""

    def __init__(self, exporter: MetricExporter, tallies: Tallies) -> None:
        """Export with `exporter`, as it prefers."""
        super().__init__(
            exporter._preferred_temporality,  # noqa: SLF001 - what a reader asks of an exporter
            exporter._preferred_aggregation,  # noqa: SLF001 - as above
        )
        self._exporter: Any = exporter  # its keywords have no types
        self._tallies = tallies
        wanted = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "")
        self._delta = wanted.upper() in _DELTA
        self._counts_from = self._began = tallies.began
        self._last: dict[Any, Distribution] = {}

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,
        **kwargs: Any,  # noqa: ANN401 - the contract of exporters
    ) -> MetricExportResult:
        """Export the SDK's metrics and ours."""
        whole = self._with_ours(metrics_data)
        answer: MetricExportResult = self._exporter.export(whole, timeout_millis, **kwargs)
        return answer

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the exporter."""
        done: bool = self._exporter.force_flush(timeout_millis)
        return done

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # noqa: ANN401 - as above
        """End the exporter."""
        self._exporter.shutdown(timeout_millis, **kwargs)

    def _with_ours(self, data: MetricsData) -> MetricsData:
        now = time.time_ns()
        if self._counts_from != self._tallies.began:  # anew, as in a forked child
            self._counts_from = self._began = self._tallies.began
            self._last.clear()
        ours = [
            one
            for instrument in INSTRUMENTS
            if instrument.kind is Kind.HISTOGRAM
            and (one := self._metric(instrument, now)) is not None
        ]
        if self._delta:
            self._began = now
        if not ours or not data.resource_metrics:
            return data
        first, *others = data.resource_metrics
        scopes = list(first.scope_metrics)
        for i, scope in enumerate(scopes):
            if scope.scope.name == SCOPE:
                scopes[i] = ScopeMetrics(scope.scope, [*scope.metrics, *ours], scope.schema_url)
                break
        else:
            scopes.append(ScopeMetrics(InstrumentationScope(SCOPE), ours, ""))
        whole = ResourceMetrics(first.resource, scopes, first.schema_url)
        return MetricsData([whole, *others])

    def _metric(self, instrument: Instrument, now: int) -> Metric | None:
        points = [
            self._point(instrument, attributes, one, now)
            for attributes, one in self._tallies.distributions(instrument)
        ]
        kept = [point for point in points if point.count]
        if not kept:
            return None
        temporality = AggregationTemporality.CUMULATIVE
        if self._delta:
            temporality = AggregationTemporality.DELTA
        return Metric(
            instrument.name, instrument.text, instrument.unit, Histogram(kept, temporality)
        )

    def _point(
        self, instrument: Instrument, attributes: Mapping[str, str], one: Distribution, now: int
    ) -> HistogramDataPoint:
        counts, count, total = one.counts, one.count, one.total
        ends: tuple[Any, Any] = one.least, one.most
        if self._delta:
            slot = (instrument.name, frozenset(attributes.items()))
            before = self._last.get(slot)
            self._last[slot] = one
            if before is not None:
                counts = [new - old for new, old in zip(counts, before.counts, strict=True)]
                count, total = count - before.count, total - before.total
                ends = None, None  # those that are known may be of another time
        return HistogramDataPoint(
            attributes=attributes,
            start_time_unix_nano=self._began,
            time_unix_nano=now,
            count=count,
            sum=total,
            bucket_counts=counts,
            explicit_bounds=one.bounds,
            min=ends[0],
            max=ends[1],
        )


def publish(meter: Meter, tallies: Tallies, *, each: bool) -> None:
    """Have a meter read the tallies whenever it is collected.

    `each` is for a provider of somebody else's, which takes distributions in no other way than
    value by value: then each value is recorded as it comes.
    """
    for instrument in INSTRUMENTS:
        if instrument.kind is not Kind.HISTOGRAM:
            _observe(meter, instrument, tallies)
    if not each:
        return
    histograms = {
        one.name: meter.create_histogram(
            one.name, one.unit, one.text, explicit_bucket_boundaries_advisory=buckets(one)
        )
        for one in INSTRUMENTS
        if one.kind is Kind.HISTOGRAM
    }

    def record(instrument: Instrument, attributes: Mapping[str, str], value: float) -> None:
        histograms[instrument.name].record(value, attributes)

    tallies.listen(record)


def _observe(meter: Meter, instrument: Instrument, tallies: Tallies) -> None:
    def read(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, attributes) for attributes, value in tallies.series(instrument)]

    make = meter.create_observable_gauge
    if instrument.kind is Kind.COUNTER:
        make = meter.create_observable_counter  # type: ignore[assignment]  # alike but for the name
    make(instrument.name, [read], instrument.unit, instrument.text)
