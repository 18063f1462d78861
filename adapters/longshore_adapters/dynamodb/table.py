"""The table's items: read and written many at a time, each write under its own condition."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from longshore.errors import LongshoreError, TooLargeError
from longshore_adapters.dynamodb.errors import AWAY, THROTTLED, code_of, refusal, refused
from longshore_adapters.dynamodb.limits import AT_ONCE, BATCH_BYTES, KEYS, SOURCE, STATEMENTS
from longshore_adapters.dynamodb.patience import Patience
from longshore_adapters.dynamodb.statements import Lost, Write, Wrote, request, statement

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from longshore_adapters.dynamodb.connection import Connection
    from longshore_adapters.dynamodb.scalars import Item

_TOO_LARGE: Final = 409_600
_LATER: Final = THROTTLED | AWAY
_CONDITION: Final = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException"})


class Table:
    """The items of an open table. Waiting between repeated calls is real, whatever the clock."""

    def __init__(self, connection: Connection) -> None:
        """Serve one connection."""
        self._connection = connection
        self.name = connection.options.table
        self._batches = {"on": True, "off": False}.get(connection.options.batch)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def write(self, writes: Sequence[Write]) -> list[Wrote]:
        """Do writes of different items; an answer each, in order."""
        if self._batches is False or len(writes) == 1:
            return await asyncio.gather(*map(self._single, writes))
        portions = [writes[at : at + STATEMENTS] for at in range(0, len(writes), STATEMENTS)]
        done = await asyncio.gather(*map(self._portion, portions))
        return [answer for portion in done for answer in portion]

    async def _portion(self, writes: Sequence[Write]) -> list[Wrote]:
        """Do up to 25 writes in a call; again and again those that the service puts off."""
        answers: list[Wrote] = [None] * len(writes)
        left = list(range(len(writes)))
        patience = Patience("BatchExecuteStatement", self.name)
        while True:
            try:
                told = await self._statements([writes[place] for place in left])
            except _NoBatchesError:
                return await asyncio.gather(*map(self._single, writes))
            again: list[int] = []
            for place, response in zip(left, told, strict=True):
                failed = response.get("Error")
                if failed is not None and failed.get("Code") in _LATER:
                    again.append(place)
                else:
                    answers[place] = self._answer(failed, writes[place])
            if not again:
                return answers
            left = again
            await patience.wait()

    async def _statements(self, writes: Sequence[Write]) -> list[dict[str, Any]]:
        asked = {"Statements": [statement(self.name, write) for write in writes]}
        try:
            answer = await self._connection.call("BatchExecuteStatement", asked)
        except LongshoreError as error:
            if self._batches is None and (code_of(error) in AWAY or code_of(error).startswith("5")):
                self._batches = False
                raise _NoBatchesError from error
            raise
        self._batches = True
        return cast("list[dict[str, Any]]", answer["Responses"])

    def _answer(self, failed: Mapping[str, Any] | None, write: Write) -> Wrote:
        if failed is None:
            return None
        code, said = str(failed.get("Code")), str(failed.get("Message"))
        if code in _CONDITION:
            return Lost(failed.get("Item"))
        if code == "DuplicateItem":
            return Lost(told=False)
        if "size" in said:
            return TooLargeError("the row", _size(write), _TOO_LARGE, SOURCE)
        raise refused(code, said, write.kind.value, self.name)

    async def _single(self, write: Write) -> Wrote:
        async with self._turns:
            try:
                await self._connection.call(write.kind.value, request(self.name, write))
            except LongshoreError as error:
                failed = refusal(error)
                if failed is None:
                    raise
                if failed.code in _CONDITION:
                    return Lost(failed.item)
                if failed.code == "ValidationException" and "size" in failed.text:
                    return TooLargeError("the row", _size(write), _TOO_LARGE, SOURCE)
                raise
        return None

    async def read(self, keys: Sequence[Item]) -> list[Item]:
        """Read items as they stand now, by their keys, in any order."""
        portions = [keys[at : at + KEYS] for at in range(0, len(keys), KEYS)]
        found = await asyncio.gather(*map(self._read_portion, portions))
        return [item for portion in found for item in portion]

    async def _read_portion(self, keys: Sequence[Item]) -> list[Item]:
        found: list[Item] = []
        left: dict[str, Any] = {self.name: {"Keys": list(keys), "ConsistentRead": True}}
        patience = Patience("BatchGetItem", self.name)
        while True:
            answer = await self._connection.call("BatchGetItem", {"RequestItems": left})
            found += answer["Responses"].get(self.name, [])
            left = answer.get("UnprocessedKeys") or {}
            if not left:
                return found
            await patience.wait()

    async def put(self, items: Iterable[Item]) -> None:
        """Write items whatever was there."""
        await self._batch([{"PutRequest": {"Item": item}} for item in items])

    async def remove(self, keys: Iterable[Item]) -> None:
        """Remove items, whether they are there or not."""
        await self._batch([{"DeleteRequest": {"Key": key}} for key in keys])

    async def _batch(self, requests: Sequence[dict[str, Any]]) -> None:
        await asyncio.gather(*map(self._batch_portion, _portions(requests)))

    async def _batch_portion(self, requests: Sequence[dict[str, Any]]) -> None:
        left: dict[str, Any] = {self.name: list(requests)}
        patience = Patience("BatchWriteItem", self.name)
        while True:
            answer = await self._connection.call("BatchWriteItem", {"RequestItems": left})
            left = answer.get("UnprocessedItems") or {}
            if not left:
                return
            await patience.wait()

    async def upsert(self, asked: Mapping[str, Any]) -> Item | Lost:
        """Make an UpdateItem of the caller's own; answer the item as it is, or what stands."""
        async with self._turns:
            try:
                answer = await self._connection.call(
                    "UpdateItem", {"TableName": self.name, **asked}
                )
            except LongshoreError as error:
                failed = refusal(error)
                if failed is None or failed.code not in _CONDITION:
                    raise
                return Lost(failed.item)
        item: Item = answer["Attributes"]
        return item

    async def pages(
        self, operation: str, asked: Mapping[str, Any]
    ) -> AsyncGenerator[tuple[list[Item], Item | None]]:
        """Follow a Query or a Scan, page by page, with the key each page ended at."""
        start: Item | None = None
        while True:
            rest = {} if start is None else {"ExclusiveStartKey": start}
            answer = await self._connection.call(
                operation, {"TableName": self.name, **asked, **rest}
            )
            start = answer.get("LastEvaluatedKey")
            yield answer["Items"], start
            if start is None:
                return


class _NoBatchesError(Exception):
    """The server does not know the batch call."""


def _size(write: Write) -> int:
    return sum(len(str(next(iter(value.values())))) for value in write.sets.values())


def _portions(requests: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Cut requests into calls, by number and by bytes."""
    portions: list[list[dict[str, Any]]] = []
    size = 0
    for one in requests:
        item = next(iter(one.values())).get("Item", {})
        weight = len(item["z"]["B"]) if "z" in item else UNKNOWN
        if not portions or len(portions[-1]) == STATEMENTS or size + weight > BATCH_BYTES:
            portions.append([])
            size = 0
        portions[-1].append(one)
        size += weight
    return portions


UNKNOWN: Final = 1024
