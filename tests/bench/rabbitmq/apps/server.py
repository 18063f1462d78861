"""The server, and how many messages a worker takes from it at once."""

from __future__ import annotations

import os
from typing import Final

URL: Final = f"guest:guest@127.0.0.1:{os.environ.get('BENCH_PORT', '0')}"
PREFETCH: Final = 200
