"""The tallies as text for Prometheus, in its exposition format 0.0.4. Needs nothing installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore.telemetry.instruments import INSTRUMENTS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from longshore.telemetry.instruments import Instrument
    from longshore.telemetry.tallies import Tallies

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def exposition(tallies: Tallies) -> str:
    """Write every series there is. Reads what is in memory, and asks no server."""
    return "".join(line + "\n" for one in INSTRUMENTS for line in _lines(one, tallies))


def _lines(instrument: Instrument, tallies: Tallies) -> Iterator[str]:
    name = instrument.prometheus
    samples = list(
        _buckets(instrument, tallies)
        if instrument.kind is Kind.HISTOGRAM
        else (
            f"{name}{_labels(attributes)} {_number(value)}"
            for attributes, value in tallies.series(instrument)
        )
    )
    if samples:
        yield f"# HELP {name} {instrument.text}"
        yield f"# TYPE {name} {instrument.kind}"
        yield from samples


def _buckets(instrument: Instrument, tallies: Tallies) -> Iterator[str]:
    name = instrument.prometheus
    for attributes, one in tallies.distributions(instrument):
        so_far = 0
        for bound, count in zip((*one.bounds, float("inf")), one.counts, strict=True):
            so_far += count
            yield f"{name}_bucket{_labels({**attributes, 'le': _number(bound)})} {so_far}"
        yield f"{name}_sum{_labels(attributes)} {_number(one.total)}"
        yield f"{name}_count{_labels(attributes)} {one.count}"


def _labels(attributes: Mapping[str, str]) -> str:
    if not attributes:
        return ""
    pairs = (f'{name.replace(".", "_")}="{_escaped(text)}"' for name, text in attributes.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))
