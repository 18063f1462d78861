"""Rows whose message the broker dropped: which get a new one, and which are left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.conformance import FlakyTaskLog
from longshore.draft import EnqueueOptions
from longshore.errors import ConfigurationError, UnavailableError
from longshore.protocol import Claim, Record, Renewal
from longshore.queue import Delivery, Depth, SupportsPurge
from longshore.retry import Retry
from longshore.scheduler.sightings import KEY, Sightings
from longshore.store import Put
from longshore.task import TaskState
from longshore.task_log import Page, QueueStats, TaskLogCapabilities, TaskQuery
from tests.unit.scheduler.conftest import Site
from tests.unit.yard import Capable

if TYPE_CHECKING:
    from longshore.identity import TaskId
    from longshore.queue import Queue

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def echo() -> str:
    return "done"


async def received(site: Site, lease: timedelta = HOUR) -> list[Delivery]:
    return await site.yard.healthy.queue("default").receive(
        limit=100, wait=timedelta(0), lease=lease
    )


async def drop(site: Site) -> None:
    """Let the broker forget its messages."""
    await site.yard.healthy.queue("default").ack(await received(site))


async def lost(site: Site) -> TaskId:
    """Enqueue a task whose message the broker then drops, some time before anybody looks."""
    task = await site.yard.enqueue(echo)
    await drop(site)
    await site.yard.passes(5, step=5)
    return task


async def claimed(site: Site, task: TaskId, *, lease: timedelta = MINUTE / 2) -> None:
    """Let a worker claim it that is never heard of again."""
    row = await site.yard.row(task)
    claim = Claim(
        spec=row.spec,
        claim_id="dead",
        worker="elsewhere:1",
        lease=lease,
        due_at=row.due_at,
    )
    (answer,) = await site.yard.healthy.task_log.claim([claim])
    assert answer.answer == "won"


async def audited(site: Site, minutes: int = 5) -> None:
    """Let a scheduler look, and look again after two minutes."""
    async with site.scheduling():
        await site.yard.passes(minutes * 60, step=10)


async def test_a_queued_task_without_its_message_is_run_after_all(site: Site) -> None:
    task = await lost(site)

    await audited(site)
    await site.yard.drain()

    row = await site.yard.row(task)
    assert (row.state, row.attempts) == (TaskState.SUCCEEDED, 1)


async def test_an_armed_row_has_its_wake_up_under_a_new_number(site: Site) -> None:
    task = await lost(site)
    before = await site.yard.row(task)

    site.yard.queue_plan.fail_next("send", n=1000)
    await audited(site)

    row = await site.yard.row(task)
    assert row.wake_at is not None
    assert (row.state, row.wake_no, row.audits) == (before.state, before.wake_no + 1, 1)


async def test_a_retry_without_its_message_is_run_once_it_is_due(site: Site) -> None:
    async def fails() -> None:
        raise ValueError("again")

    task = await site.yard.enqueue(
        site.yard.task(fails, retry=Retry(backoff="20 minutes", jitter=0))
    )
    worker = site.yard.worker(burst=True)
    await site.yard.done(worker.run())
    assert await site.yard.state(task) == "retrying"
    queue = site.yard.healthy.queue("default")
    assert isinstance(queue, SupportsPurge)
    await queue.purge()
    await site.yard.passes(5, step=5)

    async with site.scheduling():
        await site.yard.passes(10 * MINUTE, step=10)
        early = await site.yard.row(task)
        await site.yard.passes(30 * MINUTE, step=10)
    later = await site.yard.row(task)

    assert (early.state, early.audits) == (TaskState.RETRYING, 0)
    assert (later.state, later.audits) == (TaskState.QUEUED, 1)


async def test_a_task_of_a_dead_worker_whose_message_is_lost_is_rescued(site: Site) -> None:
    task = await lost(site)
    await claimed(site, task)

    await audited(site, minutes=20)
    await site.yard.drain()

    row = await site.yard.row(task)
    assert (row.state, row.rescues, row.attempts) == (TaskState.SUCCEEDED, 0, 1)
    assert await site.yard.outcomes(task) == ["lost", "succeeded"]


async def test_a_running_task_under_a_live_lease_is_left_alone(site: Site) -> None:
    task = await lost(site)
    await claimed(site, task)
    row = await site.yard.row(task)
    log = site.yard.healthy.task_log

    async with site.scheduling():
        for _ in range(30):
            await site.yard.passes(10, step=10)
            renewal = Renewal(task_id=task, token=row.token, lease=timedelta(seconds=30))
            await log.renew([renewal])

    assert (await site.yard.row(task)).audits == 0


async def test_a_running_task_is_left_alone_until_its_lease_is_long_dead(site: Site) -> None:
    task = await lost(site)
    await claimed(site, task, lease=16 * MINUTE)
    await site.yard.passes(5, step=5)

    await audited(site, minutes=18)

    assert (await site.yard.row(task)).audits == 0


async def test_one_look_at_an_empty_queue_is_not_enough(site: Site) -> None:
    task = await lost(site)

    async with site.scheduling():
        await site.yard.passes(110, step=10)

    assert (await site.yard.row(task)).audits == 0


async def test_a_row_written_since_the_queue_was_seen_empty_is_left_alone(site: Site) -> None:
    first = await lost(site)

    async with site.scheduling():
        await site.yard.passes(60, step=10)
        young = await lost(site)
        await site.yard.passes(120, step=10)

    assert (await site.yard.row(first)).audits == 1
    assert (await site.yard.row(young)).audits == 0


@pytest.mark.parametrize("where", ["ready", "in_flight", "delayed"])
async def test_no_row_is_audited_while_its_queue_holds_anything(site: Site, where: str) -> None:
    task = await lost(site)
    delay = EnqueueOptions(delay="2 days") if where == "delayed" else EnqueueOptions()
    await site.yard.enqueue(site.yard.registry.get("echo"), options=delay)
    if where == "in_flight":
        await received(site)
    depth = await site.yard.depth()
    assert getattr(depth, where) == 1

    await audited(site, minutes=20)

    assert (await site.yard.row(task)).audits == 0


async def test_a_queue_that_held_something_in_between_is_looked_at_anew(site: Site) -> None:
    """The two times count from when it was last seen otherwise."""
    task = await lost(site)
    async with site.scheduling():
        await site.yard.passes(60, step=10)
        await site.yard.send(b"{}")
        await site.yard.passes(70, step=10)
        busy = (await site.yard.row(task)).audits
        await drop(site)
        await site.yard.passes(20 * MINUTE, step=10)

    assert busy == 0
    assert (await site.yard.row(task)).audits == 1


async def test_a_row_with_a_wake_up_is_left_to_it(site: Site) -> None:
    """A million of them cost the audit nothing: it does not ask for them."""
    task = await site.yard.enqueue(echo)
    await drop(site)
    row = await site.yard.row(task)
    await site.yard.cancel(task)
    later = Record(
        spec=replace(row.spec, id=site.ports.ids()),
        state=TaskState.SCHEDULED,
        due_at=site.clock.now() + HOUR,
        armed=True,
    )
    await site.yard.healthy.task_log.record([later])

    await audited(site)

    assert (await site.yard.row(later.spec.id)).audits == 0


async def test_a_queue_that_cannot_be_keeps_no_other_from_being_looked_at(site: Site) -> None:
    """Its rows are of an application on another broker, where it may have that name."""
    inner = site.yard.ports.queue

    def known(name: str) -> Queue:
        if name == "a.name":
            message = "no queue can have this name"
            raise ConfigurationError(message)
        return inner(name)

    options = EnqueueOptions(queue="a.name")
    await site.yard.enqueue(site.yard.task(echo, name="elsewhere"), options=options)
    site.ports = replace(site.ports, queue=known)
    task = await lost(site)

    await audited(site)

    assert (await site.yard.row(task)).audits == 1


async def test_a_row_older_than_most_of_its_queues_retention_is_armed_though_others_wait(
    site: Site,
) -> None:
    inner = site.ports.queue
    site.ports = replace(
        site.ports,
        queue=lambda name: Capable(inner(name), site.yard.queue_plan, {"retention": 10 * HOUR}),
    )
    old = await lost(site)
    await site.yard.passes(7 * HOUR, step=HOUR.total_seconds())
    young = await lost(site)
    await site.yard.send(b"{}")
    await received(site, lease=100 * HOUR)

    async with site.scheduling():
        await site.yard.passes(50 * MINUTE, step=60)
        early = (await site.yard.row(old)).audits
        await site.yard.passes(30 * MINUTE, step=60)

    assert early == 0
    assert (await site.yard.row(old)).audits == 1
    assert (await site.yard.row(young)).audits == 0


async def test_a_task_whose_messages_are_lost_again_and_again_fails(site: Site) -> None:
    task = await lost(site)
    async with site.scheduling(max_rescues=3) as scheduler:
        for _ in range(3):
            await until_sent(site)
            await drop(site)
        await site.yard.passes(40 * MINUTE, step=10)

    row = await site.yard.row(task)
    assert (row.state, row.reason) == (TaskState.FAILED, "undeliverable")
    assert row.body is not None
    assert (scheduler.tally.armed, scheduler.tally.undeliverable) == (3, 1)


async def test_a_claim_in_between_makes_the_count_begin_again(site: Site) -> None:
    task = await lost(site)
    async with site.scheduling(max_rescues=1):
        await until_sent(site)
        await drop(site)
        await claimed(site, task)
        await until_sent(site)
        row = await site.yard.row(task)

    assert (row.state, row.audits) == (TaskState.RUNNING, 1)


async def test_no_message_is_made_in_vain_for_ever_nor_is_the_first_try_spared(site: Site) -> None:
    """Without rescues by other workers a lost message is replaced once all the same."""
    task = await lost(site)

    async with site.scheduling(max_rescues=0):
        await until_sent(site)
    await site.yard.drain()

    assert await site.yard.state(task) == "succeeded"


async def test_rows_without_a_body_are_reported_and_left(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    task = await lost(site)
    row = await site.yard.row(task)
    bare = replace(row, body=None)

    class Lean(FlakyTaskLog):
        async def find(
            self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None
        ) -> Page:
            page = await super().find(query, limit=limit, cursor=cursor)
            return replace(page, tasks=tuple(bare for _ in page.tasks))

    site.ports = replace(site.ports, task_log=Lean(site.yard.healthy.task_log, site.yard.log_plan))
    async with site.scheduling() as scheduler:
        await site.yard.passes(5 * MINUTE, step=10)

    assert scheduler.tally.bodiless > 0
    assert await site.yard.row(task) == row
    assert f"longshore show {task}" in caplog.text


async def test_a_queue_that_cannot_be_asked_keeps_no_other_from_its_audit(site: Site) -> None:
    inner = site.ports.queue

    class Silent(Capable):
        async def depth(self) -> Depth:
            raise UnavailableError("no")

    site.ports = replace(
        site.ports,
        queue=lambda name: (
            Silent(inner(name), site.yard.queue_plan, {}) if name == "away" else inner(name)
        ),
    )
    definition = site.yard.task(echo)
    away = await site.yard.enqueue(definition, options=EnqueueOptions(queue="away"))
    task = await site.yard.enqueue(definition)
    await drop(site)
    await site.yard.passes(5, step=5)

    await audited(site)

    assert (await site.yard.row(task)).audits == 1
    assert (await site.yard.row(away)).audits == 0


async def test_the_next_leader_goes_on_where_the_last_one_ended(site: Site) -> None:
    task = await lost(site)
    async with site.scheduling():
        await site.yard.passes(60, step=10)
    await site.yard.passes(60, step=60)
    async with site.scheduling("next"):
        await site.yard.passes(10, step=1)

    assert (await site.yard.row(task)).audits == 1


@pytest.mark.parametrize("kept", [b"\xff", b"[1]", b'{"default": 1}', b'{"default": "x"}'])
async def test_what_another_version_kept_is_looked_at_anew(site: Site, kept: bytes) -> None:
    task = await lost(site)
    await site.store.put([Put(key=KEY, value=kept)])

    await audited(site)

    assert (await site.yard.row(task)).audits == 1


@pytest.mark.parametrize("verb", ["get", "put"])
async def test_without_a_store_that_answers_the_audit_remembers_by_itself(
    site: Site, verb: str
) -> None:
    task = await lost(site)
    site.store_plan.fail_next(verb, n=1000)

    await audited(site)

    assert (await site.yard.row(task)).audits == 1


async def test_a_sighting_before_the_clock_jumped_back_is_forgotten(site: Site) -> None:
    task = await lost(site)
    async with site.scheduling():
        await site.yard.passes(10, step=10)
        site.clock.set(site.clock.now() - timedelta(days=1))
        await site.yard.passes(5 * MINUTE, step=10)
        back = (await site.yard.row(task)).audits
        young = await lost(site)
        await site.yard.passes(40 * MINUTE, step=10)

    assert back == 0
    assert (await site.yard.row(young)).audits == 1


async def test_an_outage_of_the_log_is_waited_out_and_the_look_repeated(site: Site) -> None:
    task = await lost(site)
    site.yard.log_plan.fail_next("stats")

    await audited(site, minutes=8)

    assert (await site.yard.row(task)).audits == 1


async def test_a_row_written_while_it_was_read_is_left_alone(site: Site) -> None:
    """The guard: state, token and wake number as they were read."""
    task = await lost(site)

    class Late(FlakyTaskLog):
        async def find(
            self, query: TaskQuery, *, limit: int = 50, cursor: str | None = None
        ) -> Page:
            page = await super().find(query, limit=limit, cursor=cursor)
            for row in page.tasks:
                await claimed(site, row.id)
            return page

    site.ports = replace(site.ports, task_log=Late(site.yard.healthy.task_log, site.yard.log_plan))
    async with site.scheduling() as scheduler:
        await site.yard.passes(3 * MINUTE, step=10)

    assert scheduler.tally.armed == 0
    assert (await site.yard.row(task)).audits == 0


async def until_sent(site: Site) -> None:
    """Let time pass until a message is there again."""

    async def there() -> bool:
        await site.yard.passes(10, step=10)
        return (await site.yard.depth()).ready > 0

    await site.yard.until(there)


async def test_a_log_that_is_read_whole_for_a_look_is_looked_at_once_a_day_whoever_leads(
    site: Site,
) -> None:
    looks = costly(site)

    await audited(site)
    await audited(site)
    by_two_leaders = len(looks)
    async with site.scheduling():
        await site.yard.passes(25 * 3600, step=600)

    assert by_two_leaders == 1
    assert len(looks) == 2


async def test_what_a_broker_lost_is_found_soon_on_such_a_log_once_somebody_says_so(
    site: Site,
) -> None:
    looks = costly(site)
    async with site.scheduling():
        await site.yard.passes(20 * MINUTE, step=10)
        task = await lost(site)
        await site.yard.passes(60 * MINUTE, step=10)
        before = len(looks), (await site.yard.row(task)).audits

        await Sightings(site.store).forget_look()
        await site.yard.passes(18 * MINUTE, step=10)

    assert before == (1, 0)
    assert (await site.yard.row(task)).audits == 1


def costly(site: Site) -> list[float]:
    """Have a log that each look reads whole; when it was looked at."""
    looks: list[float] = []

    class Costly(FlakyTaskLog):
        @property
        def capabilities(self) -> TaskLogCapabilities:
            return replace(super().capabilities, indexed=False)

        async def stats(self) -> list[QueueStats]:
            looks.append(site.yard.clock.monotonic())
            return await super().stats()

    log = Costly(site.yard.healthy.task_log, site.yard.log_plan)
    site.ports = replace(site.ports, task_log=log)
    return looks
