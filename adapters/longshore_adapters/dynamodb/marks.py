"""How an add is known that was carried out, and whose answer was lost. Pure, but for the numbers.

Others may add before it is repeated, so who wrote last does not tell. Each add that is on its way
has an attribute of its own in the counter's item, which holds its mark: the time, and what nobody
else has. What stopped adding leaves its last mark behind, until somebody removes it.
"""

from __future__ import annotations

from contextlib import contextmanager
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from longshore_adapters.dynamodb.entries import entry_key
from longshore_adapters.dynamodb.scalars import text

if TYPE_CHECKING:
    from collections.abc import Generator

    from longshore_adapters.dynamodb.scalars import Item

REPEATED: Final = 600_000_000
"""Microseconds for which an add may be repeated at most, clocks that differ included."""
TOLERATED: Final = 10
"""Marks of old that are worth no write to remove them."""
_BEGINS: Final = "w_"


class Mark(NamedTuple):
    """The name of an add's attribute, and what it holds."""

    name: str
    value: str


class Marks:
    """Gives an attribute to each add of one process that is on its way."""

    def __init__(self) -> None:
        """Take a name that no other process has."""
        self._writer = uuid4().hex[:12]
        self._free: list[int] = []
        self._made = 0

    @contextmanager
    def one(self, now: int) -> Generator[Mark]:
        """Lend an attribute until the add was answered."""
        if not self._free:
            heappush(self._free, self._made)
            self._made += 1
        number = heappop(self._free)
        try:
            yield Mark(f"{_BEGINS}{self._writer}_{number}", f"{now:020d} {uuid4().hex}")
        finally:
            heappush(self._free, number)


def sweeping(key: str, item: Item, now: int) -> dict[str, Any] | None:
    """Remove the marks that no repetition can ask for, once there are many of them."""
    old = [
        name
        for name, value in item.items()
        if name.startswith(_BEGINS) and int(value["S"].split()[0]) < now - REPEATED
    ]
    if len(old) <= TOLERATED:
        return None
    return {
        "Key": entry_key(key),
        "UpdateExpression": f"REMOVE {', '.join(old)}",
        "ConditionExpression": "n = :n",  # nobody has written meanwhile
        "ExpressionAttributeValues": {":n": text(item["n"]["S"])},
        "ReturnValues": "ALL_NEW",
    }
