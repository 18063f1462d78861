"""Every statement of the adapter but the listings'.

A list goes in as arrays, one for each column: the statement stays the same for any number of
items, so the server plans it once. Rows that two transactions may want are locked in the order of
their numbers. The time is the server's, when the statement came; or `now`, where it is given.
"""

# ruff: noqa: S608 - every piece of every statement is a constant of this module

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from longshore.task import FINAL, OPEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.task import TaskState

NOW: Final = "coalesce(%(now)s::timestamptz, statement_timestamp())"
_LATEST: Final = "timestamptz '9999-12-31 23:59:59.999999+00'"
"""The last moment that Python can say."""


def _later(wait: str) -> str:
    return f"least({NOW} + {wait}, {_LATEST})"


def _words(values: frozenset[TaskState]) -> str:
    return "(" + ", ".join(f"'{value}'" for value in sorted(values)) + ")"


_OPEN: Final = _words(OPEN)
IS_FINAL: Final = f"state IN {_words(FINAL)}"
CLOCK: Final = "SELECT coalesce(%(now)s::timestamptz, clock_timestamp())"

# ---------------------------------------------------------------------------------- messages

SEND: Final = f"""
INSERT INTO message (key, queue, priority, ready, visible_at, sent_at, group_key, attributes, body)
SELECT g.key, %(queue)s, g.priority, g.delay <= interval '0', {_later("g.delay")}, {NOW},
    g.group_key, g.attributes::json, g.body
FROM unnest(%(keys)s::text[], %(priorities)s::smallint[], %(delays)s::interval[],
    %(groups)s::text[], %(attributes)s::text[], %(bodies)b::bytea[])
    WITH ORDINALITY AS g(key, priority, delay, group_key, attributes, body, place)
ORDER BY g.place
"""
PROMOTE: Final = f"""
UPDATE message SET ready = true WHERE seq IN (
    SELECT seq FROM message WHERE queue = %(queue)s AND NOT ready AND visible_at <= {NOW}
    FOR UPDATE SKIP LOCKED)
"""
TAKE: Final = f"""
WITH best AS MATERIALIZED (
    SELECT seq FROM message WHERE queue = %(queue)s AND ready
    ORDER BY priority DESC, seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE message AS m SET ready = false, visible_at = {_later("%(lease)s")},
    receives = receives + 1, receipt = receives + 1
FROM best WHERE m.seq = best.seq
RETURNING -m.priority, m.seq, m.receives, m.key, m.sent_at, m.visible_at, m.group_key,
    m.attributes, coalesce(m.body, (SELECT t.body FROM task AS t WHERE t.seq = m.task), ''::bytea)
"""
SOONEST: Final = f"""
SELECT extract(epoch FROM min(visible_at) - {NOW})::float8 FROM message
WHERE queue = %(queue)s AND NOT ready
"""
FORGET: Final = """
DELETE FROM message AS m USING unnest(%(seqs)s::bigint[], %(receipts)s::int[]) AS h(seq, receipt)
WHERE m.seq = h.seq AND m.receipt = h.receipt RETURNING m.seq
"""
STANDING: Final = "SELECT seq FROM message WHERE seq = ANY(%(seqs)s::bigint[])"
RELEASE: Final = f"""
UPDATE message AS m SET ready = h.delay <= interval '0', visible_at = {_later("h.delay")},
    receipt = NULL
FROM unnest(%(seqs)s::bigint[], %(receipts)s::int[], %(delays)s::interval[])
    AS h(seq, receipt, delay)
WHERE m.seq = h.seq AND m.receipt = h.receipt RETURNING m.seq
"""
EXTEND: Final = f"""
UPDATE message AS m SET ready = false, visible_at = {_later("%(lease)s")}
FROM unnest(%(seqs)s::bigint[], %(receipts)s::int[]) AS h(seq, receipt)
WHERE m.seq = h.seq AND m.receipt = h.receipt RETURNING m.seq
"""
BURY: Final = f"""
WITH gone AS (
    DELETE FROM message AS m
    USING unnest(%(seqs)s::bigint[], %(receipts)s::int[], %(reasons)s::text[], %(details)s::text[],
        %(stamps)s::int[]) WITH ORDINALITY AS h(seq, receipt, reason, detail, stamp, place)
    WHERE m.seq = h.seq AND m.receipt = h.receipt
    RETURNING m.*, h.reason, h.detail, h.stamp, h.place),
kept AS (
    INSERT INTO dead_letter (queue, key, priority, group_key, attributes, body, reason, detail,
        stamp, receives, died_at)
    SELECT g.queue, g.key, g.priority, g.group_key, g.attributes,
        coalesce(g.body, t.body, ''::bytea), g.reason, g.detail, g.stamp, g.receives, {NOW}
    FROM gone AS g LEFT JOIN task AS t ON t.seq = g.task ORDER BY g.place)
SELECT seq FROM gone
"""
WAKE: Final = """
SELECT set_config('synchronous_commit', 'off', true), pg_notify(%(channel)s, q.number::text)
FROM unnest(%(numbers)s::int[]) AS q(number)
WHERE NOT pg_try_advisory_xact_lock(%(space)s, q.number)
"""
"""Who waits for a queue holds its lock, shared; so it costs next to nothing where nobody waits.

A transaction of its own, of which nothing has to reach the disk before somebody is woken.
"""
ANNOUNCE: Final = "SELECT pg_advisory_lock_shared(%(space)s, %(number)s)"
WITHDRAW: Final = "SELECT pg_advisory_unlock_shared(%(space)s, %(number)s)"

