"""Values for which JSON has no word, as kombu writes them: `{"__type__": …, "__value__": …}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from longshore.message import JsonValue

_TAGS: Final = frozenset({"__type__", "__value__"})


def untagged(value: object) -> JsonValue:
    """Write tagged values as the text inside: an ISO date, a UUID's digits, a decimal's.

    The task's annotation makes of it what it was. As deep as the value, which `parse` limits.
    """
    if isinstance(value, list):
        return [untagged(one) for one in cast("list[object]", value)]
    if not isinstance(value, dict):
        return cast("JsonValue", value)
    table = cast("dict[str, object]", value)
    if table.keys() == _TAGS:
        inner = table["__value__"]
        digits = _hex(inner)
        return untagged(inner) if digits is None else digits
    return {name: untagged(one) for name, one in table.items()}


def _hex(value: object) -> str | None:
    digits = cast("dict[str, object]", value).get("hex") if isinstance(value, dict) else None
    return digits if isinstance(digits, str) else None
