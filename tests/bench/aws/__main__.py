"""The command: `python -m tests.bench.aws [ROW …] [--runs N] [--tasks N] [--quick]`."""

from __future__ import annotations

import sys
from typing import Final

from tests.bench.aws.place import here
from tests.bench.aws.rows import ROWS
from tests.bench.command import Table

TABLE: Final = Table(
    name="tests.bench.aws",
    title="Speed and cost on AWS, measured on emulators.",
    rows=ROWS,
    place=here,
)

if __name__ == "__main__":
    sys.exit(TABLE.main(sys.argv[1:]))
