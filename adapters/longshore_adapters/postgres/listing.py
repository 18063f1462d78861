"""Finding, counting and summing up rows."""

# ruff: noqa: S608 - every piece of every statement is a constant of this module

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from longshore.task import ALL, OPEN, TaskState
from longshore.task_log import Page, QueueStats
from longshore_adapters.postgres import statements
from longshore_adapters.postgres.scalars import octets, said, tags_text, text
from longshore_adapters.postgres.wire import STATES, to_task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from longshore.task_log import TaskQuery
    from longshore_adapters.postgres.session import Session

Condition: TypeAlias = "tuple[str, str, object]"
"""Words for a WHERE, the name of the value in them, and the value."""

_NEWEST: Final = 2**63 - 1
_QUEUES: Final = """
(WITH RECURSIVE name (queue) AS (
    SELECT min(queue) FROM task
    WHERE state = s.state AND deleted_at IS NULL AND archived_at IS NULL UNION ALL
    SELECT (SELECT min(t.queue) FROM task AS t WHERE t.state = s.state AND t.deleted_at IS NULL
        AND t.archived_at IS NULL AND t.queue > name.queue) FROM name WHERE name.queue IS NOT NULL)
SELECT queue FROM name WHERE queue IS NOT NULL)
"""
"""The queues of a state, each found by one step in the index."""
_PAIRS: Final = "unnest(%(states)s::text[]) AS s(state) CROSS JOIN LATERAL {} AS q(queue)"
_OF_PAIR: Final = (
    "state = s.state AND queue = q.queue AND archived_at IS NULL AND deleted_at IS NULL"
)
_PAGE: Final = "seq < %(before)s{} ORDER BY seq DESC LIMIT %(limit)s"
_FIND: Final = f"{statements.TASK} WHERE seq = ANY(ARRAY({{}})) ORDER BY seq DESC"

STATS: Final = """
SELECT queue, state, sum(number)::bigint FROM (
    SELECT queue, state, count(*) AS number FROM task
    WHERE deleted_at IS NULL AND archived_at IS NULL GROUP BY state, queue UNION ALL
    SELECT queue, state, count(*) FROM task
    WHERE deleted_at IS NULL AND archived_at IS NOT NULL GROUP BY state, queue) AS part
GROUP BY queue, state ORDER BY queue
"""
OLDEST_OPEN: Final = """
SELECT min(created_at) FROM unnest(%(states)s::text[]) AS s(state) CROSS JOIN LATERAL (
    SELECT created_at FROM task WHERE state = s.state AND queue = %(queue)s
    AND archived_at IS NULL AND deleted_at IS NULL ORDER BY seq LIMIT 1000) AS first
"""
_TOOK: Final = """
SELECT finished_at - started_at AS took FROM task WHERE state = 'succeeded' AND queue = %(queue)s
    AND deleted_at IS NULL AND started_at IS NOT NULL AND finished_at IS NOT NULL
"""
DURATION: Final = f"""
SELECT avg(took) FROM (
    ({_TOOK} AND archived_at IS NULL ORDER BY seq DESC LIMIT 1000) UNION ALL
    ({_TOOK} AND archived_at IS NOT NULL ORDER BY archived_at DESC, seq DESC LIMIT 1000)) AS last
"""


async def find(session: Session, query: TaskQuery, limit: int, cursor: str | None) -> Page:
    """List rows, newest first. A cursor is the number of the last row shown."""
    if limit < 1:
        return Page(tasks=())
    before = _NEWEST if cursor is None else int(cursor)
    words, values = _where(query)
    page = _PAGE.format(words)
    if _is_by_state(query):
        pairs = _pairs(query, values)
        part = f"SELECT seq FROM task WHERE {_OF_PAIR} AND {page}"
        seqs = f"SELECT one.seq FROM {pairs} CROSS JOIN LATERAL ({part}) AS one "
        seqs += "ORDER BY one.seq DESC LIMIT %(limit)s"
    else:
        seqs = f"SELECT seq FROM task WHERE {page}"
    rows = await session.all(_FIND.format(seqs), **values, before=before, limit=limit + 1)
    more = len(rows) > limit
    tasks = tuple(map(to_task, rows[:limit]))
    return Page(tasks=tasks, cursor=str(rows[limit - 1][0]) if more else None)


