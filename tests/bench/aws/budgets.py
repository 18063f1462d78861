"""Requests and write units: what SQS and DynamoDB charge for, counted by the adapters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from longshore.levels import Level
from tests.bench.aws.metered import Setup, metered
from tests.bench.figures import Measured

if TYPE_CHECKING:
    from collections import Counter

    from tests.bench.aws.metered import Meter
    from tests.bench.aws.place import Place

_VERBS: Final = {
    "SendMessageBatch": "send",
    "ReceiveMessage": "receive",
    "DeleteMessageBatch": "delete",
}
_WRITES: Final = (
    *("PutItem.units", "UpdateItem.units", "DeleteItem.units", "TransactWriteItems.units"),
    *("BatchWriteItem.units", "BatchExecuteStatement.units"),
)
_UNITS: Final = "&skew=ignore&capacity=on&batch=off"
"""DynamoDB Local tells the units of single calls, and not those of batches of statements."""
_WARM: Final = 8
"""Tasks that make what a table has once: its buckets."""


def calls(place: Place, tasks: int) -> Measured:
    """Requests per task: enqueued in one call, and run by one worker at full load."""
    with place.queue() as prefix:
        spent, counts = asyncio.run(_calls(place, prefix, tasks))
    made = sum(count for name, count in spent.items() if "." not in name)
    figures = {"calls": made / tasks}
    figures |= {text: spent[name] / tasks for name, text in _VERBS.items()}
    figures["short"] = spent["ReceiveMessage.short"]
    return Measured(figures=figures, counts=counts)


def units(place: Place, tasks: int) -> Measured:
    """Write units per task with everything logged, and with the log from the claim on."""
    figures: dict[str, float] = {}
    total = {"tasks": 0, "lost": 0, "doubled": 0, "left": 0}
    for log in (Level.FULL, Level.CLAIMS):
        with place.queue() as prefix, place.table(_UNITS) as table:
            setup = Setup(queue_url=place.sqs_url(prefix), log_url=table, log=log)
            spent, counts = asyncio.run(_units(place, prefix, setup, tasks))
        figures[log.value] = sum(spent[name] for name in _WRITES) / tasks
        reads = sum(n for name, n in spent.items() if name.endswith(".units")) / tasks
        figures[f"{log.value}_reads"] = reads - figures[log.value]
        total = {name: total[name] + counts[name] for name in total}
    return Measured(figures=figures, counts=total)


def idle(place: Place, seconds: int) -> Measured:
    """Requests of a worker that has nothing to do."""
    with place.queue() as prefix:
        spent = asyncio.run(_idle(place, prefix, float(seconds)))
    made = sum(count for name, count in spent.items() if "." not in name)
    figures = {"rate": made / seconds, "short": float(spent["ReceiveMessage.short"])}
    return Measured(figures=figures, counts={"calls": made})


async def _calls(place: Place, prefix: str, tasks: int) -> tuple[Counter[str], dict[str, int]]:
    setup = Setup(queue_url=place.sqs_url(prefix), log_url="memory://")
    async with metered(setup) as meter:
        before = meter.calls
        await meter.send(range(tasks))
        await meter.work(tasks)
        return meter.calls - before, _counts(meter, tasks, place.left(prefix))


async def _units(
    place: Place, prefix: str, setup: Setup, tasks: int
) -> tuple[Counter[str], dict[str, int]]:
    async with metered(setup) as meter:
        await meter.send(range(tasks, tasks + _WARM))
        await meter.work(_WARM)
        before = meter.calls
        await meter.send(range(tasks))
        await meter.work(tasks)
        return meter.calls - before, _counts(meter, tasks + _WARM, place.left(prefix))


async def _idle(place: Place, prefix: str, seconds: float) -> Counter[str]:
    setup = Setup(queue_url=place.sqs_url(prefix), log_url="memory://")
    async with metered(setup) as meter:
        return await meter.idle(seconds)


def _counts(meter: Meter, tasks: int, left: int) -> dict[str, int]:
    runs = meter.runs
    doubled = runs.total() - len(runs)
    return {"tasks": tasks, "lost": tasks - len(runs), "doubled": doubled, "left": left}