_OF_QUEUE: Final = "FROM message WHERE queue = %(queue)s"
DEPTH: Final = f"""
SELECT (SELECT count(*) {_OF_QUEUE} AND ready)
    + (SELECT count(*) {_OF_QUEUE} AND NOT ready AND visible_at <= {NOW}),
    (SELECT count(*) {_OF_QUEUE} AND NOT ready AND visible_at > {NOW} AND receipt IS NOT NULL),
    (SELECT count(*) {_OF_QUEUE} AND NOT ready AND visible_at > {NOW} AND receipt IS NULL),
    (SELECT count(*) FROM dead_letter WHERE queue = %(queue)s),
    {NOW} - least(
        (WITH RECURSIVE band (priority) AS (
            SELECT max(priority)::int {_OF_QUEUE} AND ready UNION ALL
            SELECT (SELECT max(m.priority) FROM message AS m WHERE m.queue = %(queue)s AND m.ready
                AND m.priority < band.priority) FROM band WHERE band.priority IS NOT NULL)
        SELECT min((SELECT m.sent_at FROM message AS m WHERE m.queue = %(queue)s AND m.ready
            AND m.priority = band.priority ORDER BY m.seq LIMIT 1)) FROM band),
        (SELECT min(sent_at) {_OF_QUEUE} AND NOT ready AND visible_at <= {NOW}))
"""
"""The oldest ready one is the first of a priority, so no more than those are looked at."""

DECLARE: Final = "INSERT INTO queue (name) VALUES (%(queue)s) ON CONFLICT DO NOTHING"
UNDECLARE: Final = "DELETE FROM queue WHERE name = %(queue)s"
IS_USED: Final = f"""
SELECT EXISTS (SELECT 1 {_OF_QUEUE} AND ready) OR EXISTS (SELECT 1 {_OF_QUEUE} AND NOT ready)
    OR EXISTS (SELECT 1 FROM dead_letter WHERE queue = %(queue)s)
"""
PURGE_READY: Final = f"""
DELETE FROM message WHERE seq IN (SELECT seq {_OF_QUEUE} AND ready LIMIT %(most)s)
"""
PURGE_WAITING: Final = f"""
DELETE FROM message WHERE seq IN (SELECT seq {_OF_QUEUE} AND NOT ready
    AND (%(held)s OR receipt IS NULL OR visible_at <= {NOW}) LIMIT %(most)s)
"""
PURGE_DEAD: Final = """
DELETE FROM dead_letter WHERE seq IN (
    SELECT seq FROM dead_letter WHERE queue = %(queue)s LIMIT %(most)s)
"""
DEAD_LETTERS: Final = """
SELECT seq, key, body, reason, detail, died_at, stamp, receives, attributes FROM dead_letter
WHERE queue = %(queue)s AND seq > %(after)s ORDER BY seq LIMIT %(limit)s
"""
REVIVE: Final = """
DELETE FROM dead_letter WHERE queue = %(queue)s AND seq = ANY(%(seqs)s::bigint[])
RETURNING seq, key, priority, group_key, attributes, body, stamp
"""
DISCARD: Final = """
DELETE FROM dead_letter WHERE queue = %(queue)s AND seq = ANY(%(seqs)s::bigint[])
"""

