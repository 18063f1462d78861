"""Tallies on their way out, without a call of an instrument for each value."""

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
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)

from longshore.telemetry.instruments import INSTRUMENTS, Kind, buckets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.metrics import CallbackOptions, Meter

    from longshore.telemetry.instruments import Instrument
    from longshore.telemetry.tallies import Distribution, Tallies

SCOPE: Final = "longshore"
_MARK: Final = "longshore.mark"
"""A gauge that is never exported: without any of the SDK's own, its readers export nothing."""
_DELTA: Final = frozenset({"DELTA", "LOWMEMORY"})


class WithTallies(MetricExporter):
    """An exporter that adds Longshore's counters and distributions, as they stand, to the SDK's.

    The SDK takes distributions value by value only, and makes deltas of counters from what it was
    told before, which in a forked child is its parent's.
    """

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
        self._temporality = (
            AggregationTemporality.DELTA if self._delta else AggregationTemporality.CUMULATIVE
        )
        self._counting = self._since = tallies.began
        self._counters: dict[Any, float] = {}
        self._distributions: dict[Any, Distribution] = {}

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,
        **kwargs: Any,  # noqa: ANN401 - the contract of exporters
    ) -> MetricExportResult:
        """Export the SDK's metrics and ours."""
        whole = self._with_ours(metrics_data)
        if not any(one.metrics for each in whole.resource_metrics for one in each.scope_metrics):
            return MetricExportResult.SUCCESS
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
        if self._counting != self._tallies.began:  # in a forked child they began anew
            self._counting = self._since = self._tallies.began
            self._counters, self._distributions = {}, {}
        now = time.time_ns()
        ours = [one for each in INSTRUMENTS if (one := self._metric(each, now)) is not None]
        if self._delta:
            self._since = now
        first, *others = data.resource_metrics
        scopes = [_joined(each, ours) for each in first.scope_metrics]
        return MetricsData([ResourceMetrics(first.resource, scopes, first.schema_url), *others])

    def _metric(self, instrument: Instrument, now: int) -> Metric | None:
        data: Sum | Histogram
        if instrument.kind is Kind.COUNTER:
            numbers = [
                self._number(instrument, attributes, value, now)
                for attributes, value in self._tallies.series(instrument)
            ]
            kept = [point for point in numbers if point.value]
            data = Sum(kept, self._temporality, is_monotonic=True)
        elif instrument.kind is Kind.HISTOGRAM:
            points = [
                self._point(instrument, attributes, one, now)
                for attributes, one in self._tallies.distributions(instrument)
            ]
            data = Histogram([point for point in points if point.count], self._temporality)
        else:
            return None
        if not data.data_points:
            return None
        return Metric(instrument.name, instrument.text, instrument.unit, data)

    def _number(
        self, instrument: Instrument, attributes: Mapping[str, str], value: float, now: int
    ) -> NumberDataPoint:
        before = 0.0
        if self._delta:
            slot = _slot(instrument, attributes)
            before = self._counters.get(slot, 0.0)
            self._counters[slot] = value
        return NumberDataPoint(attributes, self._since, now, float(value) - before)

    def _point(
        self, instrument: Instrument, attributes: Mapping[str, str], one: Distribution, now: int
    ) -> HistogramDataPoint:
        counts, count, total = one.counts, one.count, one.total
        ends: tuple[Any, Any] = one.least, one.most
        if self._delta:
            slot = _slot(instrument, attributes)
            before = self._distributions.get(slot)
            self._distributions[slot] = one
            if before is not None:
                counts = [new - old for new, old in zip(counts, before.counts, strict=True)]
                count, total = count - before.count, total - before.total
                ends = None, None  # those that are known may be of another time
        return HistogramDataPoint(
            attributes=attributes,
            start_time_unix_nano=self._since,
            time_unix_nano=now,
            count=count,
            sum=total,
            bucket_counts=counts,
            explicit_bounds=one.bounds,
            min=ends[0],
            max=ends[1],
        )


def _joined(scope: ScopeMetrics, ours: Sequence[Metric]) -> ScopeMetrics:
    """Put what is ours in the place of the mark."""
    if scope.scope.name != SCOPE:
        return scope
    theirs = [one for one in scope.metrics if one.name != _MARK]
    return ScopeMetrics(scope.scope, [*theirs, *ours], scope.schema_url)


def _slot(instrument: Instrument, attributes: Mapping[str, str]) -> tuple[str, frozenset[Any]]:
    return instrument.name, frozenset(attributes.items())


def publish(meter: Meter, tallies: Tallies, *, each: bool) -> None:
    """Have a meter read the tallies whenever it is collected.

    `each` is for a provider of somebody else's, which takes distributions in no other way than
    value by value: then each value is recorded as it comes. Else all but gauges are added later, by
    `WithTallies`.
    """
    for instrument in INSTRUMENTS:
        if instrument.kind is Kind.GAUGE or (each and instrument.kind is Kind.COUNTER):
            _observe(meter, instrument, tallies)
    if not each:
        meter.create_observable_gauge(_MARK, [lambda _: [Observation(1)]])
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
