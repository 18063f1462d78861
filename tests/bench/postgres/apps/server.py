"""The database, as every contender but Longshore is told of it."""

from __future__ import annotations

import os
from typing import Final

URL: Final = os.environ.get("BENCH_URL", "")
"""A connection by it sees the tables of one measurement and no others."""
AT_ONCE: Final = 1000
"""Tasks that are sent in one call: as many as Longshore sends."""
