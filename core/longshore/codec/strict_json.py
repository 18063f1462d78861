"""JSON as it crosses the wire: what is written can be read, and what is read can be written."""

from __future__ import annotations

from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

# Bodies with fewer bytes and brackets than these hold nothing that the reader's limits of 200
# levels and 4300 digits could refuse.
_SURELY_READABLE: Final = 4096
_SURELY_SHALLOW: Final = 100

# A double ends near 1.8e308: no number with an exponent of two digits and a mantissa of fewer
# than these comes near it.
_SHAPE: Final = bytes.maketrans(b"123456789E", b"000000000e")
_LARGE_EXPONENT: Final = b"0e000"
_LONG_MANTISSA: Final = b"0" * 200


def write_json(value: object) -> bytes:
    """Write JSON in UTF-8, with what pydantic knows how to write (dates, UUIDs, models).

    Raises ValueError for what JSON cannot say (NaN, a lone surrogate, an object of an unknown
    class) and for what `read_json` refuses.
    """
    to_json, from_json = _json()
    body = to_json(value, inf_nan_mode="constants")
    if _is_suspect(body):
        from_json(body, allow_inf_nan=False, cache_strings="none")
    return body


def read_json(body: bytes) -> object:
    """Read JSON in UTF-8, strictly; ValueError for anything else.

    Refused are NaN and Infinity, lone surrogates, a byte order mark, nesting above 200 levels,
    whole numbers above 4300 digits and others above the range of a double. Of a name that
    stands twice in an object, the last counts. Linear in the size of the body.
    """
    _, from_json = _json()
    # pydantic would keep the last 16,384 short strings for ever. Names come again; values, ids of
    # tasks above all, do not, and cost each worker process 1.3 MB.
    value = from_json(body, allow_inf_nan=False, cache_strings="keys")
    if _may_overflow(body) and not _is_finite(value):
        message = "a number is beyond the range of a double"
        raise ValueError(message)
    return value


@cache
def _json() -> tuple[Callable[..., bytes], Callable[..., object]]:
    from pydantic_core import from_json, to_json  # noqa: PLC0415 - kept off the import path

    return to_json, from_json


def _is_suspect(body: bytes) -> bool:
    """Whether it takes a second look to know that the body can be read."""
    return (
        len(body) > _SURELY_READABLE
        or b"NaN" in body
        or b"Infinity" in body
        or body.count(b"[") + body.count(b"{") > _SURELY_SHALLOW
    )


def _may_overflow(body: bytes) -> bool:
    """Whether a number may be too large for a double: the parser reads 1e999 as infinity."""
    shape = body.translate(_SHAPE, b"+")
    return _LARGE_EXPONENT in shape or (
        len(shape) > len(_LONG_MANTISSA) and _LONG_MANTISSA in shape
    )


def _is_finite(data: object) -> bool:
    rest = [data]
    while rest:
        value = rest.pop()
        if isinstance(value, float) and not isfinite(value):
            return False
        if isinstance(value, dict):
            rest.extend(cast("dict[str, object]", value).values())
        elif isinstance(value, list):
            rest.extend(cast("list[object]", value))
    return True
