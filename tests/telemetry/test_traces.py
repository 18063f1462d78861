"""The whole tree of spans of a task, on every kind of queue and log, compared as data."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace

from longshore import Context, RetryLater
from tests.telemetry.conftest import SYSTEMS, extras
from tests.telemetry.observed import SOON, Row, observed, tree

if TYPE_CHECKING:
    from longshore.client import Enqueued
    from longshore.settings import Settings

pytestmark = pytest.mark.timeout(120)


async def test_a_task_that_is_tried_twice_has_this_tree(settings: Settings, place: str) -> None:
    system, own = SYSTEMS[place], extras(place, settings)
    async with observed(settings) as app:

        async def job(ctx: Context) -> None:
            with app.tracer.start_as_current_span("inner"):
                if ctx.attempt == 1:
                    raise RetryLater(SOON)

        app.task(job)
        with app.tracer.start_as_current_span("request"):
            (task,) = await app.enqueue("job")
        await app.work(task)
        spans = app.spans()

    first, again = (one for one in spans if one.name == "process default")
    ids = {str((one.attributes or {})["messaging.message.id"]) for one in (first, again)}
    # RabbitMQ gives no ids: its messages have the one that Longshore gave them.
    message_id = "TASK_ID" if place == "rabbitmq" else "BROKER_ID"

    def common(operation: str, kind: str) -> dict[str, object]:
        return {
            "messaging.operation.name": operation,
            "messaging.operation.type": kind,
            "messaging.system": system,
            "messaging.destination.name": "default",
            **own,
        }

    def process(attempt: int, outcome: str) -> dict[str, object]:
        return {
            **common("process", "process"),
            "longshore.task.name": "job",
            "longshore.task.id": "TASK_ID",
            "longshore.task.attempt": attempt,
            "longshore.task.run": 0,
            "messaging.message.id": message_id,
            "longshore.task.outcome": outcome,
        }

    send = {
        **common("send", "send"),
        "longshore.task.name": "job",
        "messaging.message.id": "TASK_ID",
    }
    receive = {**common("receive", "receive"), "messaging.batch.message_count": 1}
    failed = {**process(1, "retrying"), "error.type": "RetryLater"}
    expected: list[Row] = [
        ("request", "INTERNAL", None, [], {}, "UNSET"),
        ("send default", "PRODUCER", "request", [], send, "UNSET"),
        ("receive default", "CLIENT", None, ["send default"], receive, "UNSET"),
        ("process default", "CONSUMER", "send default", ["send default"], failed, "ERROR"),
        ("inner", "INTERNAL", "process default", [], {}, "ERROR"),
        ("receive default #2", "CLIENT", None, ["send default"], receive, "UNSET"),
        (
            "process default #2",
            "CONSUMER",
            None,
            ["process default", "send default"],
            process(2, "succeeded"),
            "UNSET",
        ),
        ("inner #2", "INTERNAL", "process default #2", [], {}, "UNSET"),
    ]
    if place == "rabbitmq":  # it delays nothing: the second message is sent from the log
        call = {**common("send", "send"), "messaging.batch.message_count": 1}
        expected.append(("send default #2", "CLIENT", None, ["send default"], call, "UNSET"))
    replaced = {**dict.fromkeys(ids, "BROKER_ID"), task.id: "TASK_ID"}
    assert sorted(tree(spans, replaced)) == sorted(expected)


async def test_each_message_of_a_batch_is_created_in_a_span_of_its_own(
    settings: Settings, place: str
) -> None:
    async with observed(settings) as app:

        async def job() -> None:
            return None

        app.task(job)
        tasks = await app.enqueue("job", "job", "job")
        await app.work(*tasks, concurrency=10)
        spans = app.spans()

    creations = [one for one in spans if one.name == "create default"]
    (send,) = (one for one in spans if one.name == "send default")
    processed = [one for one in spans if one.name == "process default"]
    created = {one.context.span_id for one in creations if one.context}
    assert len(created) == 3
    assert {link.context.span_id for link in send.links} == created
    assert (send.kind.name, (send.attributes or {})["messaging.batch.message_count"]) == (
        "CLIENT",
        3,
    )
    assert {one.parent.span_id for one in processed if one.parent} == created
    polls = [one for one in spans if one.name == "receive default"]
    assert {link.context.span_id for one in polls for link in one.links} == created


async def test_a_task_enqueued_inside_a_handler_goes_on_with_its_trace(settings: Settings) -> None:
    async with observed(settings) as app:
        inner: list[Enqueued] = []

        async def outer() -> None:
            inner.extend(await app.enqueue("leaf"))

        async def leaf() -> None:
            return None

        app.task(outer)
        app.task(leaf)
        (task,) = await app.enqueue("outer")
        await app.work(task)
        await app.work(*inner)
        spans = app.spans()

    traces = {one.context.trace_id for one in spans if one.context and "receive" not in one.name}
    assert len(traces) == 1
    first, second = (one for one in spans if one.name == "process default")
    sent = [one for one in spans if one.name == "send default"][1]
    parents = [one.parent.span_id for one in (sent, second) if one.parent]
    assert parents == [one.context.span_id for one in (first, sent) if one.context]


async def test_a_delayed_task_keeps_its_creation_and_begins_a_trace_of_its_own(
    settings: Settings, place: str
) -> None:
    async with observed(settings) as app:

        async def job() -> None:
            return None

        app.task(job)
        (task,) = await app.enqueue("job", delay=timedelta(hours=3))
        await app.ports.task_log.get([task.id])
        (row,) = await app.ports.task_log.get([task.id])
        (send,) = app.spans("send default")

    assert row is not None
    assert row.body is not None
    assert send.context is not None
    wanted = f"00-{send.context.trace_id:032x}-{send.context.span_id:016x}-"
    assert wanted.encode() in row.body


async def test_no_poll_that_brings_nothing_has_a_span(settings: Settings) -> None:
    async with observed(settings) as app:
        await app.work()
        spans = app.spans()

    assert spans == []


async def test_the_current_span_is_the_attempts_on_the_loop_and_on_threads(
    settings: Settings,
) -> None:
    async with observed(settings) as app:
        seen: list[int] = []

        def on_thread() -> None:
            seen.append(trace.get_current_span().get_span_context().span_id)

        async def on_loop() -> None:
            seen.append(trace.get_current_span().get_span_context().span_id)

        app.task(on_thread)
        app.task(on_loop)
        tasks = await app.enqueue("on_thread", "on_loop")
        await app.work(*tasks)
        spans = app.spans("process default")

    assert sorted(seen) == sorted(one.context.span_id for one in spans if one.context)
