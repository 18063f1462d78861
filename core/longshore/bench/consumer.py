"""huey's consumer in a process of its own: `python -m longshore.bench.consumer FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from longshore.bench.neighbour import opened


def main(path: Path) -> None:
    """Consume, as huey does by default, until the pipe from the measurement closes."""
    with opened(path) as neighbour, neighbour.consuming():
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