# -------------------------------------------------------------------------------------- tasks

SPEC_COLUMNS: Final = (
    *("id", "queue", "name", "priority", "max_attempts", "created_at", "spec_expires_at"),
    *("category", "tenant", "owner", "label", "parent_id", "key", "tags", "delete_on_complete"),
)
CHANGING_COLUMNS: Final = (
    *("state", "due_at", "updated_at", "expires_at", "wake_at", "wake_no"),
    *("token", "run", "attempts", "rescues", "audits", "claim_id", "worker", "lease_until"),
    *("started_at", "finished_at", "cancel_requested_at", "archived_at", "deleted_at"),
    *("reason", "error", "error_folded", "progress", "progress_note", "body", "result", "report"),
)
_PLAIN: Final = {
    "id": "%(ids)s::text",
    "queue": "%(queues)s::text",
    "name": "%(names)s::text",
    "priority": "%(priorities)s::smallint",
    "max_attempts": "%(max_attempts)s::int",
    "created_at": "%(created)s::timestamptz",
    "state": "%(states)s::text",
    "due_at": "%(due)s::timestamptz",
    "body": "%(bodies)b::bytea",
}
_REST: Final = {
    "expires_at": "%(expires)s::timestamptz",
    "category": "%(categories)s::text",
    "tenant": "%(tenants)s::text",
    "owner": "%(owners)s::text",
    "label": "%(labels)s::text",
    "parent_id": "%(parents)s::text",
    "key": "%(keys)s::text",
    "tags": "%(tags)s::text",
    "wake_at": "%(wakes)s::timestamptz",
    "delete_on_complete": "%(deletes)s::bool",
}


def _record(given: Mapping[str, str], computed: Mapping[str, str], *, one: bool) -> str:
    """Insert rows, and messages of those that are open and not armed, if any are to be sent.

    What is `computed` is of columns that are given. A list comes as arrays; `one` row as values,
    which takes psycopg a third of the time. `new` says all that a message needs: to look for it
    in the arrays would be to compare each with each.
    """
    source = f"(VALUES ({', '.join(given.values())}))"
    order = ""
    if not one:
        source = f"unnest({', '.join(f'{each}[]' for each in given.values())}) WITH ORDINALITY"
        order = "ORDER BY place"
    named = ", ".join([*given, *([] if one else ["place"])])
    columns = {**{name: name for name in given}, "updated_at": NOW, **computed}
    group, body = ("NULL::text", "NULL::bytea")
    if "tenant" in given:
        group, body = ("tenant", "CASE WHEN delete_on_complete THEN body END")
    return f"""
WITH new AS (
    INSERT INTO task ({", ".join(columns)}) SELECT {", ".join(columns.values())}
    FROM {source} AS g({named}) {order} ON CONFLICT (id) DO NOTHING
    RETURNING seq, id, queue, priority, due_at, {group} AS group_key, {body} AS body,
        state IN {_OPEN} AND wake_at IS NULL AS goes),
sent AS (
    INSERT INTO message (key, queue, priority, ready, visible_at, sent_at, task, group_key, body)
    SELECT id, queue, priority, due_at <= {NOW}, greatest(due_at, {NOW}), {NOW}, seq, group_key,
        body
    FROM new WHERE goes AND %(sends)s ORDER BY seq)
SELECT id FROM new
"""


_COMPUTED: Final = {
    "spec_expires_at": "expires_at",
    "tags": "tags::jsonb",
    "wake_no": "(wake_at IS NOT NULL)::int",
}
RECORD_PLAIN: Final = _record(_PLAIN, {}, one=False)
RECORD: Final = _record(_PLAIN | _REST, _COMPUTED, one=False)
RECORD_ONE_PLAIN: Final = _record(_PLAIN, {}, one=True)
RECORD_ONE: Final = _record(_PLAIN | _REST, _COMPUTED, one=True)
"""The message shares the body of its row, except where success strips the row."""
STATES_BY_ID: Final = "SELECT id, state FROM task WHERE id = ANY(%(ids)s::text[])"

