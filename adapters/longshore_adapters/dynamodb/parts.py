"""Long values of a row, each in items of its own, so that the row stays within a write unit.

The row holds `@COUNT:KEY`: the sort key of the first of so many items. A key is used once, so a
part is never overwritten: it is written before the row that refers to it, and removed after the
row that no longer does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from longshore_adapters.dynamodb.limits import CHUNK
from longshore_adapters.dynamodb.scalars import blob, dumps, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from longshore_adapters.dynamodb.scalars import Item, Value

MARK: Final = "@"
_REFERENCE: Final = re.compile(r"@[0-9]+:[brmxt]#[0-9a-f]{16}")
_NAMES: Final = ("b", "r", "m", "x")
"""Attributes that may be references: body, result, report, error."""


@dataclass(frozen=True, slots=True)
class Part:
    """A long value and where it goes."""

    key: str
    data: bytes

    @property
    def name(self) -> str:
        """The attribute it is a value of."""
        return self.key.partition("#")[0]

    @property
    def reference(self) -> str:
        """What the row holds instead."""
        return f"{MARK}{max(1, -(-len(self.data) // CHUNK))}:{self.key}"

    def items(self, partition: Value) -> list[Item]:
        """Cut it into items of the task's partition."""
        return [
            {
                "p": partition,
                "s": text(f"{self.key}#{place}"),
                "z": {"B": self.data[place * CHUNK : (place + 1) * CHUNK]},
            }
            for place in range(max(1, -(-len(self.data) // CHUNK)))
        ]


def new_part(name: str, data: bytes) -> Part:
    """Give a value of the attribute `name` a key that nothing else has."""
    return Part(f"{name}#{uuid4().hex[:16]}", data)


def is_reference(value: str) -> bool:
    """Whether an attribute's text says where the value is."""
    return value.startswith(MARK)


def keys_of(reference: str) -> list[str]:
    """List the sort keys of a part's items."""
    count, _, key = reference.removeprefix(MARK).partition(":")
    return [f"{key}#{place}" for place in range(int(count))]


def references(item: Item) -> dict[str, str]:
    """Find an item's references by attribute, but for those of its attempts."""
    found = ((name, item[name].get("S", "")) for name in _NAMES if name in item)
    return {name: said for name, said in found if is_reference(said)}


def references_in(said: str) -> set[str]:
    """Find all that looks like a reference; the keys are too random for anything else to."""
    return set(_REFERENCE.findall(said))


def dropped(before: Item, after: Item) -> list[str]:
    """List the sort keys of parts that a row no longer refers to; attempts keep theirs."""
    had = references(before)
    if not had:
        return []
    gone = set(had.values()) - set(references(after).values())
    keys = [key for reference in gone for key in keys_of(reference)]
    return [key for key in keys if not key.startswith("t#")]


def joined(reference: str, found: Mapping[str, Item]) -> bytes | None:
    """Put a part together from items by sort key; None where one is missing."""
    items = [found.get(key) for key in keys_of(reference)]
    if any(item is None for item in items):
        return None
    return b"".join(blob(item["z"]) for item in items if item is not None)


def filled(item: Item, found: Mapping[str, Item]) -> Item | None:
    """Put an item's parts in place of its references; None where one is missing."""
    whole = dict(item)
    for name, reference in references(item).items():
        data = joined(reference, found)
        if data is None:
            return None
        whole[name] = text(_error_text(data)) if name == "x" else {"B": data}
    return whole


def _error_text(data: bytes) -> str:
    """Read an error's own part, or that of an attempt it ended."""
    said: Any = json.loads(data)
    return dumps(said["er"] if data.startswith(b"{") else said)


def size_of(values: Iterable[tuple[str, Value]]) -> int:
    """Estimate what an item measures for the service: names and contents."""
    size = 0
    for name, value in values:
        content = next(iter(value.values()))
        size += len(name) + 3
        size += sum(len(one["S"]) + 1 for one in content) if "L" in value else len(content)
    return size
