"""The application that the producers beside it feed."""  # noqa: INP001  in no package

from __future__ import annotations

from longshore import Longshore

app = Longshore()


@app.on("order.placed", source="shop")  # events of EventBridge
@app.task(name="order.ship")
async def ship(order: int, *, express: bool = False) -> str:
    """Ship an order."""
    return f"order {order} goes by {'air' if express else 'sea'}"


@app.on("ObjectCreated:*", source="aws:s3")
async def store(records: list[dict[str, object]]) -> int:
    """Take in what was put into the bucket."""
    return len(records)
