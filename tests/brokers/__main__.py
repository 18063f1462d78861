"""Run the command line of this package."""

from __future__ import annotations

import sys

from tests.brokers.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
