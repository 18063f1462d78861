"""The dead-letter queue. SQS cannot look without taking, so letters are taken and put back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import LongshoreError
from longshore_adapters.sqs.declaring import arn_of
from longshore_adapters.sqs.letters import revived, to_dead_letter
from longshore_adapters.sqs.limits import MAX_ENTRIES, MAX_REDRIVE_RATE, unsupported
from longshore_adapters.sqs.purpose import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.queue import DeadLetter
    from longshore_adapters.sqs.connection import Connection
    from longshore_adapters.sqs.names import Names
    from longshore_adapters.sqs.settling import Requests

MOST_LOOKED_AT: Final = 1000
"""Letters that one call looks through."""
HIDDEN: Final = 60
"""Seconds for which they are hidden, should the caller not live to put them back."""


class Morgue:
    """The dead letters of one queue."""

    def __init__(self, connection: Connection, names: Names, requests: Requests) -> None:
        """Look into the dead-letter queue that `names` has."""
        self._connection = connection
        self._names = names
        self._requests = requests

    async def listed(self, *, limit: int, after: str | None) -> list[DeadLetter]:
        """Sort what can be taken now by when it died; everything goes back."""
        found = await self._taken(None)
        await self._put_back(found)
        letters = [to_dead_letter(message, queue=self._names.name) for message in found]
        letters.sort(key=lambda letter: letter.id)
        return [one for one in letters if after is None or one.id > after][:limit]

    async def redrive(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Send again, then delete; one that was sent and not deleted stays, and is sent twice."""
        found = await self._wanted(ids)
        messages = list(found.values())
        entries = [revived(message, fifo=self._names.fifo) for message in messages]
        sent = await self._requests.send(self._names.bands[-1][1], entries)
        done = [m for m, answer in zip(messages, sent, strict=True) if answer is None]
        deleted = await self._settle("DeleteMessageBatch", done)
        await self._put_back([m for m in messages if m not in done])
        answers = dict(zip(found, sent, strict=True))
        gone = iter(deleted)
        for letter_id, answer in answers.items():
            answers[letter_id] = next(gone) if answer is None else answer
        return [answers[each] if each in answers else self._unknown(each) for each in ids]

    async def discard(self, ids: Sequence[str]) -> list[LongshoreError | None]:
        """Delete; a letter that is not there is gone already."""
        found = await self._wanted(ids)
        deleted = await self._settle("DeleteMessageBatch", list(found.values()))
        answers = dict(zip(found, deleted, strict=True))
        return [answers.get(each) for each in ids]

    async def redrive_all(self, *, rate: int | None) -> str:
        """Start a task of SQS that moves every letter back, as it is."""
        if rate is not None and not 1 <= rate <= MAX_REDRIVE_RATE:
            instead = f"give 1 to {MAX_REDRIVE_RATE} a second (StartMessageMoveTask)"
            option = f"a redrive of {rate} a second"
            raise unsupported(option, instead)
        main = self._names.bands[-1][1]
        dead_arn, arn = await asyncio.gather(
            arn_of(self._connection, self._names.dead), arn_of(self._connection, main)
        )
        given: dict[str, Any] = {"SourceArn": dead_arn, "DestinationArn": arn}
        if rate is not None:
            given["MaxNumberOfMessagesPerSecond"] = rate
        started = await self._connection.call(
            Purpose.SETTLE, "StartMessageMoveTask", self._names.dead, **given
        )
        return f"task {started['TaskHandle']} moves {self._names.dead} to {main}"

    async def _wanted(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Take the letters of these ids; every other one that was met goes back."""
        if not ids:
            return {}
        found = await self._taken({each.partition("-")[2] for each in ids})
        by_id = {to_dead_letter(m, queue=self._names.name).id: m for m in found}
        wanted = {letter_id: by_id.pop(letter_id) for letter_id in ids if letter_id in by_id}
        await self._put_back(list(by_id.values()))
        return wanted

    async def _taken(self, wanted: set[str] | None) -> list[Mapping[str, Any]]:
        """Take letters until all that are wanted were met, or no more come."""
        met: dict[str, Mapping[str, Any]] = {}
        wait = 0 if self._connection.options.short_polls else 1
        while len(met) < MOST_LOOKED_AT and not (wanted is not None and wanted <= met.keys()):
            response = await self._connection.ask(
                Purpose.RECEIVE,
                "ReceiveMessage",
                self._names.dead,
                MaxNumberOfMessages=MAX_ENTRIES,
                WaitTimeSeconds=wait,
                VisibilityTimeout=HIDDEN,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            messages: Sequence[Mapping[str, Any]] = response.get("Messages", ())
            if not messages:
                break
            met |= {message["MessageId"]: message for message in messages}
        return list(met.values())

    async def _put_back(self, messages: Sequence[Mapping[str, Any]]) -> None:
        await self._settle("ChangeMessageVisibilityBatch", messages, VisibilityTimeout=0)

    async def _settle(
        self, operation: str, messages: Sequence[Mapping[str, Any]], **given: int
    ) -> list[LongshoreError | None]:
        dead = self._names.dead
        fields = [(dead, {"ReceiptHandle": one["ReceiptHandle"], **given}) for one in messages]
        return await self._requests.settle(operation, fields)

    def _unknown(self, letter_id: str) -> LongshoreError:
        return LongshoreError(
            f"no dead letter {letter_id} can be taken from {self._names.dead!r}; list them again"
        )
