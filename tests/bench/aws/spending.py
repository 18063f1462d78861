"""CPU per task: Longshore's producer and worker beside bare boto3 and the neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.bench.aws.contenders import MEMORY, NEIGHBOURS, ONE_BY_ONE, OURS, RAW, longshore
from tests.bench.aws.drain import play
from tests.bench.figures import Measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.aws.drain import Round
    from tests.bench.aws.place import Place

CONTENDERS: Final = (OURS, MEMORY, ONE_BY_ONE, RAW, *NEIGHBOURS)
_FEWER: Final = {"celery": 10, "taskiq": 3}
"""Celery as it comes takes eight tasks a second here; the rest of the day is for the others."""


def beside(place: Place, tasks: int) -> Measured:
    """Everybody sends and runs the same tasks, one after the other."""
    rounds = {
        one.name: play(place, one, max(tasks // _FEWER.get(one.name, 1), 20))
        for one in CONTENDERS
        if one.is_installed
    }
    figures = _figures(rounds)
    others = [rounds[one.name] for one in NEIGHBOURS if one.name in rounds]
    if others:
        sent, run = min(one.produced for one in others), min(one.worked for one in others)
        figures |= {
            "sent_share": rounds[OURS.name].produced / sent,
            "one_share": rounds[ONE_BY_ONE.name].produced / sent,
            "run_share": rounds[OURS.name].worked / run,
            "memory_share": rounds[MEMORY.name].worked / run,
        }
    figures["sent_floor"] = rounds[OURS.name].produced / rounds[RAW.name].produced
    figures["run_floor"] = rounds[OURS.name].worked / rounds[RAW.name].worked
    return Measured(figures=figures, counts=_counts(list(rounds.values())))


def logged(place: Place, tasks: int) -> Measured:
    """A worker with its log in DynamoDB beside one with its log in memory."""
    with place.table() as full, place.table() as claims:
        contenders = (
            MEMORY,
            longshore("full", "", full),
            longshore("claims", "", claims, LONGSHORE_QUEUES='{"default": {"log": "claims"}}'),
        )
        rounds = {one.name: play(place, one, tasks) for one in contenders}
    floor = rounds["memory"].worked
    figures = {f"run_{name}": one.worked for name, one in rounds.items()}
    figures |= {f"sent_{name}": one.produced for name, one in rounds.items()}
    figures |= {f"{name}_times": rounds[name].worked / floor for name in ("full", "claims")}
    return Measured(figures=figures, counts=_counts(list(rounds.values())))


def _figures(rounds: dict[str, Round]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, one in rounds.items():
        figures |= {f"sent_{name}": one.produced, f"run_{name}": one.worked}
        figures |= {f"calls_{name}": one.calls, f"rate_{name}": one.rate}
    return figures


def _counts(rounds: Sequence[Round]) -> dict[str, int]:
    return {
        "rounds": len(rounds),
        "tasks": sum(one.tasks for one in rounds),
        "lost": sum(one.lost for one in rounds),
        "doubled": sum(one.doubled for one in rounds),
        "left": sum(one.left for one in rounds),
    }
