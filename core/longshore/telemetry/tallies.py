"""Counting in plain Python: what is exported is read from here, and never in a task's way.

A call of OpenTelemetry's own instruments costs ten microseconds and more; adding here costs less
than one. Whoever exports reads it now and then.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias

from longshore.telemetry.instruments import UNKNOWN, buckets

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

    def copy(self) -> Distribution:
        """Answer what was counted so far."""
        return Distribution(
            self.bounds, self.counts.copy(), self.total, self.count, self.least, self.most
        )


class Tallies:
    """Counters, gauges and distributions by series. Safe for use by several threads.

    A key holds the values of an instrument's attributes, in their order; None where one is absent.
    """

    def __init__(self) -> None:
        """Start empty."""
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
        self.began = time.time_ns()

    def add(self, instrument: Instrument, key: Key, number: float = 1) -> None:
        """Add to a counter."""
        with self._lock:
            counter = self._counters.setdefault(instrument.name, {})
            key = _bounded(counter, key)
            counter[key] = counter.get(key, 0) + number

    def observe(self, instrument: Instrument, key: Key, value: float) -> None:
        """Add a value to a distribution."""
        with self._lock:
            found = self._distributions.setdefault(instrument.name, {})
            one = found.get(key)
            if one is None:
                key = _bounded(found, key)
                one = found.setdefault(key, Distribution(buckets(instrument)))
            one.add(value)
        for tell in self._listeners:
            try:
                tell(instrument, named(instrument, key), value)
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
        with self._lock:
            found = self._distributions.get(instrument.name, {})
            return [(named(instrument, key), one.copy()) for key, one in found.items()]


class Uncounted(Tallies):
    """Counts nothing, where nobody asked for metrics."""

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