async def count(session: Session, query: TaskQuery) -> int:
    """Count matching rows."""
    words, values = _where(query)
    if _is_by_state(query):
        pairs = _pairs(query, values)
        statement = (
            f"SELECT coalesce(sum(one.number), 0)::bigint FROM {pairs} CROSS JOIN LATERAL "
            f"(SELECT count(*) AS number FROM task WHERE {_OF_PAIR}{words}) AS one"
        )
    else:
        statement = f"SELECT count(*) FROM task WHERE true{words}"
    [(number,)] = await session.all(statement, **values)
    return int(number)


def _is_by_state(query: TaskQuery) -> bool:
    """Whether the index of states serves: it leaves out what is hidden or archived."""
    narrow = query.states != ALL or bool(query.queues)
    other_index = bool(query.ids) or query.parent_id is not None
    return narrow and not (other_index or query.include_deleted or query.include_archived)


def _pairs(query: TaskQuery, values: dict[str, Any]) -> str:
    values["states"] = sorted(state.value for state in query.states)
    if not query.queues:
        return _PAIRS.format(_QUEUES)
    values["queues"] = sorted({text(queue) or "" for queue in query.queues})
    return _PAIRS.format("unnest(%(queues)s::text[])")


def _where(query: TaskQuery) -> tuple[str, dict[str, Any]]:
    conditions = list(_conditions(query))
    if not _is_by_state(query):
        conditions += _of_rows(query)
    words = "".join(f" AND {words}" for words, _, _ in conditions)
    return words, {name: value for _, name, value in conditions if name}


def _conditions(query: TaskQuery) -> Iterator[Condition]:
    if query.ids:
        yield "id = ANY(%(ids)s::text[])", "ids", list(query.ids)
    if query.names:
        yield "name = ANY(%(names)s::text[])", "names", [text(name) for name in query.names]
    if query.tags:
        yield "tags @> %(tags)s::jsonb", "tags", tags_text(query.tags)
    for column in ("category", "tenant", "owner", "parent_id", "reason"):
        wanted: str | None = getattr(query, column)
        if wanted is not None:
            yield f"{column} = %({column})s", column, text(wanted)
    if query.error is not None:
        found = "position(%(error)b::bytea IN error_folded) > 0"
        yield found, "error", octets(query.error.casefold())
    if query.armed is not None:
        yield f"wake_at IS {'NOT ' if query.armed else ''}NULL", "", None
    yield from _times(query)


def _times(query: TaskQuery) -> Iterator[Condition]:
    if query.updated_before is not None:
        yield "updated_at < %(updated_before)s", "updated_before", query.updated_before
    if query.created_after is not None:
        yield "created_at >= %(created_after)s", "created_after", query.created_after
    if query.created_before is not None:
        yield "created_at < %(created_before)s", "created_before", query.created_before


def _of_rows(query: TaskQuery) -> Iterator[Condition]:
    """Give the conditions that the index would have met."""
    if query.states != ALL:
        yield "state = ANY(%(states)s::text[])", "states", [s.value for s in query.states]
    if query.queues:
        yield "queue = ANY(%(queues)s::text[])", "queues", [text(q) for q in query.queues]
    if not query.include_deleted:
        yield "deleted_at IS NULL", "", None
    if not query.include_archived:
        yield "archived_at IS NULL", "", None


async def stats(session: Session) -> list[QueueStats]:
    """Count rows by queue and state.

    The oldest open task is looked for among the first thousand of each state, and the mean
    duration is that of the last thousand that succeeded, and of as many archived ones: neither
    reads a whole backlog.
    """
    by_queue: defaultdict[str, dict[TaskState, int]] = defaultdict(dict)
    for queue, state, number in await session.all(STATS):
        by_queue[queue][STATES[state]] = number
    found: list[QueueStats] = []
    for queue, by_state in by_queue.items():
        is_open = [state.value for state in OPEN & by_state.keys()]
        [(oldest,)] = await session.all(OLDEST_OPEN, queue=queue, states=is_open)
        [(mean,)] = await session.all(DURATION, queue=queue)
        found.append(
            QueueStats(
                queue=said(queue) or "", by_state=by_state, oldest_open=oldest, mean_duration=mean
            )
        )
    return sorted(found, key=lambda each: each.queue)
