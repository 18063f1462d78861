"""The creation of a task stays as it was through delays and dead letters, on every broker."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore import Context, PermanentError
from longshore.queue import SupportsDeadLetters
from tests.telemetry.observed import observed, shape

if TYPE_CHECKING:
    from longshore.settings import Settings
    from tests.telemetry.observed import Shape

pytestmark = pytest.mark.timeout(120)

LONG = timedelta(hours=3)
"""Longer than SQS delays, and RabbitMQ, which does not; memory and SQLite delay any time."""
BY_THE_SCHEDULER = {"sqs", "sqs_dynamodb", "rabbitmq"}


async def test_a_delay_past_the_brokers_own_leaves_the_creation_as_it_was(
    settings: Settings, place: str
) -> None:
    async with observed(settings) as app:
        seen: list[str | None] = []

        async def job(ctx: Context) -> None:
            seen.append(ctx.trace_id)

        app.task(job)
        with app.tracer.start_as_current_span("request"):
            (task,) = await app.enqueue("job", delay=LONG)
        app.clock.ahead = LONG
        await app.work(task)
        spans = app.spans()

    expected: list[Shape] = [
        ("request", "INTERNAL", None, []),
        ("send default", "PRODUCER", "request", []),
        ("receive default", "CLIENT", None, ["send default"]),
        ("process default", "CONSUMER", None, ["send default"]),
    ]
    if place in BY_THE_SCHEDULER:
        expected.append(("send default #2", "CLIENT", None, ["send default"]))
    assert shape(spans) == sorted(expected)
    (process,) = (one for one in spans if one.name == "process default")
    assert process.context is not None
    assert seen == [f"{process.context.trace_id:032x}"]


async def test_a_redrive_of_a_dead_letter_leaves_the_creation_as_it_was(
    settings: Settings,
) -> None:
    async with observed(settings) as app:
        mended: list[bool] = []

        async def job() -> None:
            if not mended:
                raise PermanentError("not yet")

        app.task(job)
        with app.tracer.start_as_current_span("request"):
            (task,) = await app.enqueue("job")
        await app.work(task)
        queue = app.ports.queue("default")
        assert isinstance(queue, SupportsDeadLetters)
        (letter,) = await queue.dead_letters(limit=10)
        mended.append(True)
        assert await queue.redrive([letter.id]) == [None]
        await app.work(task, run=1)
        spans = app.spans()

    expected: list[Shape] = [
        ("request", "INTERNAL", None, []),
        ("send default", "PRODUCER", "request", []),
        ("receive default", "CLIENT", None, ["send default"]),
        ("process default", "CONSUMER", "send default", ["send default"]),
        ("receive default #2", "CLIENT", None, ["send default"]),
        ("process default #2", "CONSUMER", None, ["process default", "send default"]),
    ]
    assert shape(spans) == sorted(expected)
    runs = [(one.attributes or {})["longshore.task.run"] for one in spans if "process" in one.name]
    assert runs == [0, 1]
