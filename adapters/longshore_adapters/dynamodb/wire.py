"""Rows to items and back: pure functions, no client and no clock.

A row is one item. What decides is in `a`, JSON without what is at its default; what never
changes is in `d`. Long values are kept beside it, as parts (`parts.py`), and the row refers to
them. A field that this version does not know is carried from item to item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.identity import TaskId
from longshore.task import Task, TaskError, TaskState
from longshore_adapters.dynamodb.scalars import (
    LATEST,
    blob,
    dumps,
    loads,
    maybe_moment,
    micros,
    moment,
    number,
    sortable,
    text,
)
from longshore_adapters.dynamodb.specs import to_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore_adapters.dynamodb.scalars import Item, Value

ROW: Final = "#"
"""The sort key of a task's own item."""

KNOWN: Final = frozenset("sdetcwnrRkiAbfqzxypoBg")
STATES: Final[Mapping[str, TaskState]] = {state.value: state for state in TaskState}
ELSEWHERE: Final = bytes(bytearray(b"kept in a part"))
"""Stands for a value in a part while its row is decided about."""
ERROR_ELSEWHERE: Final = TaskError(type="", message="kept in a part")


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as it stands, or as it is believed to stand where it is not `sure`.

    `task` is None, and `item` empty, where there is none.
    """

    task: Task | None
    item: Item
    sure: bool = True


ABSENT: Final = Seen(None, {})
NOT_YET: Final = Seen(None, {}, sure=False)
"""Believed to have no row."""


def pk(task_id: TaskId | str) -> Value:
    """Name the partition of a task and all its parts."""
    return {"S": f"T#{task_id}"}


def row_key(task_id: TaskId | str) -> Item:
    """Name a task's own item."""
    return {"p": pk(task_id), "s": text(ROW)}


def id_of(item: Item) -> TaskId:
    """Read the task's id from any of its items' keys."""
    return TaskId(item["p"]["S"][2:])


def state_text(task: Task, carried: Mapping[str, object]) -> str:
    """Write what changes, but for the lease and the time of the write."""
    fields: dict[str, object] = {"s": task.state.value, "d": micros(task.due_at), **carried}
    if task.body is not None:
        fields["B"] = 1
    if task.spec.delete_on_complete:
        fields["g"] = 1
    counts = (
        ("t", task.token),
        ("n", task.attempts),
        ("r", task.rescues),
        ("R", task.run),
        ("i", task.wake_no),
        ("A", task.audits),
    )
    fields.update((name, count) for name, count in counts if count)
    times = (
        ("e", task.expires_at),
        ("k", task.wake_at),
        ("b", task.started_at),
        ("f", task.finished_at),
        ("q", task.cancel_requested_at),
        ("z", task.archived_at),
        ("x", task.deleted_at),
    )
    fields.update((name, micros(at)) for name, at in times if at is not None)
    texts = (
        ("c", task.claim_id),
        ("w", task.worker),
        ("y", task.reason),
        ("p", task.progress),
        ("o", task.progress_note),
    )
    fields.update((name, said) for name, said in texts if said is not None)
    return dumps(fields)


def carried_of(written: str) -> dict[str, object]:
    """Find the fields that another version wrote and this one does not know."""
    fields: dict[str, object] = loads(written)
    return {name: value for name, value in fields.items() if name not in KNOWN}


def to_task(item: Item) -> Task:
    """Read a row; what is in parts stands as `ELSEWHERE` until it is fetched."""
    fields = loads(item["a"]["S"])
    get = fields.get
    body = _held(item.get("b"))
    spec = to_spec(id_of(item), item["d"]["S"], body or b"")
    lease = item.get("l")
    return Task(
        spec=spec,
        state=STATES[fields["s"]],
        due_at=moment(fields["d"]),
        updated_at=moment(int(item["u"]["N"])),
        expires_at=maybe_moment(get("e")),
        body=(body or b"") if "B" in fields else None,
        reason=get("y"),
        token=get("t", 0),
        claim_id=get("c"),
        worker=get("w"),
        lease_until=None if lease is None else moment(int(lease["N"])),
        attempts=get("n", 0),
        rescues=get("r", 0),
        run=get("R", 0),
        wake_at=maybe_moment(get("k")),
        wake_no=get("i", 0),
        audits=get("A", 0),
        started_at=maybe_moment(get("b")),
        finished_at=maybe_moment(get("f")),
        cancel_requested_at=maybe_moment(get("q")),
        archived_at=maybe_moment(get("z")),
        deleted_at=maybe_moment(get("x")),
        result=_held(item.get("r")),
        report=_held(item.get("m")),
        error=_error(item.get("x")),
        progress=get("p"),
        progress_note=get("o"),
    )


def _held(value: Value | None) -> bytes | None:
    if value is None:
        return None
    return blob(value) if "B" in value else ELSEWHERE


def _error(value: Value | None) -> TaskError | None:
    if value is None:
        return None
    said = value["S"]
    if said.startswith("@"):
        return ERROR_ELSEWHERE
    kind, message, traceback = loads(said)
    return TaskError(type=kind, message=message, traceback=traceback)


def lease_value(task: Task) -> Value | None:
    """Write the end of a lease; an attribute of its own, so that a renewal writes nothing else."""
    return None if task.lease_until is None else number(min(micros(task.lease_until), LATEST))


def fence_value(task: Task) -> Value | None:
    """Write what a plain renewal asks for: the token, while it runs and no cancel is asked."""
    if task.state is not TaskState.RUNNING or task.cancel_requested_at is not None:
        return None
    return text(str(task.token))


def index_values(task: Task, order: str, shards: int) -> tuple[Value | None, Value | None]:
    """Place a row in the sparse index: by its wake-up, or among the failed; else nowhere."""
    shard = sum(task.id.encode("utf-8", "replace")) % shards
    if task.wake_at is not None:
        return text(f"W#{shard}"), text(sortable(micros(task.wake_at)))
    if task.state is TaskState.FAILED:
        return text(f"F#{shard}"), text(order)
    return None, None
