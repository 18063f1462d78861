"""What was promised beside what was counted, in words: for people, and as a document."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from longshore.bench.figures import percentile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore.chaos.count import Evidence
    from longshore.chaos.monkey import Deed
    from longshore.chaos.run import Ran

_TOLD: Final = 10
"""Violations of one promise that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Something that must hold whatever is done to workers."""

    key: str
    text: str
    counted: float
    most: float
    unit: str = ""
    found: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether it held."""
        return self.counted <= self.most

    def written(self, value: float) -> str:
        """Write one of its values."""
        return f"{value:.2f} s" if self.unit == "s" else f"{value:,.0f}"


def promises(ran: Ran) -> tuple[Promise, ...]:
    """Every promise, with what was counted."""
    seen = ran.evidence
    counted = (
        ("lost", "tasks lost", seen.lost),
        ("finished_twice", "attempts with more than one accepted finish", seen.finished_twice),
        (
            "succeeded_not_once",
            "tasks without exactly one success in the log",
            seen.succeeded_not_once,
        ),
        ("overlaps", "overlapping handlers, nobody stopped past a lease", seen.overlaps),
        ("stale_commits", "commits of a holder that was overlapped", seen.stale_commits),
        ("consumed", "attempts consumed by TERM, or by a kill or a stop", seen.consumed),
        ("deserted", "workers that ended though nobody told them to", seen.deserted),
    )
    return (
        *(
            Promise(key=key, text=text, counted=len(found), most=0, found=tuple(found))
            for key, text, found in counted
        ),
        Promise(key="stuck", text="workers that did not end by TERM", counted=ran.stuck, most=0),
        *(
            Promise(key=key, text=text, counted=value, most=2 * seen.lease, unit="s")
            for key, text, value in _rescues(seen)
        ),
    )


def _rescues(seen: Evidence) -> Iterator[tuple[str, str, float]]:
    for name, wait in _spread([one.wait for one in seen.rescues if not one.disturbed]).items():
        yield f"rescue_{name}", f"from kill to rescue, undisturbed, {name}; 2 x lease", wait


def _spread(waits: Sequence[float]) -> dict[str, float]:
    known = waits or [0.0]
    return {"p50": percentile(known, 0.5), "max": max(known)}


def table(kept: Sequence[Promise]) -> Iterator[tuple[str, str, str, str]]:
    """Write each promise: what it is, what was counted, the most allowed, the verdict."""
    for one in kept:
        verdict = "kept" if one.kept else "BROKEN"
        yield one.text, one.written(one.counted), f"≤ {one.written(one.most)}", verdict


def violations(kept: Sequence[Promise]) -> Iterator[str]:
    """Name what broke a promise, the first of each."""
    for one in kept:
        for text in one.found[:_TOLD]:
            yield f"{one.text}: {text}"


def figures(ran: Ran) -> dict[str, int]:
    """What was done, and what became of it: no promises, but they mean little without it."""
    seen = ran.evidence
    return {
        "tasks": len(seen.enqueued),
        "workers started": seen.acts("started"),
        "KILL": seen.acts("killed"),
        "STOP past the lease": seen.acts("stopped"),
        "stops undone, they held the store": ran.undone,
        "TERM": seen.acts("terminated"),
        "rolling restarts": ran.restarts,
        "attempts lost and rescued": seen.outcomes("lost"),
        "attempts given back": seen.outcomes("given_back"),
        "attempts that failed by themselves": seen.outcomes("retrying"),
        "rescues after a kill": len(seen.rescues),
        "of them undisturbed": sum(not one.disturbed for one in seen.rescues),
        "overlaps of a stopped holder": seen.excused,
        "handlers that outlasted their lease": seen.outlasting,
    }


def rescues(ran: Ran) -> str:
    """Say how long rescues took, disturbed ones too."""
    spread = _spread([one.wait for one in ran.evidence.rescues])
    return f"from kill to rescue, all: p50 {spread['p50']:.2f} s, max {spread['max']:.2f} s"


def document(ran: Ran) -> dict[str, object]:
    """Everything that was counted, raw: seconds and numbers."""
    kept = promises(ran)
    return {
        "settings": asdict(ran.settings),
        "seconds": ran.seconds,
        "figures": figures(ran),
        "rescues": _spread([one.wait for one in ran.evidence.rescues]),
        "promises": {
            one.key: {"text": one.text, "counted": one.counted, "most": one.most, "kept": one.kept}
            for one in kept
        },
        "violations": list(violations(kept)),
        "deeds": [_deed(ran, deed) for deed in ran.evidence.deeds],
        "kept": all(one.kept for one in kept),
    }


def _deed(ran: Ran, deed: Deed) -> dict[str, object]:
    seconds = round(deed.at - ran.evidence.deeds[0].at, 3)
    return {"act": deed.act, "worker": deed.worker, "seconds": seconds, "time": str(deed.time)}
