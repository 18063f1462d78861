"""The command: `python -m tests.bench.postgres [ROW …] [--runs N] [--tasks N] [--quick]`."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Final

from tests.bench.command import Table
from tests.bench.postgres.place import Place
from tests.bench.postgres.rows import ROWS

TABLE: Final = Table(
    name="tests.bench.postgres",
    title="Speed on PostgreSQL, beside bare psycopg and other libraries.",
    rows=ROWS,
    place=lambda folder: nullcontext(Place(folder=folder)),
)

if __name__ == "__main__":
    sys.exit(TABLE.main(sys.argv[1:]))
