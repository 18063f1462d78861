"""The way in for code without an event loop: boto3, in the caller's thread."""

from __future__ import annotations

import os
import threading
from random import random
from time import sleep
from typing import TYPE_CHECKING

from longshore.errors import ClosedError, ConfigurationError, LongshoreError
from longshore_adapters.sqs.batching import FIRST_PAUSE, TRIES, Batch, all_unavailable, packed
from longshore_adapters.sqs.capabilities import capabilities_of
from longshore_adapters.sqs.errors import QueueMissingError, rejected, translated, unreached
from longshore_adapters.sqs.names import names_of
from longshore_adapters.sqs.purpose import Purpose, settings_for
from longshore_adapters.sqs.session import sync_client_of
from longshore_adapters.sqs.signed import Signed
from longshore_adapters.sqs.wire import to_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from types_boto3_sqs import SQSClient

    from longshore.queue import Outgoing, QueueCapabilities
    from longshore_adapters.sqs.names import Names
    from longshore_adapters.sqs.options import Options
    from longshore_adapters.sqs.wire import Entry


class SqsSender:
    """Sends from any thread. A forked child makes a client of its own when it first sends."""

    def __init__(self, options: Options) -> None:
        """Prepare; the client is made when it is first needed."""
        self._options = options
        self._open = True
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._client: SQSClient | None = None
        self._signed: Signed | None = None
        self._urls: dict[str, str] = {}
        self._named: dict[str, Names] = {}
        self._capabilities: dict[str, QueueCapabilities] = {}

    def check(self) -> None:
        """Make the client; `ConfigurationError` without the SDK, a region or the profile."""
        self._opened()

    def send(self, queue: str, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        """Send messages in requests of ten, one after the other."""
        if not self._open:
            what = "the SQS sender"
            raise ClosedError(what)
        if self._pid != os.getpid():
            self._forget()
        names = self._names(queue)
        answers: list[LongshoreError | None] = [None] * len(messages)
        by_queue: dict[str, list[tuple[int, Entry]]] = {}
        for place, message in enumerate(messages):
            try:
                entry = self._entry(message, names)
            except LongshoreError as error:
                answers[place] = error
                continue
            by_queue.setdefault(names.band_of(message.priority), []).append((place, entry))
        for name, entries in by_queue.items():
            self._send(name, entries, answers)
        if unavailable := all_unavailable(answers):
            raise unavailable
        return answers

    def capabilities(self, queue: str) -> QueueCapabilities:
        """What the queue so named can do."""
        known = self._capabilities.get(queue)
        if known is None:
            known = capabilities_of(self._names(queue), self._options)
            self._capabilities[queue] = known
        return known

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._open = False
        if self._pid == os.getpid():
            for each in (self._client, self._signed):
                if each is not None:
                    each.close()
        self._client = self._signed = None

    def _names(self, queue: str) -> Names:
        """Name a queue; two threads may both do so, and come to the same."""
        if queue not in self._named:
            self._named[queue] = names_of(queue, self._options)
        return self._named[queue]

    def _entry(self, message: Outgoing, names: Names) -> Entry:
        return to_entry(message, fifo=names.fifo, priorities=bool(self._options.bands))

    def _send(
        self,
        queue: str,
        entries: Sequence[tuple[int, Entry]],
        answers: list[LongshoreError | None],
    ) -> None:
        for places in packed([entry for _, entry in entries]):
            batch = Batch("SendMessageBatch", queue, [entries[place][1] for place in places])
            self._ask(batch)
            for place, answer in zip(places, batch.answers, strict=True):
                answers[entries[place][0]] = answer

    def _ask(self, batch: Batch) -> None:
        pause = FIRST_PAUSE
        for attempt in range(1, TRIES + 1):
            try:
                response = self._call(batch)
            except ConfigurationError as error:
                self._apart(batch, error)
                return
            except LongshoreError as error:
                batch.fail(error)
                return
            if not batch.read(response) or attempt == TRIES:
                return
            sleep(pause * (0.5 + random() / 2))  # noqa: S311 - spreads, and hides nothing
            pause *= 2

    def _apart(self, batch: Batch, error: LongshoreError) -> None:
        if batch.single:
            batch.fail(error)
            return
        parts = batch.split()
        for part in parts:
            self._ask(part)
        batch.joined(parts)

    def _call(self, batch: Batch) -> Mapping[str, Any]:
        url = self._url_of(batch.queue)
        entries: list[Any] = batch.entries
        if self._signed is not None:
            answer = self._signed.call(batch.operation, {"QueueUrl": url, "Entries": entries})
            if answer is not None:
                return answer
        try:
            return self._translated(
                batch.operation,
                batch.queue,
                lambda client: client.send_message_batch(QueueUrl=url, Entries=entries),
            )
        except QueueMissingError:
            self._urls.pop(batch.queue, None)
            raise

    def _url_of(self, queue: str) -> str:
        """Find a queue's URL; two threads may both ask, and learn the same."""
        if queue not in self._urls:
            given: dict[str, Any] = {"QueueName": queue}
            if self._options.account:
                given["QueueOwnerAWSAccountId"] = self._options.account
            found = self._translated(
                "GetQueueUrl", queue, lambda client: client.get_queue_url(**given)
            )
            self._urls[queue] = found["QueueUrl"]
        return self._urls[queue]

    def _translated(
        self, operation: str, queue: str, call: Callable[[SQSClient], Any]
    ) -> Mapping[str, Any]:
        client = self._opened()
        from botocore.exceptions import (  # noqa: PLC0415 - the SDK is loaded when it is used
            BotoCoreError,
            ClientError,
        )

        try:
            response: Mapping[str, Any] = call(client)
        except ClientError as error:
            raise translated(rejected(error.response), operation, queue) from error
        except (BotoCoreError, OSError) as error:
            raise unreached(error, operation) from error
        return response

    def _opened(self) -> SQSClient:
        with self._lock:
            if self._client is None:
                self._client, session = sync_client_of(self._options, settings_for(Purpose.SEND))
                self._signed = Signed(session, self._client)
            return self._client

    def _forget(self) -> None:
        """Begin anew: a client's connections and locks are of one process."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._client = self._signed = None
        self._urls = {}
