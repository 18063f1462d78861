"""What clients are for, and how each behaves."""

from __future__ import annotations

from enum import Enum
from typing import Any

from longshore_adapters.sqs.limits import MAX_WAIT


class Purpose(Enum):
    """What a client is for: read timeout in seconds, tries, connections.

    A long poll holds a connection for its whole wait, and is not repeated by the SDK: what the
    first try took would be hidden while the second waits. What settles gives up soon: a server
    that hangs must not keep the leases that other stores hold from being renewed.
    """

    RECEIVE = (MAX_WAIT + 8, 1, 100)
    SEND = (15, 3, 32)
    SETTLE = (6, 2, 32)


def settings_for(purpose: Purpose) -> dict[str, Any]:
    """How a client behaves. Parameters are checked by `limits`, at a tenth of botocore's cost."""
    timeout, tries, pool = purpose.value
    return {
        "connect_timeout": 5,
        "read_timeout": timeout,
        "retries": {"mode": "standard", "total_max_attempts": tries},
        "max_pool_connections": pool,
        "parameter_validation": False,
        "tcp_keepalive": True,
        "user_agent": "longshore",  # put together anew for each request, botocore's takes a tenth
    }
