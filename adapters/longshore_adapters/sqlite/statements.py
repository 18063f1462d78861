"""Every statement of the adapter but the listings', so that a test can ask SQLite for its plan.

A list goes in as one JSON parameter, and where many small rows come back they come as one JSON
text: the statement stays the same for any number of items, and one step of SQLite does them all.
(Each step gives the interpreter's lock away; beside a thread that computes, a hundred steps wait
for it some twenty times, 5 ms each.) Blobs cannot be said in JSON: where they are needed there is
one statement for each size of `SIZES`.
"""

# ruff: noqa: S608 - every piece of every statement is a constant of this module

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

T = TypeVar("T")

SIZES: Final = (256, 64, 16, 4, 1)


def portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list into portions for which there are statements."""
    start = 0
    for size in SIZES:
        while len(items) - start >= size:
            yield items[start : start + size]
            start += size


def _values(columns: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)


def _inserts(table: str, columns: Sequence[str], then: str = "") -> Mapping[int, str]:
    head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
    return {size: head + _values(len(columns), size) + then for size in SIZES}


class Numbered(NamedTuple):
    """An insert of tasks' rows, for each size.

    Its first parameter is the number of the first task, and the others have those that follow;
    then come the `width` values of each row, one row behind the other.
    """

    sized: Mapping[int, str]
    width: int


def _numbered(table: str, number: str, columns: Sequence[str], then: str = "") -> Numbered:
    head = f"INSERT INTO {table} ({number}, {', '.join(columns)}) VALUES "
    marks = ", ".join("?" * len(columns))
    rows = [f"(?1 + {offset}, {marks})" for offset in range(SIZES[0])]
    return Numbered({size: head + ", ".join(rows[:size]) + then for size in SIZES}, len(columns))


_IDS: Final = "(SELECT value FROM json_each(?))"
IS_FINAL: Final = (
    "(state = 'succeeded' OR state = 'failed' OR state = 'cancelled' OR state = 'expired')"
)
"""As the index `task_final` says it: SQLite recognises a condition by its words."""

# ---------------------------------------------------------------------------------- messages

MESSAGE_COLUMNS: Final = (
    *("key", "queue", "priority", "ready", "visible_at", "sent_at"),
    *("task", "group_key", "attributes", "body"),
)
INSERT_MESSAGES: Final = _inserts("message", MESSAGE_COLUMNS)
_TASK_MESSAGE: Final = ("key", "queue", "priority", "ready", "visible_at", "sent_at")
TASK_MESSAGES: Final = _numbered("message", "task", (*_TASK_MESSAGE, "group_key", "body"))
PLAIN_TASK_MESSAGES: Final = _numbered("message", "task", _TASK_MESSAGE)

PROMOTE: Final = "UPDATE message SET ready = 1 WHERE queue = ? AND NOT ready AND visible_at <= ?"
CUT: Final = (
    "UPDATE message SET visible_at = ?3 WHERE queue = ?1 AND NOT ready AND receipt IS NOT NULL "
    "AND visible_at > ?2"
)
BEST: Final = (
    "SELECT seq FROM message WHERE queue = ? AND ready ORDER BY priority DESC, seq LIMIT ?"
)
TAKE: Final = (
    "UPDATE message SET ready = 0, visible_at = ?, receives = receives + 1, receipt = receives + 1 "
    f"WHERE seq IN ({BEST}) "
    "RETURNING -priority, seq, receives, key, sent_at, group_key, attributes, "
    "coalesce(body, (SELECT p.body FROM payload AS p WHERE p.task = message.task))"
)
SOONEST: Final = "SELECT min(visible_at) FROM message WHERE queue = ? AND NOT ready"
LOOK: Final = (
    "SELECT EXISTS (SELECT 1 FROM message WHERE queue = ?1 AND ready), "
    "(SELECT min(visible_at) FROM message WHERE queue = ?1 AND NOT ready)"
)

_HELD: Final = (
    "message.seq = json_extract(held.value, '$[0]') "
    "AND message.receipt = json_extract(held.value, '$[1]')"
)
FORGET: Final = (
    "DELETE FROM message WHERE seq IN (SELECT message.seq FROM json_each(?) AS held "
    f"CROSS JOIN message WHERE {_HELD})"
)
STANDING: Final = f"SELECT seq FROM message WHERE seq IN {_IDS}"
MOVE: Final = (
    "UPDATE message SET ready = json_extract(held.value, '$[2]'), "
    "visible_at = json_extract(held.value, '$[3]'), receipt = json_extract(held.value, '$[4]') "
    f"FROM json_each(?) AS held WHERE {_HELD} RETURNING seq"
)
BURY: Final = (
    "INSERT INTO dead_letter (queue, key, priority, group_key, attributes, body, reason, detail, "
    "stamp, receives, died_at) "
    "SELECT m.queue, m.key, m.priority, m.group_key, m.attributes, "
    "coalesce(m.body, p.body, x''), ?, ?, ?, m.receives, ? "
    "FROM message AS m LEFT JOIN payload AS p ON p.task = m.task WHERE m.seq = ? AND m.receipt = ?"
)
REMOVE: Final = "DELETE FROM message WHERE seq = ?"

DEPTH: Final = (
    "SELECT (SELECT count(*) FROM message WHERE queue = ?1 AND ready) + "
    "(SELECT count(*) FROM message WHERE queue = ?1 AND NOT ready AND visible_at <= ?2), "
    "(SELECT count(*) FROM message WHERE queue = ?1 AND NOT ready AND visible_at > ?2 "
    "AND receipt IS NOT NULL), "
    "(SELECT count(*) FROM message WHERE queue = ?1 AND NOT ready AND visible_at > ?2 "
    "AND receipt IS NULL), "
    "(SELECT count(*) FROM dead_letter WHERE queue = ?1)"
)
OLDEST_READY: Final = (
    "WITH RECURSIVE band (priority) AS ("
    "SELECT max(priority) FROM message WHERE queue = ?1 AND ready UNION ALL "
    "SELECT (SELECT max(m.priority) FROM message AS m "
    "WHERE m.queue = ?1 AND m.ready AND m.priority < band.priority) "
    "FROM band WHERE band.priority IS NOT NULL) "
    "SELECT min((SELECT m.sent_at FROM message AS m WHERE m.queue = ?1 AND m.ready "
    "AND m.priority = band.priority ORDER BY m.seq LIMIT 1)) FROM band"
)
OLDEST_DUE: Final = (
    "SELECT min(sent_at) FROM message WHERE queue = ? AND NOT ready AND visible_at <= ?"
)

DECLARE: Final = "INSERT INTO queue (name) VALUES (?) ON CONFLICT DO NOTHING"
UNDECLARE: Final = "DELETE FROM queue WHERE name = ?"
IS_USED: Final = (
    "SELECT EXISTS (SELECT 1 FROM message WHERE queue = ?1 AND ready) OR "
    "EXISTS (SELECT 1 FROM message WHERE queue = ?1 AND NOT ready) OR "
    "EXISTS (SELECT 1 FROM dead_letter WHERE queue = ?1)"
)
PURGE_READY: Final = (
    "DELETE FROM message WHERE seq IN (SELECT seq FROM message WHERE queue = ? AND ready LIMIT ?)"
)
PURGE_WAITING: Final = (
    "DELETE FROM message WHERE seq IN (SELECT seq FROM message WHERE queue = ? AND NOT ready "
    "AND (receipt IS NULL OR visible_at <= ?) LIMIT ?)"
)
PURGE_DEAD: Final = (
    "DELETE FROM dead_letter WHERE seq IN (SELECT seq FROM dead_letter WHERE queue = ? LIMIT ?)"
)

_DEAD: Final = (
    "SELECT seq, key, body, reason, detail, died_at, stamp, receives, attributes FROM dead_letter"
)
DEAD_LETTERS: Final = f"{_DEAD} WHERE queue = ? AND seq > ? ORDER BY seq LIMIT ?"
DEAD_LETTER: Final = (
    "SELECT key, priority, group_key, attributes, body, stamp FROM dead_letter "
    "WHERE seq = ? AND queue = ?"
)
DISCARD: Final = "DELETE FROM dead_letter WHERE seq = ? AND queue = ?"

# -------------------------------------------------------------------------------------- tasks

SPEC_COLUMNS: Final = (
    *("id", "queue", "name", "priority", "max_attempts", "created_at", "spec_expires_at"),
    *("category", "tenant", "owner", "label", "parent_id", "key", "tags", "delete_on_complete"),
)
_RECORDED: Final = ("state", "due_at", "updated_at", "expires_at", "wake_at", "wake_no")
RECORD_COLUMNS: Final = (
    *("id", "queue", "name", "priority", "max_attempts", "created_at"),
    *("state", "due_at", "updated_at"),
    *("spec_expires_at", "category", "tenant", "owner", "label", "parent_id", "key", "tags"),
    *("expires_at", "wake_at", "delete_on_complete", "wake_no"),
)
_PLAIN_RECORD: Final = RECORD_COLUMNS[:9]
CHANGING_COLUMNS: Final = (
    *_RECORDED,
    *("token", "run", "attempts", "rescues", "audits", "claim_id", "worker", "lease_until"),
    *("started_at", "finished_at", "cancel_requested_at", "archived_at", "deleted_at"),
    *("reason", "error", "progress", "progress_note", "has_body", "result", "report"),
)

_NEW: Final = " ON CONFLICT (id) DO NOTHING"
NEXT_SEQ: Final = "SELECT coalesce(max(seq), 0) + 1 FROM task"
RECORDS: Final = _numbered("task", "seq", RECORD_COLUMNS, _NEW)
PLAIN_RECORDS: Final = _numbered("task", "seq", _PLAIN_RECORD, _NEW)
INSERT_RECORD: Final = _inserts("task", RECORD_COLUMNS, _NEW)[1]
INSERT_PLAIN_RECORD: Final = _inserts("task", _PLAIN_RECORD, _NEW)[1]
SEQS_BY_ID: Final = f"SELECT id, seq FROM task WHERE id IN {_IDS}"
INSERT_TASKS: Final = _inserts("task", (*SPEC_COLUMNS, *CHANGING_COLUMNS), " RETURNING seq, id")
INSERT_PAYLOADS: Final = _inserts("payload", ("task", "body"))
PAYLOADS: Final = _numbered("payload", "task", ("body",))
KEEP_PAYLOAD: Final = "INSERT OR REPLACE INTO payload (task, body) VALUES (?, ?)"
DROP_PAYLOADS: Final = f"DELETE FROM payload WHERE task IN {_IDS}"
UPDATE_TASK: Final = (
    f"UPDATE task SET {', '.join(f'{column} = ?' for column in CHANGING_COLUMNS)} WHERE seq = ?"
)

_TASK: Final = ", ".join(f"task.{column}" for column in (*SPEC_COLUMNS, *CHANGING_COLUMNS))
TASK: Final = (
    f"SELECT task.seq, {_TASK}, payload.body FROM task LEFT JOIN payload ON payload.task = task.seq"
)
TASKS_BY_ID: Final = f"{TASK} WHERE task.id IN {_IDS}"
TASKS_BY_SEQ: Final = f"{TASK} WHERE task.seq IN {_IDS}"
STATES_BY_ID: Final = f"SELECT id, state FROM task WHERE id IN {_IDS}"
STATE_BY_ID: Final = "SELECT state FROM task WHERE id = ?"

STARTABLE: Final = (
    "SELECT json_group_array(json_array(id, seq, state, due_at, expires_at, wake_at, token, "
    f"attempts, run, rescues, has_body)) FROM task WHERE id IN {_IDS}"
)
START: Final = (
    "UPDATE task SET state = 'running', reason = NULL, token = token + 1, "
    "claim_id = json_extract(won.value, '$[1]'), worker = ?, lease_until = ?, "
    "attempts = attempts + 1, audits = 0, started_at = ?, finished_at = NULL, updated_at = ?, "
    "error = NULL, progress = NULL, progress_note = NULL "
    "FROM json_each(?) AS won WHERE task.seq = json_extract(won.value, '$[0]')"
)
RENEW: Final = (
    "UPDATE task SET lease_until = json_extract(kept.value, '$[2]'), updated_at = ? "
    "FROM json_each(?) AS kept WHERE task.id = json_extract(kept.value, '$[0]') "
    "AND task.token = json_extract(kept.value, '$[1]') AND task.state = 'running' "
    "RETURNING id, token, cancel_requested_at"
)
NOTE: Final = (
    "UPDATE task SET progress = coalesce(?, progress), "
    "progress_note = coalesce(?, progress_note), updated_at = ? "
    "WHERE id = ? AND token = ? AND state = 'running'"
)

ENDING: Final = (
    "SELECT json_group_array(json_array(id, seq, state, token, run, attempts, worker, started_at, "
    f"updated_at, delete_on_complete)) FROM task WHERE id IN {_IDS}"
)
SUCCEED: Final = {
    size: f"WITH ended (seq, result, report, reason) AS (VALUES {_values(4, size)}) "
    "UPDATE task SET state = 'succeeded', rescues = 0, result = ended.result, "
    "report = ended.report, reason = ended.reason, error = NULL, wake_at = NULL, "
    "lease_until = NULL, finished_at = ?, updated_at = ? FROM ended WHERE task.seq = ended.seq"
    for size in SIZES
}
SUCCEED_SILENTLY: Final = (
    "UPDATE task SET state = 'succeeded', rescues = 0, result = NULL, report = NULL, "
    "reason = NULL, error = NULL, wake_at = NULL, lease_until = NULL, finished_at = ?1, "
    "updated_at = ?1 FROM json_each(?2) AS ended WHERE task.seq = ended.value"
)
"""For ends that leave nothing to keep: their numbers can be said in JSON."""
INSERT_ATTEMPTS: Final = _inserts(
    "attempt",
    (
        *("task", "token", "run", "number", "worker", "outcome", "started_at", "ended_at"),
        *("error", "lines"),
    ),
)
ATTEMPTS: Final = (
    "SELECT token, run, number, worker, outcome, started_at, ended_at, error, lines "
    "FROM attempt WHERE task = (SELECT seq FROM task WHERE id = ?) ORDER BY token"
)

NEWEST: Final = "SELECT seq FROM task WHERE seq < ?{} ORDER BY seq DESC LIMIT ?"
NEWEST_OF: Final = (
    "SELECT seq FROM task WHERE state = ? AND queue = ? AND archived_at IS NULL "
    "AND deleted_at IS NULL AND seq < ?{} ORDER BY seq DESC LIMIT ?"
)
COUNT: Final = "SELECT count(*) FROM task WHERE seq < ?{}"
COUNT_OF: Final = (
    "SELECT count(*) FROM task WHERE state = ? AND queue = ? AND archived_at IS NULL "
    "AND deleted_at IS NULL AND seq < ?{}"
)
QUEUES_OF: Final = (
    "WITH RECURSIVE name (queue) AS ("
    "SELECT min(queue) FROM task WHERE state = ?1 AND deleted_at IS NULL UNION ALL "
    "SELECT (SELECT min(task.queue) FROM task "
    "WHERE task.state = ?1 AND task.deleted_at IS NULL AND task.queue > name.queue) "
    "FROM name WHERE name.queue IS NOT NULL) "
    "SELECT queue FROM name WHERE queue IS NOT NULL"
)
STATS: Final = (
    "SELECT queue, state, count(*) FROM task WHERE deleted_at IS NULL GROUP BY state, queue"
)
OLDEST_OPEN: Final = (
    "SELECT min(created_at) FROM (SELECT created_at FROM task WHERE state = ? AND queue = ? "
    "AND archived_at IS NULL AND deleted_at IS NULL ORDER BY seq LIMIT 1000)"
)
_DURATIONS: Final = (
    "SELECT count(*), sum(took) FROM (SELECT finished_at - started_at AS took FROM task "
    "WHERE state = 'succeeded' AND queue = ? AND deleted_at IS NULL "
    "AND started_at IS NOT NULL AND finished_at IS NOT NULL AND archived_at {} LIMIT 1000)"
)
DURATIONS: Final = (
    _DURATIONS.format("IS NULL ORDER BY seq DESC"),
    _DURATIONS.format("IS NOT NULL ORDER BY archived_at DESC, seq DESC"),
)

DUE: Final = f"{TASK} WHERE task.wake_at <= ? ORDER BY task.wake_at, task.seq LIMIT ?"
OLD: Final = (
    f"SELECT updated_at, seq, id FROM task WHERE {IS_FINAL} AND state = ? AND updated_at < ? "
    "AND (updated_at, seq) > (?, ?) ORDER BY updated_at, seq LIMIT ?"
)
NEWEST_MESSAGE: Final = "SELECT coalesce(max(seq), 0) FROM message"
STANDING_KEYS: Final = f"SELECT key FROM message WHERE seq > ? AND key IN {_IDS}"
PRUNE: Final = (
    # By number: left to itself SQLite would go through all that is old.
    f"DELETE FROM task NOT INDEXED WHERE seq IN {_IDS} AND {IS_FINAL} AND updated_at < ? "
    "RETURNING seq, id"
)
DROP_LETTERS: Final = f"DELETE FROM dead_letter WHERE key IN {_IDS}"
DROP_ATTEMPTS: Final = f"DELETE FROM attempt WHERE task IN {_IDS}"

# -------------------------------------------------------------------------------------- store

ENTRY_COLUMNS: Final = ("key", "value", "counter", "expires_at")
_LIVE: Final = "(expires_at IS NULL OR expires_at > ?)"
_ENTRY: Final = "SELECT key, value, version, expires_at FROM entry"
ENTRIES: Final = f"{_ENTRY} WHERE key IN {_IDS} AND {_LIVE}"
SCAN: Final = f"{_ENTRY} WHERE key > ? AND key >= ? AND key < ? AND {_LIVE} ORDER BY key LIMIT ?"
LIVE_ENTRY: Final = (
    f"SELECT version, value, counter, expires_at FROM entry WHERE key = ? AND {_LIVE}"
)
WRITE_ENTRY: Final = (
    "INSERT OR REPLACE INTO entry (key, value, counter, expires_at) VALUES (?, ?, ?, ?)"
)
DROP_ENTRY: Final = "DELETE FROM entry WHERE key = ?"
SWEEP: Final = (
    "DELETE FROM entry WHERE version IN (SELECT version FROM entry WHERE expires_at <= ? "
    "ORDER BY expires_at LIMIT 20)"
)
