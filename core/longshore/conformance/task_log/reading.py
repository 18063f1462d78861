"""The promises of `get`, `find`, `count`, `stats`, `due` and `attempts`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import LONG
from longshore.conformance.task_log.clerk import NO_TIME, Clerk, LogSetting
from longshore.identity import TaskIds
from longshore.protocol import End, Outcome, Record, Verb
from longshore.task import LogLine, TaskError, TaskSpec, TaskState
from longshore.task_log import TaskQuery

if TYPE_CHECKING:
    from longshore.identity import TaskId
    from longshore.task_log import Page, TaskLog

EVERYTHING = TaskQuery(include_deleted=True, include_archived=True)
MANY = 7
SOME = 3
SECOND = timedelta(seconds=1)


async def pages(log: TaskLog, query: TaskQuery, limit: int) -> list[Page]:
    """Follow the cursors to the end."""
    found = [await log.find(query, limit=limit)]
    while found[-1].cursor is not None:
        found.append(await log.find(query, limit=limit, cursor=found[-1].cursor))
    return found


async def found_ids(log: TaskLog, query: TaskQuery) -> list[TaskId]:
    """Find all, newest first."""
    return [task.id for page in await pages(log, query, SOME) for task in page.tasks]


async def mixed(clerk: Clerk) -> list[TaskSpec]:
    """Leave rows that differ in everything that can be asked for."""
    start = clerk.now()
    base = [
        replace(clerk.spec(), created_at=start + place * SECOND, body=b"%d" % place)
        for place in range(5)
    ]
    parent = base[0].id
    specs = [
        base[0],
        replace(base[1], name="mail.send", queue="mail", tags=("a", "b"), category="import"),
        replace(base[2], name="mail.send", tenant="t1", owner="o1", tags=("a",)),
        replace(base[3], queue="mail", parent_id=parent, category="export", tags=("b,c",)),
        replace(base[4], name="100%_done", queue="a'b", tenant="t2", owner="O1"),
    ]
    for spec in specs:
        await clerk.won(clerk.bid(spec))
    failed = Outcome(
        task_id=specs[1].id,
        token=1,
        end=End.FAILURE,
        reason="permanent",
        error=TaskError(type="ValueError", message="Größe 100%_x fehlt"),
    )
    await clerk.finish(failed)
    await clerk.finish(Outcome(task_id=specs[2].id, token=1, end=End.SUCCESS))
    await clerk.finish(Outcome(task_id=specs[3].id, token=1, end=End.GIVE_BACK))
    return specs


def questions(specs: list[TaskSpec]) -> dict[str, TaskQuery]:
    """One query for each filter, and some of several."""
    final = frozenset({TaskState.FAILED, TaskState.SUCCEEDED})
    return {
        "everything": TaskQuery(),
        "states": TaskQuery(states=final),
        "no state": TaskQuery(states=frozenset()),
        "ids": TaskQuery(ids=(specs[0].id, specs[4].id, TaskIds()())),
        "names": TaskQuery(names=("mail.send", "100%_done")),
        "name is no pattern": TaskQuery(names=("mail%",)),
        "queues": TaskQuery(queues=("mail", "a'b")),
        "tags": TaskQuery(tags=("a",)),
        "all tags": TaskQuery(tags=("b", "a")),
        "a tag with a comma": TaskQuery(tags=("b,c",)),
        "tag of no row": TaskQuery(tags=("c",)),
        "category": TaskQuery(category="export"),
        "tenant": TaskQuery(tenant="t1"),
        "owner minds the case": TaskQuery(owner="o1"),
        "parent": TaskQuery(parent_id=specs[0].id),
        "reason": TaskQuery(reason="permanent"),
        "error type": TaskQuery(error="valueerror"),
        "error text": TaskQuery(error="fehlt"),
        "error across": TaskQuery(error="ERROR: gr"),
        "error with wildcards": TaskQuery(error="100%_x"),
        "error is no pattern": TaskQuery(error="value%missing"),
        "error folds unicode": TaskQuery(error="GRÖSSE"),
        "after is inclusive": TaskQuery(created_after=specs[2].created_at),
        "before is exclusive": TaskQuery(created_before=specs[2].created_at),
        "between": TaskQuery(created_after=specs[1].created_at, created_before=specs[3].created_at),
        "several": TaskQuery(names=("mail.send",), tags=("a",), states=final, tenant="t1"),
        "several, none": TaskQuery(names=("mail.send",), category="export"),
    }


class Finding(LogSetting):
    """Which rows a query finds."""

    async def test_get_reads_rows_in_the_order_asked(self, clerk: Clerk) -> None:
        """None for an id without a row, and twice what is asked twice."""
        one, two = await clerk.recorded(), await clerk.recorded()

        rows = await clerk.log.get([two.id, TaskIds()(), one.id, two.id])

        assert [row and row.id for row in rows] == [two.id, None, one.id, two.id]

    async def test_each_filter_finds_what_matches(self, clerk: Clerk) -> None:
        """As `TaskQuery.matches` defines it; the newest row first."""
        specs = await mixed(clerk)
        rows = [await clerk.row(spec) for spec in reversed(specs)]

        for name, query in questions(specs).items():
            expected = [row.id for row in rows if query.matches(row)]
            assert await found_ids(clerk.log, query) == expected, name

    async def test_a_found_row_is_whole(self, clerk: Clerk) -> None:
        """As `get` reads it."""
        specs = await mixed(clerk)

        [page] = await pages(clerk.log, TaskQuery(), 100)

        assert list(page.tasks) == [await clerk.row(spec) for spec in reversed(specs)]

    async def test_counting_agrees_with_finding(self, clerk: Clerk) -> None:
        """Where it says that it is exact; else it may lag."""
        specs = await mixed(clerk)
        rows = [await clerk.row(spec) for spec in specs]

        for name, query in questions(specs).items():
            count = await clerk.log.count(query)
            assert count.exact is clerk.log.capabilities.exact_counts, name
            if count.exact:
                assert count.value == sum(map(query.matches, rows)), name

    async def test_hidden_and_archived_rows_come_only_when_asked_for(self, clerk: Clerk) -> None:
        """`get` shows them always."""
        shown, deleted, archived = [await clerk.ended() for _ in range(3)]
        await clerk.changed(deleted, Verb.DELETE)
        await clerk.changed(archived, Verb.ARCHIVE)

        plain = await found_ids(clerk.log, TaskQuery())
        with_deleted = await found_ids(clerk.log, TaskQuery(include_deleted=True))
        with_archived = await found_ids(clerk.log, TaskQuery(include_archived=True))
        all_of_them = await found_ids(clerk.log, EVERYTHING)

        assert plain == [shown.id]
        assert with_deleted == [deleted.id, shown.id]
        assert with_archived == [archived.id, shown.id]
        assert all_of_them == [archived.id, deleted.id, shown.id]
        assert (await clerk.row(deleted)).deleted_at is not None

    async def test_an_empty_log_is_one_empty_page(self, task_log: TaskLog) -> None:
        """Without a cursor."""
        page = await task_log.find(TaskQuery())

        assert (page.tasks, page.cursor) == ((), None)
        assert (await task_log.count(TaskQuery())).value == 0
        assert await task_log.stats() == []


class Paging(LogSetting):
    """Following cursors."""

    @pytest.mark.parametrize("limit", [1, 2, 3, MANY - 1, MANY, MANY + 1])
    async def test_pages_show_each_row_once_newest_first(self, clerk: Clerk, limit: int) -> None:
        """Each page as full as can be; the last has no cursor."""
        specs = [await clerk.recorded() for _ in range(MANY)]

        shown = await pages(clerk.log, TaskQuery(), limit)

        ids = [task.id for page in shown for task in page.tasks]
        assert ids == [spec.id for spec in reversed(specs)]
        assert all(len(page.tasks) == limit for page in shown[:-1])
        assert len(shown) == -(-MANY // limit)

    async def test_pages_are_stable_while_rows_are_inserted(self, clerk: Clerk) -> None:
        """Each row that stood at the start is shown exactly once."""
        specs = [await clerk.recorded() for _ in range(MANY)]
        page = await clerk.log.find(TaskQuery(), limit=2)
        shown = [task.id for task in page.tasks]

        while page.cursor is not None:
            await clerk.recorded()
            page = await clerk.log.find(TaskQuery(), limit=2, cursor=page.cursor)
            shown += [task.id for task in page.tasks]

        assert shown == [spec.id for spec in reversed(specs)]

    async def test_pages_are_stable_while_rows_change(self, clerk: Clerk) -> None:
        """A row that was written since keeps its place."""
        specs = [await clerk.recorded() for _ in range(MANY)]
        first = await clerk.log.find(TaskQuery(), limit=SOME)
        for spec in specs:
            await clerk.won(clerk.bid(spec))

        rest = await clerk.log.find(TaskQuery(), limit=MANY, cursor=first.cursor)

        shown = [task.id for task in (*first.tasks, *rest.tasks)]
        assert shown == [spec.id for spec in reversed(specs)]

    async def test_rows_of_one_batch_are_paged_like_others(self, clerk: Clerk) -> None:
        """Also where they were created at the same instant."""
        moment = clerk.now()
        specs = [replace(clerk.spec(), created_at=moment) for _ in range(MANY)]
        await clerk.log.record(
            [Record(spec=spec, state=TaskState.QUEUED, due_at=moment) for spec in specs]
        )

        ids = await found_ids(clerk.log, TaskQuery())

        assert len(ids) == MANY
        assert set(ids) == {spec.id for spec in specs}


class Counting(LogSetting):
    """Statistics by queue."""

    async def test_stats_count_rows_by_queue_and_state(self, clerk: Clerk) -> None:
        """In order of queue names; hidden rows are left out, archived ones are not."""
        queues = ["b", "a", "b", "b", "C"]
        specs = [await clerk.recorded(queue=queue) for queue in queues]
        await clerk.changed(specs[0], Verb.PAUSE)
        await clerk.changed(specs[2], Verb.DELETE)
        await clerk.changed(specs[4], Verb.CANCEL)
        await clerk.changed(specs[4], Verb.ARCHIVE)

        stats = await clerk.log.stats()

        states = TaskState
        counted = [(one.queue, {s: n for s, n in one.by_state.items() if n}) for one in stats]
        assert counted == [
            ("C", {states.CANCELLED: 1}),
            ("a", {states.QUEUED: 1}),
            ("b", {states.PAUSED: 1, states.QUEUED: 1}),
        ]

    async def test_the_oldest_open_task_is_told(self, clerk: Clerk) -> None:
        """By when it was created; None where none is open."""
        done = await clerk.recorded(queue="done")
        await clerk.changed(done, Verb.CANCEL)
        held = await clerk.recorded(TaskState.PAUSED, queue="open")
        oldest = await clerk.recorded(queue="open")
        await clerk.recorded(queue="open")

        stats = {one.queue: one for one in await clerk.log.stats()}

        assert held.created_at < oldest.created_at
        assert stats["done"].oldest_open is None
        assert stats["open"].oldest_open == oldest.created_at

    async def test_the_mean_duration_is_that_of_successes(self, clerk: Clerk) -> None:
        """From the claim to the end, of the newest attempt; None without one."""
        spec = await clerk.running()
        none = [one.mean_duration for one in await clerk.log.stats()]
        await clerk.time.passes(timedelta(seconds=0.5))
        await clerk.finish(Outcome(task_id=spec.id, token=1, end=End.SUCCESS))

        [stats] = await clerk.log.stats()

        row = await clerk.row(spec)
        assert none == [None]
        assert stats.mean_duration is not None
        assert row.duration is not None
        assert abs(stats.mean_duration - row.duration) < timedelta(milliseconds=2)


class Waiting(LogSetting):
    """Rows whose wake-up has come."""

    async def _woken(self, clerk: Clerk, *moments: timedelta) -> list[TaskId]:
        ids: list[TaskId] = []
        for moment in moments:
            wake_at = clerk.now() + moment
            entry = replace(clerk.entry(TaskState.CREATED), armed=True, wake_at=wake_at)
            await clerk.record(entry)
            ids.append(entry.spec.id)
        return ids

    async def test_due_rows_come_earliest_first(self, clerk: Clerk) -> None:
        """Whatever the order they were written in."""
        late, early, middle = await self._woken(clerk, SECOND * 3, SECOND, SECOND * 2)

        due = await clerk.log.due(before=clerk.now() + LONG, limit=10)

        assert [row.id for row in due] == [early, middle, late]

    async def test_no_more_due_rows_than_the_limit_come(self, clerk: Clerk) -> None:
        """The earliest ones."""
        ids = await self._woken(clerk, *(SECOND * place for place in range(MANY)))

        due = await clerk.log.due(before=clerk.now() + LONG, limit=SOME)

        assert [row.id for row in due] == ids[:SOME]

    async def test_a_row_is_due_at_its_wake_up_and_not_before(self, clerk: Clerk) -> None:
        """The moment itself is included."""
        wake_at = clerk.now() + LONG
        entry = replace(clerk.entry(TaskState.CREATED), armed=True, wake_at=wake_at)
        await clerk.record(entry)

        before = await clerk.log.due(before=wake_at - timedelta(microseconds=1), limit=10)
        at_once = await clerk.log.due(before=wake_at, limit=10)

        assert before == []
        assert at_once == [await clerk.row(entry.spec)]

    async def test_a_row_without_a_wake_up_is_never_due(self, clerk: Clerk) -> None:
        """Its message is in the broker, or it is held, or final."""
        await clerk.recorded()
        await clerk.running()
        await clerk.ended()
        await clerk.recorded(TaskState.PAUSED)

        assert await clerk.log.due(before=clerk.now() + LONG, limit=10) == []


class Remembering(LogSetting):
    """The attempts made at a task."""

    async def test_attempts_are_listed_oldest_first(self, clerk: Clerk) -> None:
        """With number, run, token, worker and how each ended; over several runs."""
        spec = clerk.spec()
        ends = [
            Outcome(task_id=spec.id, token=1, end=End.FAILURE, retry_in=NO_TIME),
            Outcome(task_id=spec.id, token=2, end=End.GIVE_BACK),
            Outcome(task_id=spec.id, token=3, end=End.FAILURE),
            Outcome(task_id=spec.id, token=4, end=End.SUCCESS),
        ]
        for place, outcome in enumerate(ends):
            await clerk.won(replace(clerk.bid(spec), worker=f"worker-{place}"))
            if (await clerk.finish(outcome)).state is TaskState.FAILED:
                await clerk.changed(spec, Verb.RETRY)

        attempts = await clerk.log.attempts(spec.id)

        assert [(a.outcome, a.run, a.number, a.token, a.worker) for a in attempts] == [
            ("retrying", 0, 1, 1, "worker-0"),
            ("given_back", 0, 2, 2, "worker-1"),
            ("failed", 0, 2, 3, "worker-2"),
            ("succeeded", 1, 1, 4, "worker-3"),
        ]
        assert {attempt.task_id for attempt in attempts} == {spec.id}

    async def test_an_attempt_keeps_its_error_and_its_lines(self, clerk: Clerk) -> None:
        """And when it began and ended; in the same write as the finish."""
        spec = await clerk.running()
        started_at = (await clerk.row(spec)).started_at
        error = TaskError(type="KeyError", message="'grün'", traceback="Traceback\n …")
        lines = (
            LogLine(at=clerk.now(), level="info", text="began ✓"),
            LogLine(at=clerk.now() + timedelta(microseconds=1), level="error", text=""),
        )

        await clerk.finish(
            Outcome(task_id=spec.id, token=1, end=End.FAILURE, error=error, lines=lines)
        )

        [attempt] = await clerk.log.attempts(spec.id)
        assert (attempt.error, attempt.lines) == (error, lines)
        assert attempt.started_at == started_at
        assert clerk.near(attempt.ended_at, clerk.now())

    async def test_an_attempt_that_runs_is_not_listed_yet(self, clerk: Clerk) -> None:
        """And an unknown task has none."""
        spec = await clerk.running()

        assert await clerk.log.attempts(spec.id) == []
        assert await clerk.log.attempts(TaskIds()()) == []
