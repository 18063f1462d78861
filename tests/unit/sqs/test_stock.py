"""What came when nobody waited is given back, whatever came with it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from longshore.queue import Delivery
from longshore_adapters.sqs.stock import KEPT, Come, Stock

if TYPE_CHECKING:
    from collections.abc import Sequence


def delivery(receipt: str) -> Delivery:
    until = datetime(2026, 1, 1, tzinfo=UTC)
    return Delivery(queue="default", receipt=receipt, body=b"{}", receives=1, lease_until=until)


async def test_what_came_later_goes_back_as_well() -> None:
    loop = asyncio.get_running_loop()
    back: list[str] = []
    went = asyncio.Event()

    async def release(deliveries: Sequence[Delivery]) -> None:
        back.extend(each.receipt for each in deliveries)
        if len(back) == 2:
            went.set()

    stock = Stock(loop, release)
    now = loop.time()
    stock.put([Come(delivery("old"), 0, 30, now - KEPT), Come(delivery("new"), 0, 30, now)])
    async with asyncio.timeout(5):
        await went.wait()

    assert back == ["old", "new"]
    assert stock.take(30) == []