_INSERTED: Final = (*SPEC_COLUMNS, *CHANGING_COLUMNS)
INSERT_TASK: Final = (
    f"INSERT INTO task ({', '.join(_INSERTED)}) VALUES ({', '.join(['%s'] * len(_INSERTED))})"
)
UPDATE_TASK: Final = (
    f"UPDATE task SET {', '.join(f'{column} = %s' for column in CHANGING_COLUMNS)} WHERE id = %s"
)
TASK: Final = f"SELECT seq, {', '.join(_INSERTED)} FROM task"
TASKS_BY_ID: Final = f"{TASK} WHERE id = ANY(%(ids)s::text[])"
LOCK_BY_ID: Final = f"{TASKS_BY_ID} ORDER BY seq FOR UPDATE"

START: Final = f"""
WITH free AS (
    SELECT t.seq, b.claim_id
    FROM task AS t JOIN unnest(%(ids)s::text[], %(claims)s::text[]) AS b(id, claim_id) USING (id)
    WHERE t.state IN {_OPEN} AND t.due_at <= {NOW} AND t.wake_at IS NULL
        AND (t.expires_at IS NULL OR t.expires_at > {NOW})
    ORDER BY t.seq FOR UPDATE OF t)
UPDATE task AS t SET state = 'running', reason = NULL, token = t.token + 1,
    claim_id = free.claim_id, worker = %(worker)s, lease_until = {_later("%(lease)s")},
    attempts = t.attempts + 1, audits = 0, started_at = {NOW}, finished_at = NULL,
    updated_at = {NOW}, error = NULL, error_folded = NULL, progress = NULL, progress_note = NULL
FROM free WHERE t.seq = free.seq
RETURNING t.id, t.token, t.attempts, t.run, t.rescues, t.body IS NOT NULL
"""
RENEW: Final = f"""
UPDATE task AS t SET lease_until = {_later("k.lease")}, updated_at = {NOW}
FROM unnest(%(ids)s::text[], %(tokens)s::bigint[], %(leases)s::interval[]) AS k(id, token, lease)
WHERE t.id = k.id AND t.token = k.token AND t.state = 'running'
RETURNING t.id, t.token, t.cancel_requested_at IS NOT NULL
"""
NOTE: Final = f"""
UPDATE task SET progress = coalesce(%(progress)s, progress),
    progress_note = coalesce(%(note)s, progress_note), updated_at = {NOW}
WHERE id = %(id)s AND token = %(token)s AND state = 'running'
"""
SUCCEED: Final = f"""
WITH ended AS (
    SELECT t.seq AS task, coalesce(t.started_at, t.updated_at) AS began, g.*
    FROM task AS t JOIN unnest(%(ids)s::text[], %(tokens)s::bigint[], %(results)b::bytea[],
        %(reports)b::bytea[], %(reasons)s::text[], %(lines)s::text[], %(seqs)s::bigint[],
        %(receipts)s::int[])
        AS g(id, token, result, report, reason, lines, message, receipt) USING (id)
    WHERE t.state = 'running' AND t.token = g.token AND NOT t.delete_on_complete
    ORDER BY t.seq FOR UPDATE OF t),
done AS (
    UPDATE task AS t SET state = 'succeeded', rescues = 0, result = e.result, report = e.report,
        reason = e.reason, error = NULL, error_folded = NULL, wake_at = NULL, lease_until = NULL,
        finished_at = {NOW}, updated_at = {NOW}
    FROM ended AS e WHERE t.seq = e.task
    RETURNING t.id, t.seq, t.token, t.run, t.attempts, t.worker, e.began, e.lines, e.message,
        e.receipt),
tried AS (
    INSERT INTO attempt (task, token, run, number, worker, outcome, started_at, ended_at, lines)
    SELECT seq, token, run, attempts, coalesce(worker, ''), 'succeeded', began, {NOW}, lines::json
    FROM done),
gone AS (
    DELETE FROM message AS m USING done AS d WHERE m.seq = d.message AND m.receipt = d.receipt)
SELECT id, run FROM done
"""
"""What ends well and is kept, its attempt, and the message it came with, in one step."""
INSERT_ATTEMPT: Final = """
INSERT INTO attempt (task, token, run, number, worker, outcome, started_at, ended_at, error, lines)
VALUES ((SELECT seq FROM task WHERE id = %s), %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
ATTEMPTS: Final = """
SELECT token, run, number, worker, outcome, started_at, ended_at, error, lines
FROM attempt WHERE task = (SELECT seq FROM task WHERE id = %(id)s) ORDER BY token
"""
DUE: Final = f"{TASK} WHERE wake_at <= %(before)s ORDER BY wake_at, seq LIMIT %(limit)s"

OLD: Final = f"""
SELECT seq, id FROM task WHERE {IS_FINAL} AND state = ANY(%(states)s::text[])
    AND updated_at < %(before)s AND NOT EXISTS (SELECT 1 FROM message AS m WHERE m.key = task.id)
