from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from longshore.errors import UnavailableError
from longshore_adapters.rabbitmq import frames
from longshore_adapters.rabbitmq.frames import Incoming
from longshore_adapters.rabbitmq.morgue import Look
from longshore_adapters.rabbitmq.names import names_of
from longshore_adapters.rabbitmq.options import parse_url
from longshore_adapters.rabbitmq.sieve import Page

if TYPE_CHECKING:
    from longshore_adapters.rabbitmq.connection import Connection


class Broker:
    """The broker's side of a look: what it was told."""

    def __init__(self) -> None:
        self.is_up = True
        self.told: list[Incoming] = []
        self._channels = 0
        self._reader = frames.Reader()

    def attend(self, user: object) -> None:
        """Nothing is to be made."""

    def open(self, user: object) -> tuple[int, str]:
        self._channels += 1
        return self._channels, ""

    def write(self, data: bytes) -> None:
        self._reader.feed(data, self.told)

    def count(self, method: int) -> int:
        return sum(each.method == method for each in self.told)


def letter(tag: int) -> Incoming:
    given = b"\x01t" + tag.to_bytes(8) + b"\x00\x00\x01q"
    return Incoming(1, frames.DELIVER, given, b"\x00\x00", b"%d" % tag)


async def test_letters_of_a_lost_channel_are_not_mixed_up_with_those_of_the_next() -> None:
    broker = Broker()
    connection = cast("Connection", SimpleNamespace(consumers=broker))
    everything = Page(limit=2, after=None)
    look = Look(connection, names_of("q", parse_url("rabbitmq://broker")), everything)
    taking = asyncio.create_task(look.take(2))
    await asyncio.sleep(0)
    look.came([letter(1), letter(2)])
    await taking

    look.lost()
    look.up()
    look.came([letter(1), letter(2)])

    with pytest.raises(UnavailableError):
        look.ack([2])
    assert broker.count(frames.ACK) == 0
    assert broker.count(frames.CONSUME) == 1
