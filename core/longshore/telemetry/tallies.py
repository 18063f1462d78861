"""Counting in plain Python: what is exported is read from here, and never in a task's way.

A call of OpenTelemetry's own instruments costs ten microseconds and more; adding here costs less
than one. Whoever exports reads it now and then.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from longshore.telemetry.instruments import UNKNOWN, Kind, buckets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from longshore.telemetry.instruments import Instrument

    Key: TypeAlias = tuple[str | None, ...]
    Reading: TypeAlias = tuple[Key, float]
    Series: TypeAlias = tuple[Mapping[str, str], float]
    Read: TypeAlias = Callable[[], Iterable[Reading]]

_log = logging.getLogger("longshore.telemetry")
MOST_SERIES: Final = 1000
"""Series of one instrument; what comes beyond is counted together, as `_other`."""


@dataclass(slots=True)
class Distribution:
    """How many values fell below each bound, their sum, and their ends."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list[int])
    total: float = 0.0
    count: int = 0
    least: float = float("inf")
    most: float = float("-inf")

    def __post_init__(self) -> None:
        """Start with nothing in each bucket; the last has no bound."""
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        self.count += 1
        self.least = min(self.least, value)
        self.most = max(self.most, value)

    def extend(self, values: list[float]) -> None:
        """Count values, all at once; they are sorted."""
        values.sort()
        below = 0
        for place, bound in enumerate(self.bounds):
            upto = bisect_right(values, bound, below)
            self.counts[place] += upto - below
            below = upto
        self.counts[-1] += len(values) - below
        self.total += sum(values)
        self.count += len(values)
        self.least = min(self.least, values[0])
        self.most = max(self.most, values[-1])

    def copy(self) -> Distribution:
        """Answer what was counted so far."""
        return Distribution(
            self.bounds, self.counts.copy(), self.total, self.count, self.least, self.most
        )


