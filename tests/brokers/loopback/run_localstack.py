"""Run LocalStack on loopback only; by the Python of its own venv.

GATEWAY_LISTEN takes a host, but LocalStack 4.14.0 hands Twisted the port alone, which then binds
every interface.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

HOST = "127.0.0.1"


def main() -> None:
    """Give Twisted the interface that LocalStack leaves out, and run it in the foreground."""
    endpoints: Any = import_module("twisted.internet.endpoints")
    endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface=HOST)
    import_module("localstack.runtime.main").main()


if __name__ == "__main__":
    main()
