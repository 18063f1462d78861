"""What the tests of both ports share: a clerk for the log and hands for the queue."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import pytest

from longshore.conformance.contract import (
    Contract,
    Opened,
    Time,
)
from longshore.conformance.queue.hands import Hands
from longshore.conformance.task_log.clerk import Clerk
from longshore.task import TaskError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from longshore.together import SyncTogether, Together

ConnectSync: TypeAlias = "Callable[[], AbstractContextManager[SyncTogether]]"
"""Opens a synchronous connection to the server under test."""

QUEUE = "conformance"
CALLERS = 8
MANY = 20
ERROR = TaskError(type="ValueError", message="no order 42")


class TogetherSetting(Contract):
    """The fixtures: both ports of one backend.

    An adapter that can be used without an event loop gives `connect_sync` as well.
    """

    @pytest.fixture
    def connect_sync(self) -> ConnectSync | None:
        """Open the server for callers without a loop; None where that cannot be."""
        return None

    @pytest.fixture
    def together(self, backend: Opened) -> Together:
        """The port under test."""
        assert backend.together is not None
        return backend.together

    @pytest.fixture
    def clerk(self, backend: Opened, time: Time) -> Clerk:
        """Write to the log."""
        assert backend.task_log is not None
        return Clerk(backend.task_log, time, count())

    @pytest.fixture
    async def hands(self, backend: Opened, time: Time) -> Hands:
        """Send to the queue and take from it."""
        assert backend.queue is not None
        queue = backend.queue(QUEUE)
        await queue.declare()
        return Hands(queue, time)
