"""What is counted while tasks run, and how it leaves: for Prometheus, and by the SDK's readers."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import generate_latest

from longshore import Context, PermanentError, RetryLater
from longshore.protocol import Record
from longshore.publish import message_of
from longshore.queue import Outgoing
from longshore.scheduler import Scheduler, SchedulerOptions
from longshore.settings import Settings
from longshore.task import TaskSpec, TaskState
from longshore.telemetry import INSTRUMENTS, Kind, Tallies, exposition
from longshore.telemetry import instruments as table
from longshore.telemetry.exported import publish
from tests.telemetry.observed import SOON, observed

if TYPE_CHECKING:
    from pathlib import Path

    from longshore.telemetry import Instrument
    from tests.telemetry.observed import Observed


@pytest.fixture
def sqlite(tmp_path: Path) -> Settings:
    return Settings.load(url=f"sqlite:///{tmp_path}/tasks.db")


def read(tallies: Tallies, instrument: Instrument, attribute: str) -> dict[str, float]:
    return {one[attribute]: value for one, value in tallies.series(instrument)}


async def some_work(app: Observed) -> None:
    """One task that succeeds, one on its second try, and one that fails for good."""

    async def well() -> None:
        return None

    async def again(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise RetryLater(SOON)

    async def badly() -> None:
        raise PermanentError("no")

    for function in (well, again, badly):
        app.task(function)
    tasks = await app.enqueue("well", "again", "badly")
    await app.work(*tasks)


@pytest.mark.parametrize("apart", [True, False])
async def test_attempts_retries_and_dead_letters_are_counted(
    sqlite: Settings, tmp_path: Path, *, apart: bool
) -> None:
    log = {"log_url": f"sqlite:///{tmp_path}/log.db"} if apart else {}
    async with observed(Settings.load(url=sqlite.url, **log)) as app:
        await some_work(app)
        counted = app.tallies

        ended = {
            (one["longshore.task.name"], one["longshore.task.outcome"]): value
            for one, value in counted.series(table.TASK_ATTEMPTS)
        }
        assert ended == {
            ("well", "succeeded"): 1,
            ("again", "retrying"): 1,
            ("again", "succeeded"): 1,
            ("badly", "failed"): 1,
        }
        assert read(counted, table.TASK_RETRIES, "longshore.task.name") == {"again": 1}
        assert read(counted, table.DEAD_LETTERS, "longshore.reason") == {"permanent": 1}
        assert read(counted, table.SENT_MESSAGES, "messaging.operation.name") == {"send": 3}
        assert sum(value for _, value in counted.series(table.CONSUMED_MESSAGES)) == 4
        waits = {one["longshore.task.name"]: d for one, d in counted.distributions(table.TASK_WAIT)}
        assert {name: one.count for name, one in waits.items()} == {
            "well": 1,
            "again": 1,
            "badly": 1,
        }
        verbs = {
            one["messaging.operation.name"]
            for one, _ in counted.distributions(table.OPERATION_DURATION)
        }
        assert {"send", "receive", "ack", "reject"} <= verbs


async def test_the_leader_tells_how_much_waits_and_a_worker_its_slots(sqlite: Settings) -> None:
    async with observed(sqlite) as app:
        let_go = asyncio.Event()

        async def held() -> None:
            await let_go.wait()

        app.task(held)
        tasks = await app.enqueue(*["held"] * 5)
        told = SchedulerOptions(queues=("default",))
        working = asyncio.create_task(app.work(*tasks, concurrency=2, prefetch=0, scheduling=told))
        end = time.monotonic() + 20
        while not (app.tallies.series(table.QUEUE_DEPTH) and app.tallies.series(table.SLOTS)):
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
        depth = read(app.tallies, table.QUEUE_DEPTH, "longshore.message.state")
        slots = [value for _, value in app.tallies.series(table.SLOTS)]
        let_go.set()
        await working

    assert sum(depth.values()) == 5
    assert slots == [2]
    assert app.tallies.series(table.SLOTS) == [], "a worker that has ended has none"


async def test_lag_is_how_late_the_latest_of_the_due_rows_is(sqlite: Settings) -> None:
    async with observed(sqlite) as app:
        now = app.ports.clock.now()
        waiting = [
            Record(
                spec=TaskSpec(
                    id=app.ports.ids(), name="job", queue="default", body=b"{}", created_at=now
                ),
                state=TaskState.SCHEDULED,
                due_at=now - late,
                armed=True,
            )
            for late in (timedelta(seconds=90), timedelta(seconds=30), timedelta(seconds=-30))
        ]
        await app.ports.task_log.record(waiting)

        await app.ports.task_log.due(before=now, limit=10)
        (late,) = (value for _, value in app.tallies.series(table.SCHEDULER_LAG))
        await Scheduler(app.ports).once()
        (after,) = (value for _, value in app.tallies.series(table.SCHEDULER_LAG))

    assert (late, after) == (90, 0)


async def test_a_message_whose_task_has_ended_is_counted_as_a_duplicate(sqlite: Settings) -> None:
    async with observed(sqlite) as app:

        async def job() -> None:
            return None

        app.task(job)
        (task,) = await app.enqueue("job")
        (row,) = await app.ports.task_log.get([task.id])
        assert row is not None
        await app.work(task)
        await app.ports.queue("default").send([message_of(row)])
        await app.work()

    assert [value for _, value in app.tallies.series(table.DUPLICATES_DROPPED)] == [1]


async def test_a_message_that_its_queue_refuses_to_settle_is_counted(sqlite: Settings) -> None:
    lease = timedelta(seconds=30)
    async with observed(sqlite) as app:
        queue = app.ports.queue("default")
        await queue.send([Outgoing(key=app.ports.ids(), body=b"{}")])
        (stale,) = await queue.receive(limit=1, wait=SOON, lease=lease)
        app.clock.ahead = 2 * lease
        await queue.receive(limit=1, wait=SOON, lease=lease)
        await queue.ack([stale])

    counted = app.tallies.series(table.MESSAGES_REFUSED)
    assert [(one["messaging.operation.name"], one["error.type"]) for one, _ in counted] == [
        ("ack", "LeaseLostError")
    ]


def filled() -> Tallies:
    """Tallies in which every instrument has a series."""
    tallies = Tallies()
    for one in INSTRUMENTS:
        key = tuple(each.values[0] if each.values else "x" for each in one.attributes)
        if one.kind is Kind.HISTOGRAM:
            tallies.observe(one, key, 0.02)
        elif one.kind is Kind.COUNTER:
            tallies.add(one, key, 2)
        else:
            tallies.set(one, key, 3.0, keep=60)
    return tallies


def names(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)) - {"target_info"}


def test_our_text_for_prometheus_has_the_names_of_the_sdks() -> None:
    tallies = filled()
    provider = MeterProvider([PrometheusMetricReader()], shutdown_on_exit=False)
    publish(provider.get_meter("longshore"), tallies, each=True)
    for one in INSTRUMENTS:
        if one.kind is Kind.HISTOGRAM:
            key = tuple(each.values[0] if each.values else "x" for each in one.attributes)
            tallies.observe(one, key, 0.02)

    ours, theirs = exposition(tallies), generate_latest().decode()
    provider.shutdown()

    assert names(ours) == {one.prometheus for one in INSTRUMENTS}
    # The SDK's exporter leaves out the suffix that OpenTelemetry's own rules have for shares.
    assert {name.removesuffix("_ratio") for name in names(ours)} <= names(theirs)


def test_a_value_is_in_the_bucket_of_its_bound() -> None:
    tallies = Tallies()
    for value in (0.005, 0.02, 20.0):
        tallies.observe(table.PROCESS_DURATION, ("sqlite", "default", "job", None), value)

    lines = exposition(tallies).splitlines()

    where = 'messaging_system="sqlite",messaging_destination_name="default"'
    start = f'messaging_process_duration_seconds_bucket{{{where},longshore_task_name="job",le='
    assert f'{start}"0.005"}} 1' in lines
    assert f'{start}"0.025"}} 2' in lines
    assert f'{start}"10"}} 2' in lines
    assert f'{start}"+Inf"}} 3' in lines


def test_a_provider_of_somebody_elses_is_given_each_value() -> None:
    tallies, reader = Tallies(), InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    publish(provider.get_meter("longshore"), tallies, each=True)

    tallies.observe(table.TASK_WAIT, ("sqlite", "default", "job"), 3600.0)
    found: Any = reader.get_metrics_data()
    (metric,) = found.resource_metrics[0].scope_metrics[0].metrics
    provider.shutdown()

    assert metric.name == table.TASK_WAIT.name
    assert metric.data.data_points[0].explicit_bounds == table.LONG_BUCKETS


def test_gauges_are_gone_once_nobody_tells_them() -> None:
    tallies = Tallies()

    tallies.set(table.SCHEDULER_LAG, (), 1.0, keep=-1.0)

    assert tallies.series(table.SCHEDULER_LAG) == []
