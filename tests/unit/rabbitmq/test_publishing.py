from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from longshore.errors import ConfigurationError
from longshore_adapters.rabbitmq.options import parse_url
from longshore_adapters.rabbitmq.publishing import Publisher
from longshore_adapters.rabbitmq.pump import Up
from longshore_adapters.rabbitmq.wire import Copy

if TYPE_CHECKING:
    from types import TracebackType


def depth(trace: TracebackType | None) -> int:
    return 0 if trace is None else 1 + depth(trace.tb_next)


async def test_a_server_that_is_too_old_is_said_to_each_sender_and_keeps_nothing_of_any() -> None:
    publisher = Publisher(parse_url("rabbitmq://broker"), asyncio.get_running_loop())
    publisher._take([Up(1, "3.8.0")])  # noqa: SLF001 - what its connection would say

    depths: list[int] = []
    for _ in range(3):
        with pytest.raises(ConfigurationError, match="too old") as raised:
            await publisher.publish([("", "q")], [Copy("m", b"", b"")])
        depths.append(depth(raised.value.__traceback__))

    assert depths[0] == depths[-1]
    await publisher.close()
