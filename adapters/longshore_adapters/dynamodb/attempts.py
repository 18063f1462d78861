"""Attempts as elements of their task's row: written with the finish, in the same write.

An element is the JSON text of a list, in the order of `_FIELDS`, and after them the error and the
lines, if there are any: in place, or a reference to a part. Where a row has many attempts, the
older ones are folded into a part, to which the first element refers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from longshore.task import Attempt
from longshore_adapters.dynamodb.parts import is_reference, joined, new_part
from longshore_adapters.dynamodb.scalars import (
    dumps,
    error_of,
    lines_of,
    lines_text,
    loads,
    micros,
    moment,
    said_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from longshore.identity import TaskId
    from longshore_adapters.dynamodb.parts import Part
    from longshore_adapters.dynamodb.scalars import Item, Value

SHORT: Final = 256
"""Bytes of error and lines that stay in the row: a traceback would be paid for at every write."""

MOST: Final = 12
"""Elements in a row before they are folded."""


def detail_of(attempt: Attempt) -> dict[str, object]:
    """Collect what only some attempts have."""
    detail: dict[str, object] = {}
    if attempt.error is not None:
        detail["er"] = said_by(attempt.error)
    if attempt.lines:
        detail["ln"] = lines_text(attempt.lines)
    return detail


def appended(
    elements: Sequence[Value], attempt: Attempt
) -> tuple[list[Value], list[Part], str | None]:
    """Add an attempt: the elements, the parts to write, and where the error went, if apart."""
    kept, parts = _folded(elements)
    fields: list[Any] = [
        attempt.run,
        attempt.number,
        attempt.token,
        attempt.worker,
        attempt.outcome,
        micros(attempt.started_at),
        micros(attempt.ended_at),
    ]
    apart: str | None = None
    if detail := detail_of(attempt):
        written = dumps(detail)
        if len(written) > SHORT:
            part = new_part("t", written.encode())
            parts.append(part)
            apart = part.reference
        fields.append(detail if apart is None else apart)
    return [*kept, {"S": dumps(fields)}], parts, apart if attempt.error else None


def _folded(elements: Sequence[Value]) -> tuple[list[Value], list[Part]]:
    if len(elements) < MOST:
        return list(elements), []
    part = new_part("t", dumps([element["S"] for element in elements]).encode())
    return [{"S": part.reference}], [part]


def read(task_id: TaskId, items: Mapping[str, Item], row: Item) -> list[Attempt]:
    """List a row's attempts, oldest first; `items` is all of its partition by sort key."""
    elements = [element["S"] for element in row.get("t", {"L": []})["L"]]
    return [_attempt(task_id, items, element) for element in _unfolded(elements, items)]


def _unfolded(elements: Sequence[str], items: Mapping[str, Item]) -> Iterator[str]:
    for element in elements:
        if is_reference(element):
            data = joined(element, items)
            yield from _unfolded(json.loads(data or b"[]"), items)
        else:
            yield element


def _attempt(task_id: TaskId, items: Mapping[str, Item], element: str) -> Attempt:
    run, tried, token, worker, outcome, started_at, ended_at, *rest = loads(element)
    detail: Any = rest[0] if rest else {}
    if isinstance(detail, str):
        detail = json.loads(joined(detail, items) or b"{}")
    return Attempt(
        task_id=task_id,
        run=run,
        number=tried,
        token=token,
        worker=worker,
        outcome=outcome,
        started_at=moment(started_at),
        ended_at=moment(ended_at),
        error=error_of(detail.get("er")),
        lines=lines_of(detail.get("ln")),
    )
