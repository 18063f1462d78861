"""The command: `python -m tests.bench.rabbitmq [--runs N] [--tasks N] [--port N]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from tests.bench.rabbitmq import ours, raw
from tests.brokers.servers import RABBITMQ

if TYPE_CHECKING:
    from collections.abc import Iterator

_FEWER: Final = 10
"""One at a time is so much slower."""
_GOALS: Final = {"publish": 0.7, "one by one": 0.9, "drain": 0.6}


def main(words: list[str]) -> int:
    """Measure, print rates and their ratios to bare py-amqp of the same run."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rabbitmq", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--port", type=int, default=RABBITMQ.port)
    given = parser.parse_args(words)
    runs = [dict(measured(given.port, given.tasks)) for _ in range(given.runs)]
    for name in runs[0]:
        rates = sorted(run[name] for run in runs)
        print(f"{name:<28}{rates[0]:>10,.0f}{median(rates):>10,.0f}{rates[-1]:>10,.0f} /s")  # noqa: T201 - how a script speaks
    for name, goal in _GOALS.items():
        ratio = median(run[f"{name}, Longshore"] / run[f"{name}, py-amqp"] for run in runs)
        print(f"{name}: {ratio:.2f} of py-amqp, goal {goal}")  # noqa: T201 - as above
    return 0


def measured(port: int, tasks: int) -> Iterator[tuple[str, float]]:
    """One run of everything, in tasks a second."""
    few = max(tasks // _FEWER, 10)
    with raw.channel(port) as channel, tempfile.TemporaryDirectory() as folder:
        name = f"bench-{uuid4().hex[:8]}"
        made = [f"{name}-{part}" for part in ("raw", "ours", "logged")]
        quorum = {"x-queue-type": "quorum"}
        channel.queue_declare(made[0], durable=True, auto_delete=False, arguments=quorum)
        log = f"sqlite:///{Path(folder) / 'log.db'}"
        for each in made[1:]:
            ours.declare(port, each)
        try:
            yield "publish, py-amqp", tasks / raw.publish(port, made[0], tasks)
            yield "drain, py-amqp", tasks / raw.drain(port, made[0], tasks)
            yield "one by one, py-amqp", few / raw.publish(port, made[0], few, window=1)
            yield "publish, Longshore", tasks / ours.publish(port, made[1], tasks)
            yield "drain, Longshore", tasks / ours.drain(port, made[1])
            yield "one by one, Longshore", few / ours.publish_one_by_one(port, made[1], few)
            yield "publish, full log", tasks / ours.publish(port, made[2], tasks, log)
            yield "drain, full log", tasks / ours.drain(port, made[2], log)
        finally:
            for each in made:
                channel.queue_delete(each)
                channel.queue_delete(f"{each}-dlq")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
