"""Channels that both sides close at once, on a real broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from longshore_adapters.rabbitmq import frames
from longshore_adapters.rabbitmq.consuming import Consumers
from longshore_adapters.rabbitmq.options import parse_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.errors import LongshoreError
    from longshore_adapters.rabbitmq.frames import Incoming


class Listener:
    """A user of channels that notes what it hears."""

    queue = "q"
    held = 0

    def __init__(self) -> None:
        self.heard: asyncio.Queue[object] = asyncio.Queue()

    def up(self) -> None:
        self.heard.put_nowait("up")

    def came(self, events: Sequence[Incoming]) -> None:
        for event in events:
            self.heard.put_nowait(event.method)

    def lost(self) -> None:
        self.heard.put_nowait("lost")

    def fail(self, error: LongshoreError) -> None:
        self.heard.put_nowait(error)

    def close(self) -> None:
        """Nothing is in hand."""


async def test_a_channel_that_both_sides_close_at_once_leaves_its_number_free(
    rabbitmq_url: str,
) -> None:
    consumers = Consumers(parse_url(rabbitmq_url), asyncio.get_running_loop())
    user = Listener()
    async with asyncio.timeout(30):
        consumers.attend(user)
        assert await user.heard.get() == "up"
        witness, _ = consumers.open(user)
        assert await user.heard.get() == frames.CHANNEL_OPEN_OK

        closed, _ = consumers.open(Listener())
        consumers.write(frames.ack(closed, 99, multiple=False))
        consumers.end(closed)
        again = Listener()
        while (channel := consumers.open(again)[0]) != closed:
            assert await again.heard.get() == frames.CHANNEL_OPEN_OK
            consumers.end(channel)

        assert await again.heard.get() == frames.CHANNEL_OPEN_OK
        assert user.heard.empty()
        assert witness != closed
    await consumers.close()
