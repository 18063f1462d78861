"""Which release of Longshore this is."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def release() -> str:
    """Its number, or "" for a checkout that was never installed.

    Kept, because to read it takes milliseconds: a worker process finds it read before the fork.
    """
    try:
        return version("longshore")
    except PackageNotFoundError:
        return ""
