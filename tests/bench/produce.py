"""A producer in a process of its own: `python -m tests.bench.produce MODULE WARM FIRST END`.

It sends the tasks numbered from FIRST until before END: a few first, WARM, so that what begins with
the first one is not counted, and writes the CPU seconds and the seconds that the rest took. What
follows behind, such as rows in a log, is done when it closes, and its CPU is counted.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module


def main(module: str, warm: int, first: int, end: int) -> None:
    """Be the producer."""
    with import_module(module).producing() as send:
        send(range(first, first + warm))
        cpu, began = time.process_time(), time.perf_counter()
        send(range(first + warm, end))
        took = time.perf_counter() - began
    said = {"cpu": time.process_time() - cpu, "took": took}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
