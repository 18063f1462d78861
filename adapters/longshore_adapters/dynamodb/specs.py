"""What a task is, as the JSON of its row's attribute `d`: written once, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.priority import NORMAL
from longshore.task import TaskSpec
from longshore_adapters.dynamodb.scalars import dumps, loads, maybe_moment, micros, moment

if TYPE_CHECKING:
    from longshore.identity import TaskId


def spec_text(spec: TaskSpec) -> str:
    """Write what never changes."""
    fields: dict[str, object] = {"n": spec.name, "q": spec.queue, "c": micros(spec.created_at)}
    if spec.priority != NORMAL:
        fields["p"] = spec.priority
    if spec.expires_at is not None:
        fields["x"] = micros(spec.expires_at)
    if spec.tags:
        fields["t"] = spec.tags
    if spec.delete_on_complete:
        fields["D"] = 1
    rest = (
        ("m", spec.max_attempts),
        ("g", spec.category),
        ("T", spec.tenant),
        ("o", spec.owner),
        ("l", spec.label),
        ("P", spec.parent_id),
        ("k", spec.key),
    )
    fields.update((name, value) for name, value in rest if value is not None)
    return dumps(fields)


def to_spec(task_id: TaskId, written: str, body: bytes) -> TaskSpec:
    """Read what never changes."""
    fields = loads(written)
    get = fields.get
    return TaskSpec(
        id=task_id,
        name=fields["n"],
        queue=fields["q"],
        body=body,
        created_at=moment(fields["c"]),
        priority=get("p", NORMAL),
        max_attempts=get("m"),
        expires_at=maybe_moment(get("x")),
        tags=tuple(get("t", ())),
        category=get("g"),
        tenant=get("T"),
        owner=get("o"),
        label=get("l"),
        parent_id=get("P"),
        key=get("k"),
        delete_on_complete="D" in fields,
    )
