"""Measures every contender in turn, and sets Longshore against the floor and the neighbours."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from tests.bench.figures import Measured
from tests.bench.processes import environment
from tests.bench.rabbitmq.contenders import NEIGHBOURS, OURS, RAW, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.bench.contender import Contender
    from tests.bench.journal import Run
    from tests.bench.rabbitmq.place import Place, Queue


def beside(
    contenders: Sequence[Contender],
    measure: Callable[[Contender], Measured],
    key: str,
    best: Callable[[list[float]], float],
) -> Measured:
    """Measure those that are installed; `key` is compared, and `best` picks among neighbours."""
    of = {one.name: measure(one) for one in contenders if one.is_installed}
    figures = {f"{k}_{name}": value for name, one in of.items() for k, value in one.figures.items()}
    ours = of[OURS.name].figures[key]
    figures["of_floor"] = ours / of[RAW.name].figures[key]
    if others := [of[one.name].figures[key] for one in NEIGHBOURS if one.name in of]:
        figures["of_best"] = ours / best(others)
    missing = [f"{one.text} is not installed" for one in contenders if not one.is_installed]
    return Measured(
        figures=figures, counts=_added(one.counts for one in of.values()), missing=tuple(missing)
    )


def told_of(
    place: Place, queue: Queue, one: Contender, how: str = "many"
) -> tuple[dict[str, str], Path]:
    """What a contender's processes are told, and a folder for what they say."""
    folder = Path(mkdtemp(dir=place.folder, prefix=f"{one.name}-"))
    told = environment(folder) | dict(settings(place, queue, one)) | {"BENCH_HOW": how}
    return told, folder


def counted(runs: Sequence[Run], wanted: int, left: int) -> dict[str, int]:
    """Count what was lost, done twice, or left in the queue."""
    numbers = Counter(run.number for run in runs)
    doubled = numbers.total() - len(numbers)
    return {"tasks": wanted, "lost": wanted - len(numbers), "doubled": doubled, "left": left}


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        total |= {name: total.get(name, 0) + count for name, count in each.items()}
    return total
