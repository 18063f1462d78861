"""The table's definition. Pure; `setup.py` makes it so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPIRES: Final = "e"
"""The attribute that the service removes items by; only the store's entries have it."""

KEYS: Final = [
    {"AttributeName": "p", "KeyType": "HASH"},
    {"AttributeName": "s", "KeyType": "RANGE"},
]
LIST: Final = "list"
WAKE: Final = "wake"
INDEXES: Final[Mapping[str, tuple[str, str]]] = {LIST: ("g", "o"), WAKE: ("y", "w")}
"""Indexes by name: keys only, so that a write that leaves these attributes alone costs nothing."""


def index(name: str) -> dict[str, Any]:
    """Describe an index."""
    hashed, ordered = INDEXES[name]
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": hashed, "KeyType": "HASH"},
            {"AttributeName": ordered, "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }


def attributes(*names: str) -> list[dict[str, str]]:
    """Describe key attributes; all are text."""
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def table(name: str) -> dict[str, Any]:
    """Describe the whole table, paid by request."""
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": KEYS,
        "AttributeDefinitions": attributes("p", "s", *sorted("goyw")),
        "GlobalSecondaryIndexes": [index(each) for each in INDEXES],
    }
