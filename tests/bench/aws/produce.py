"""A producer in a process of its own: `python -m tests.bench.aws.produce MODULE WARM TASKS`.

It sends a few tasks first, so that what begins with the first one is not counted, and writes the
CPU seconds and the seconds that the rest took. What follows behind, such as rows in a log, is done
when it closes, and its CPU is counted.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module


def main(module: str, warm: int, tasks: int) -> None:
    """Be the producer."""
    with import_module(module).producing() as send:
        send(range(warm))
        cpu, began = time.process_time(), time.perf_counter()
        send(range(warm, warm + tasks))
        took = time.perf_counter() - began
    said = {"cpu": time.process_time() - cpu, "took": took}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
