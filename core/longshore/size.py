"""How much: the accepted ways to write a size in bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

Size: TypeAlias = int | str
"""Anything `parse_size` reads; a number is bytes."""

_TEXT: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_UNITS: Final[Mapping[str, int]] = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def parse_size(value: Size) -> int:
    """Read bytes from a number or from text such as 512MB, 1.5 GiB or 64k.

    A kilobyte is 1,024 bytes, however it is written. `ConfigurationError` for anything else, and
    for nothing at all.
    """
    found = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is not None:
        size = int(float(found[1]) * _UNITS[found[2].lower()])
    else:
        size = value if isinstance(value, int) and not isinstance(value, bool) else 0
    if size < 1:
        message = f"{value!r} is not a size; give bytes, or text such as '512MB' or '1.5 GiB'"
        raise ConfigurationError(message)
    return size