class Tallies:
    """Counters, gauges and distributions by series. Safe for use by several threads.

    A key holds the values of an instrument's attributes, in their order; None where one is absent.
    """

    counts: ClassVar[bool] = True
    """Whether anything is kept; else nobody need count."""

    def __init__(self) -> None:
        """Start empty."""
        self._pending: dict[tuple[str, Key], tuple[Instrument, list[float]]] = {}
        self.reset()
        self._listeners: list[Callable[[Instrument, Mapping[str, str], float], None]] = []
        self._broken = False

    def reset(self) -> None:
        """Forget what was counted, as a forked child must."""
        self._lock = Lock()
        self._counters: dict[str, dict[Key, float]] = {}
        self._gauges: dict[str, dict[Key, tuple[float, float]]] = {}
        self._distributions: dict[str, dict[Key, Distribution]] = {}
        self._reads: dict[str, list[Read]] = {}
        for _, values in self._pending.values():
            values.clear()
        self.began = time.time_ns()

    def add(self, instrument: Instrument, key: Key, number: float = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._count(instrument, key, number)

    def observe(self, instrument: Instrument, key: Key, value: float) -> None:
        """Add a value to a distribution."""
        with self._lock:
            self._distribution(instrument, key).add(value)
        self._tell(instrument, key, (value,))

    def pending(self, instrument: Instrument, key: Key) -> Callable[[float], None]:
        """Answer what takes values of a counter or distribution at the least cost: a list's append.

        They are added up when somebody reads, and by `fold`, which is to be called now and then.
        """
        with self._lock:
            _, values = self._pending.setdefault((instrument.name, key), (instrument, []))
        return values.append

    def fold(self) -> None:
        """Add up what is pending."""
        for (_, key), (instrument, values) in tuple(self._pending.items()):
            if values:
                self._tell(instrument, key, self._add_up(instrument, key, values))

    def _add_up(self, instrument: Instrument, key: Key, values: list[float]) -> list[float]:
        with self._lock:
            taken = values[:]
            del values[: len(taken)]  # more may have come meanwhile
            if taken and instrument.kind is Kind.COUNTER:
                self._count(instrument, key, sum(taken))
            elif taken:
                self._distribution(instrument, key).extend(taken)
        return taken

    def _count(self, instrument: Instrument, key: Key, number: float) -> None:
        counter = self._counters.setdefault(instrument.name, {})
        key = _bounded(counter, key)
        counter[key] = counter.get(key, 0) + number

    def _distribution(self, instrument: Instrument, key: Key) -> Distribution:
        found = self._distributions.setdefault(instrument.name, {})
        one = found.get(key)
        if one is None:
            one = found.setdefault(_bounded(found, key), Distribution(buckets(instrument)))
        return one

    def _tell(self, instrument: Instrument, key: Key, values: Iterable[float]) -> None:
        if self._listeners and instrument.kind is Kind.HISTOGRAM:
            attributes = named(instrument, key)
            for tell in self._listeners:
                try:
                    for value in values:
                        tell(instrument, attributes, value)
                except Exception:  # noqa: BLE001 - a meter of the application's own may do anything
                    self._complain()

    def set(self, instrument: Instrument, key: Key, value: float, *, keep: float) -> None:
        """Set a gauge; it is forgotten after `keep` seconds, unless it is set again."""
        with self._lock:
            found = self._gauges.setdefault(instrument.name, {})
            found[_bounded(found, key)] = (value, time.monotonic() + keep)

    def watch(self, instrument: Instrument, read: Read) -> Callable[[], None]:
        """Read a gauge or counter whenever it is asked for; answers how to stop that."""
        reads = self._reads.setdefault(instrument.name, [])
        reads.append(read)
        return lambda: reads.remove(read) if read in reads else None

    def listen(self, tell: Callable[[Instrument, Mapping[str, str], float], None]) -> None:
        """Have each value of a distribution told as it comes, to who cannot read distributions."""
        self._listeners.append(tell)

    def _complain(self) -> None:
        """Say once that a listener is broken; what is counted here is not."""
        if not self._broken:
            self._broken = True
            _log.warning("distributions cannot be told to a meter", exc_info=True)

    def series(self, instrument: Instrument) -> list[Series]:
        """Answer a counter's or gauge's values, as they stand now."""
        self.fold()
        now = time.monotonic()
        with self._lock:
            values = dict(self._counters.get(instrument.name, {}))
            gauges = self._gauges.get(instrument.name, {})
            for key in [key for key, (_, until) in gauges.items() if until < now]:
                del gauges[key]
            values |= {key: value for key, (value, _) in gauges.items()}
        for read in tuple(self._reads.get(instrument.name, ())):
            for key, value in read():
                values[key] = values.get(key, 0) + value
        return [(named(instrument, key), value) for key, value in values.items()]

    def distributions(self, instrument: Instrument) -> list[tuple[Mapping[str, str], Distribution]]:
        """Answer a histogram's series, as they stand now."""
        self.fold()
        with self._lock:
            found = self._distributions.get(instrument.name, {})
            return [(named(instrument, key), one.copy()) for key, one in found.items()]


class Uncounted(Tallies):
    """Counts nothing, where nobody asked for metrics."""

    counts = False

    def add(self, instrument: Instrument, key: Key, number: float = 1) -> None:
        """Do nothing."""

    def observe(self, instrument: Instrument, key: Key, value: float) -> None:
        """Do nothing."""

    def set(self, instrument: Instrument, key: Key, value: float, *, keep: float) -> None:
        """Do nothing."""


def named(instrument: Instrument, key: Key) -> dict[str, str]:
    """Answer a series' attributes by name, without those that are absent."""
    pairs = zip(instrument.attributes, key, strict=True)
    return {attribute.name: value for attribute, value in pairs if value is not None}


def _bounded(found: Mapping[Key, object], key: Key) -> Key:
    if len(found) < MOST_SERIES or key in found:
        return key
    return tuple(None if value is None else UNKNOWN for value in key)
