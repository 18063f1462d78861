"""Entries of the store as items, and the updates that write them. Pure.

An item keeps its version when its entry is deleted or expires, for a day: what is written in its
place goes on counting. A version starts from the time, so that it is not used again after that
either. `n` is who wrote last: by it a put or a deletion is recognised whose answer was lost; adds
have marks of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from longshore.store import ABSENT, Entry
from longshore_adapters.dynamodb.scalars import LATEST, Item, blob, moment, number, text

if TYPE_CHECKING:
    from datetime import timedelta

    from longshore.store import Add, Put
    from longshore_adapters.dynamodb.marks import Mark

SEPARATORS: Final = "/:"
"""What ends the first part of a key, by which entries are spread over partitions."""
KEPT: Final = 86_400
"""Seconds for which the version of a removed entry is remembered: more than clocks differ."""
_SECOND: Final = 1_000_000
_NEW: Final = "SET v = if_not_exists(v, :v) + :one, n = :n"
_LIVE: Final = "attribute_exists(p) AND attribute_not_exists(x) AND h > :now"


def segment(key: str) -> str:
    """Name the part of a key that says its partition; keys without one share theirs."""
    ends = [place for mark in SEPARATORS if (place := key.find(mark)) >= 0]
    return key[: min(ends) + 1] if ends else ""


def entry_key(key: str) -> Item:
    """Name the item of a key. A sort key may not be empty, hence the mark."""
    return {"p": text(f"S#{segment(key)}"), "s": text(f"={key}")}


def is_live(item: Item, now: int) -> bool:
    """Whether the item holds an entry that has not expired."""
    return "x" not in item and int(item["h"]["N"]) > now


def to_entry(item: Item) -> Entry:
    """Read an entry; a counter reads as its digits."""
    until = int(item["h"]["N"])
    value = item["c"]["N"].encode() if "c" in item else blob(item["b"])
    return Entry(
        key=item["s"]["S"][1:],
        value=value,
        version=int(item["v"]["N"]),
        expires_at=None if until == LATEST else moment(until),
    )


def until_of(ttl: timedelta | None, now: int) -> int:
    """Say when an entry ends; one that lasts ends with the calendar."""
    if ttl is None:
        return LATEST
    return min(now + int(ttl.total_seconds() * _SECOND), LATEST - 1)


def putting(put: Put, now: int, nonce: str) -> dict[str, Any]:
    """Write a value; what fails answers the item that stands."""
    until = until_of(put.ttl, now)
    values = _values(now, nonce) | {":b": {"B": put.value}, ":h": number(until)}
    asked = _asked(put.key, values)
    asked["UpdateExpression"] = f"{_NEW}, b = :b, h = :h{_expiring(until, values)}, c, x"
    if put.if_version == ABSENT:
        asked["ConditionExpression"] = "attribute_not_exists(p) OR attribute_exists(x) OR h <= :now"
    elif put.if_version is not None:
        values[":is"] = number(put.if_version)
        asked["ConditionExpression"] = f"{_LIVE} AND v = :is"
    return _pruned(asked)


def deleting(key: str, if_version: int | None, now: int, nonce: str) -> dict[str, Any]:
    """Leave the version behind, and nothing else."""
    values = _values(now, nonce) | {":x": number(1), ":e": number(now // _SECOND + KEPT)}
    asked = _asked(key, values)
    asked["UpdateExpression"] = "SET n = :n, x = :x, e = :e REMOVE b, c"
    asked["ConditionExpression"] = _LIVE
    if if_version is not None:
        values[":is"] = number(if_version)
        asked["ConditionExpression"] += " AND v = :is"
    return _pruned(asked)


def adding(add: Add, now: int, mark: Mark) -> dict[str, Any]:
    """Add to a counter, or make it where there never was an entry."""
    until = until_of(add.ttl, now)
    values = _values(now, mark.value) | {":c": number(add.amount), ":h": number(until)}
    asked = _asked(add.key, values)
    expiry = ""
    if until != LATEST:
        values[":e"] = number(until // _SECOND + KEPT)
        expiry = ", e = if_not_exists(e, :e)"
    marked = f"{_NEW}, {mark.name} = :n"
    asked["UpdateExpression"] = f"{marked}, h = if_not_exists(h, :h){expiry} ADD c :c"
    unmarked = f"(attribute_not_exists({mark.name}) OR {mark.name} <> :n)"
    asked["ConditionExpression"] = (
        f"attribute_not_exists(p) OR (attribute_exists(c) AND h > :now AND {unmarked})"
    )
    return _pruned(asked)


def restarting(add: Add, standing: Item, now: int, mark: Mark) -> dict[str, Any]:
    """Make a counter in place of an entry that is gone."""
    until = until_of(add.ttl, now)
    values = _values(now, mark.value) | {":c": number(add.amount), ":h": number(until)}
    values[":is"] = standing["v"]
    asked = _asked(add.key, values)
    asked["UpdateExpression"] = (
        f"{_NEW}, {mark.name} = :n, c = :c, h = :h{_expiring(until, values)}, b, x"
    )
    asked["ConditionExpression"] = "v = :is AND (attribute_exists(x) OR h <= :now)"
    return _pruned(asked)


def _expiring(until: int, values: dict[str, Any]) -> str:
    if until == LATEST:
        return " REMOVE e"
    values[":e"] = number(until // _SECOND + KEPT)
    return ", e = :e REMOVE z"


def _values(now: int, nonce: str) -> dict[str, Any]:
    return {":v": number(now), ":one": number(1), ":n": text(nonce), ":now": number(now)}


def _asked(key: str, values: dict[str, Any]) -> dict[str, Any]:
    return {
        "Key": entry_key(key),
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _pruned(asked: dict[str, Any]) -> dict[str, Any]:
    """Leave out values that no expression uses: the service refuses them."""
    words = f"{asked['UpdateExpression']} {asked.get('ConditionExpression', '')} "
    used = set(words.replace(",", " ").replace(")", " ").split())
    values = asked["ExpressionAttributeValues"]
    asked["ExpressionAttributeValues"] = {name: values[name] for name in values if name in used}
    return asked
