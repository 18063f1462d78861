"""An open client: one loop's connections to the service, what they cost, and how clocks differ."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, cast

from longshore.errors import ClosedError
from longshore.protocol import MARGIN
from longshore_adapters.dynamodb.errors import translate
from longshore_adapters.dynamodb.transport import open_transport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from datetime import datetime

    from longshore.clock import Clock
    from longshore_adapters.dynamodb.options import Options
    from longshore_adapters.dynamodb.transport import Transport

_RESOLUTION: Final = timedelta(seconds=1)
"""A `Date` header tells whole seconds."""
_METERED: Final = frozenset(
    {
        "BatchExecuteStatement",
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "PutItem",
        "Query",
        "Scan",
        "UpdateItem",
    }
)
"""Operations that tell how many units they consumed."""


class Connection:
    """Calls of one backend. `calls` counts requests by operation, repeated ones included."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Prepare; nothing is dialled yet."""
        self.options = options
        self.clock = clock
        self.calls: Counter[str] = Counter()
        self.skewed = False
        self._transport: Transport | None = None
        self._date = ""

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Connection]:
        """Make the connections; at the end, close them."""
        async with AsyncExitStack() as stack:
            with translate("configuration", self.options.table):
                opening = open_transport(self.options)
                self._transport = await stack.enter_async_context(opening)
            try:
                yield self
            finally:
                self._transport = None

    def check_open(self) -> Transport:
        """Give the connections; `ClosedError` after closing."""
        if self._transport is None:
            what = f"the DynamoDB table {self.options.table}"
            raise ClosedError(what)
        return self._transport

    async def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Make a call for the table; errors are Longshore's."""
        transport = self.check_open()
        if self.options.capacity and operation in _METERED:
            request = {**request, "ReturnConsumedCapacity": "INDEXES"}
        with translate(operation, self.options.table):
            try:
                answer, date, requests = await transport.call(operation, request)
            except Exception:
                self.calls[operation] += 1
                self.check_open()
                raise
        self.calls[operation] += requests
        if date != self._date:
            self._date = date
            self.skewed = self.options.skew == "check" and _differ(date, self.clock.now())
        if self.options.capacity:
            self.calls[f"{operation}.units"] += _units(answer.get("ConsumedCapacity"))
        return answer


def _units(used: Any) -> int:  # noqa: ANN401 - one figure, several, or none
    """Add up what a call consumed; it tells for each table, or for its only one."""
    if used is None:
        return 0
    each = cast("list[dict[str, int]]", used if isinstance(used, list) else [used])
    return sum(one.get("CapacityUnits", 0) for one in each)


def _differ(date: str, now: datetime) -> bool:
    """Whether the service's clock is further from this one than the margin covers."""
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return False
    return not told - MARGIN <= now <= told + MARGIN + _RESOLUTION