ORDER BY updated_at, seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
LOCK_LETTERS: Final = "SELECT 1 FROM dead_letter WHERE key = ANY(%(ids)s::text[]) FOR UPDATE"
PRUNE: Final = """
WITH gone AS (
    DELETE FROM task WHERE seq = ANY(%(seqs)s::bigint[])
        AND NOT EXISTS (SELECT 1 FROM message AS m WHERE m.key = task.id)
    RETURNING seq, id),
attempts AS (DELETE FROM attempt AS a USING gone WHERE a.task = gone.seq),
letters AS (DELETE FROM dead_letter AS d USING gone WHERE d.key = gone.id)
SELECT count(*) FROM gone
"""

# -------------------------------------------------------------------------------------- store

_LIVE: Final = f"(entry.expires_at IS NULL OR entry.expires_at > {NOW})"
_DEAD: Final = f"entry.expires_at <= {NOW}"
_EXPIRY: Final = _later("%(ttl)s::interval")
_ENTRY: Final = "SELECT key, value, version, expires_at FROM entry"
ENTRIES: Final = f"{_ENTRY} WHERE key = ANY(%(keys)b::bytea[]) AND {_LIVE}"
SCAN: Final = f"""
{_ENTRY} WHERE key > %(after)b AND key >= %(low)b AND key < %(high)b AND {_LIVE}
ORDER BY key LIMIT %(limit)s
"""
_EXPIRES: Final = f"CASE WHEN %(ttl)s::interval IS NULL THEN NULL ELSE {_EXPIRY} END"
PUT: Final = f"""
INSERT INTO entry (key, value, counter, expires_at) VALUES (%(key)b, %(value)b, false, {_EXPIRES})
ON CONFLICT (key) DO UPDATE SET version = nextval('entry_version'), value = excluded.value,
    counter = false, expires_at = excluded.expires_at
"""
PUT_ANY: Final = f"{PUT} RETURNING version, expires_at"
PUT_ABSENT: Final = f"{PUT} WHERE {_DEAD} RETURNING version, expires_at"
PUT_OVER: Final = f"""
UPDATE entry SET version = nextval('entry_version'), value = %(value)b, counter = false,
    expires_at = {_EXPIRES}
WHERE key = %(key)b AND version = %(version)s AND {_LIVE} RETURNING version, expires_at
"""
DELETE: Final = f"""
DELETE FROM entry WHERE key = %(key)b AND {_LIVE}
    AND (%(version)s::bigint IS NULL OR version = %(version)s)
"""
ADD: Final = f"""
INSERT INTO entry (key, value, counter, expires_at)
VALUES (%(key)b, convert_to(%(amount)s::numeric::text, 'UTF8'), true, {_EXPIRES})
ON CONFLICT (key) DO UPDATE SET version = nextval('entry_version'), counter = true,
    value = CASE WHEN {_DEAD} THEN excluded.value ELSE convert_to(
        (convert_from(entry.value, 'UTF8')::numeric + %(amount)s::numeric)::text, 'UTF8') END,
    expires_at = CASE WHEN {_DEAD} THEN excluded.expires_at ELSE entry.expires_at END
WHERE entry.counter OR {_DEAD} RETURNING value
"""
SWEEP: Final = f"""
DELETE FROM entry WHERE key IN (
    SELECT key FROM entry WHERE expires_at <= {NOW} ORDER BY expires_at LIMIT 20
    FOR UPDATE SKIP LOCKED)
"""
