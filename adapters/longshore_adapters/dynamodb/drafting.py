"""From a decision to what is written: the row's next item, and the parts that go before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore_adapters.dynamodb import attempts as tried
from longshore_adapters.dynamodb.limits import MAX_HEAD, MAX_ROW, UNIT, oversize
from longshore_adapters.dynamodb.parts import new_part, size_of
from longshore_adapters.dynamodb.scalars import dumps, micros, number, said_by, text
from longshore_adapters.dynamodb.specs import spec_text
from longshore_adapters.dynamodb.wire import (
    ROW,
    carried_of,
    fence_value,
    index_values,
    lease_value,
    pk,
    state_text,
)

if TYPE_CHECKING:
    from longshore.errors import LongshoreError
    from longshore.task import Attempt, Task
    from longshore_adapters.dynamodb.parts import Part
    from longshore_adapters.dynamodb.scalars import Item, Value
    from longshore_adapters.dynamodb.wire import Seen

GROWTH: Final = 210
"""What a row gains from its claim to its end: kept free below the first write unit."""

LONG: Final = 4096
"""Result, report and error above this go into parts: what is listed often is to stay short."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a new row goes in the list: its bucket, and a text that sorts behind all before."""

    bucket: str
    order: str
    shards: int


@dataclass(slots=True)
class Draft:
    """An item to write over the one that was seen, after its parts."""

    item: Item
    parts: list[Part]

    def oversize(self) -> LongshoreError | None:
        """Answer the error where a part of it is above a limit."""
        for part in self.parts:
            if error := oversize("a part of the task", len(part.data)):
                return error
        head = sum(len(self.item[name]["S"]) for name in ("a", "d") if name in self.item)
        return oversize("the task without its body", head, MAX_HEAD)


def draft(seen: Seen, after: Task, attempt: Attempt | None, place: Place) -> Draft:
    """Write the row that follows the one seen."""
    old = seen.item
    carried = carried_of(old["a"]["S"]) if old else {}
    item: Item = {
        "p": pk(after.id),
        "s": text(ROW),
        "v": number(int(old["v"]["N"]) + 1 if old else 1),
        "a": text(state_text(after, carried)),
        "u": number(micros(after.updated_at)),
    }
    made = Draft(item, [])
    if seen.task is None:
        item |= {"d": text(spec_text(after.spec)), "g": text(place.bucket)}
        item["o"] = text(place.order)
    else:
        item |= {name: old[name] for name in ("d", "g", "o", "t") if name in old}
    order = item["o"]["S"] if "o" in item else place.order
    shard, wake = index_values(after, order, place.shards)
    marks = {"l": lease_value(after), "k": fence_value(after), "y": shard, "w": wake}
    item |= {name: value for name, value in marks.items() if value is not None}
    _append(made, seen, after, attempt)
    _keep(made, "r", after.result, seen)
    _keep(made, "m", after.report, seen)
    _keep(made, "b", after.body, seen)
    return made


def _append(made: Draft, seen: Seen, after: Task, attempt: Attempt | None) -> None:
    """Add the attempt, and the error, which where long is shared with it."""
    apart: str | None = None
    if attempt is not None:
        elements = seen.item.get("t", {"L": []})["L"]
        kept, parts, apart = tried.appended(elements, attempt)
        made.item["t"] = {"L": kept}
        made.parts += parts
    if after.error is None:
        return
    if seen.task is not None and after.error is seen.task.error:
        made.item["x"] = seen.item["x"]
    elif apart is not None and attempt is not None and attempt.error == after.error:
        made.item["x"] = text(apart)
    else:
        said = dumps(said_by(after.error))
        made.item["x"] = text(said) if len(said) <= LONG else _apart(made, "x", said.encode())


def _keep(made: Draft, name: str, data: bytes | None, seen: Seen) -> None:
    """Carry a value over as it stands, or write it anew: in the row where it fits."""
    before = {"b": "body", "r": "result", "m": "report"}[name]
    if data is None:
        return
    if seen.task is not None and data is getattr(seen.task, before):
        if name in seen.item:
            made.item[name] = seen.item[name]
        return
    room = LONG
    if name == "b":
        room = UNIT - GROWTH - size_of(made.item.items())
    made.item[name] = {"B": data} if len(data) <= room else _apart(made, name, data)


def _apart(made: Draft, name: str, data: bytes) -> Value:
    part = new_part(name, data)
    made.parts.append(part)
    return text(part.reference)


def fits(body: bytes) -> bool:
    """Whether a body can be kept at all."""
    return len(body) <= MAX_ROW
