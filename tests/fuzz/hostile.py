"""Values to be put where others are expected."""

from __future__ import annotations

from typing import Any

HOSTILE: list[Any] = [
    None,
    True,
    -1,
    10**400,
    1e308,
    "",
    "\0",
    "\ud800",
    "x" * 300,
    [],
    {},
    [[[[]]]],
    {"": {}},
    {"s3": 5},
    {"args": [], "kwargs": {}},
    "null",
    "[",
    "{}",
    "2026-11-22T10:00:00",
]
