"""One write of one item, as PartiQL statement and as a call of its own. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from longshore.errors import LongshoreError
    from longshore_adapters.dynamodb.scalars import Item, Value


class Kind(Enum):
    """What a write does."""

    INSERT = "PutItem"
    UPDATE = "UpdateItem"
    DELETE = "DeleteItem"


@dataclass(slots=True)
class Write:
    """A write under a condition: an insert wants no item, the others equal values of `where`.

    `sets` is the whole item of an insert.
    """

    kind: Kind
    key: Item
    sets: Item = field(default_factory=dict["str", "Value"])
    removes: tuple[str, ...] = ()
    where: Item = field(default_factory=dict["str", "Value"])


@dataclass(frozen=True, slots=True)
class Lost:
    """A write whose condition did not hold, and the item that stands; None: none, or not told."""

    item: Item | None = None
    told: bool = True


Wrote: TypeAlias = "Lost | LongshoreError | None"
"""What became of a write: done (None), lost, or impossible for this item alone."""


def inserting(item: Item) -> Write:
    """Write an item where there is none."""
    return Write(Kind.INSERT, {"p": item["p"], "s": item["s"]}, item)


def updating(before: Item, after: Item, where: Item) -> Write:
    """Write what differs."""
    return Write(
        Kind.UPDATE,
        {"p": after["p"], "s": after["s"]},
        {
            name: value
            for name, value in after.items()
            if before.get(name) != value and name not in "ps"
        },
        tuple(name for name in before if name not in after and name not in "ps"),
        where,
    )


def statement(table: str, write: Write) -> dict[str, Any]:
    """Write it for BatchExecuteStatement."""
    if write.kind is Kind.INSERT:
        fields = ",".join(f"'{name}':?" for name in write.sets)
        return {
            "Statement": f'INSERT INTO "{table}" VALUE {{{fields}}}',
            "Parameters": list(write.sets.values()),
        }
    wanted = {**write.key, **write.where}
    where = " AND ".join(f'"{name}"=?' for name in wanted)
    if write.kind is Kind.DELETE:
        # Only names of our own are put into the text; values go as parameters.
        text = f'DELETE FROM "{table}" WHERE {where}'  # noqa: S608 - see above
        values = list(wanted.values())
    else:
        sets = "".join(f' SET "{name}"=?' for name in write.sets)
        removes = "".join(f' REMOVE "{name}"' for name in write.removes)
        text = f'UPDATE "{table}"{sets}{removes} WHERE {where}'
        values = [*write.sets.values(), *wanted.values()]
    return {
        "Statement": text,
        "Parameters": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def request(table: str, write: Write) -> dict[str, Any]:
    """Write it for the operation that its kind names."""
    asked: dict[str, Any] = {
        "TableName": table,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if write.kind is Kind.INSERT:
        return {**asked, "Item": write.sets, "ConditionExpression": "attribute_not_exists(p)"}
    values = {f":w{name}": value for name, value in write.where.items()}
    asked["Key"] = write.key
    asked["ConditionExpression"] = " AND ".join(f"#{name}=:w{name}" for name in write.where)
    named = set(write.where)
    if write.kind is Kind.UPDATE:
        named |= set(write.sets) | set(write.removes)
        values |= {f":{name}": value for name, value in write.sets.items()}
        text = "SET " + ", ".join(f"#{name}=:{name}" for name in write.sets)
        if write.removes:
            text += " REMOVE " + ", ".join(f"#{name}" for name in write.removes)
        asked["UpdateExpression"] = text
    asked["ExpressionAttributeNames"] = {f"#{name}": name for name in named}
    asked["ExpressionAttributeValues"] = values
    return asked
