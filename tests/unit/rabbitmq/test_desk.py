from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from longshore.errors import UnavailableError
from longshore_adapters.rabbitmq import desk as desk_module
from longshore_adapters.rabbitmq import link
from longshore_adapters.rabbitmq.desk import Desk
from longshore_adapters.rabbitmq.options import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def silent() -> Iterator[int]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_a_desk_can_be_closed_while_a_question_waits_for_a_server_that_hangs(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "ANSWER", 0.1)
    monkeypatch.setattr(link, "CONNECT", 2.0)
    desk = Desk(parse_url(f"rabbitmq://127.0.0.1:{silent}"))
    asking = asyncio.ensure_future(desk.ask(lambda _: None, "q"))
    await asyncio.sleep(0)

    await desk.close()
    await desk.close()

    with pytest.raises(UnavailableError):
        await asking
