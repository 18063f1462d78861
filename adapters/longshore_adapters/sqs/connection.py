"""One event loop's way to AWS: a client for each purpose, queue URLs, and the count of calls."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import AsyncExitStack
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeVar

from longshore.errors import ClosedError, ConfigurationError
from longshore_adapters.sqs.errors import QueueMissingError, rejected, translated, unreached
from longshore_adapters.sqs.purpose import Purpose, settings_for
from longshore_adapters.sqs.session import Access

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from aiobotocore.client import AioBaseClient
    from botocore.awsrequest import AWSPreparedRequest

    from longshore.clock import Clock
    from longshore_adapters.sqs.options import Options

_METHODS: Final = {
    "ChangeMessageVisibilityBatch": "change_message_visibility_batch",
    "CreateQueue": "create_queue",
    "DeleteMessageBatch": "delete_message_batch",
    "DeleteQueue": "delete_queue",
    "GetQueueAttributes": "get_queue_attributes",
    "GetQueueUrl": "get_queue_url",
    "PurgeQueue": "purge_queue",
    "ReceiveMessage": "receive_message",
    "SendMessageBatch": "send_message_batch",
    "StartMessageMoveTask": "start_message_move_task",
}


_LONG: Final = 1_000_000

K = TypeVar("K")
V = TypeVar("V")


class Connection:
    """Opens clients as they are needed; belongs to one event loop and one process."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Load the SDK and find the region; nothing is dialled yet."""
        self.options = options
        self._access = Access(options)
        self.clock = clock
        self.calls: Counter[str] = Counter()
        self.loop = asyncio.get_running_loop()
        self.closing: asyncio.Future[None] = self.loop.create_future()
        self._pid = os.getpid()
        self._clients: dict[Purpose, asyncio.Future[AioBaseClient]] = {}
        self._urls: dict[str, asyncio.Future[str]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        await self._stack.aclose()

    def close(self) -> None:
        """Refuse what comes from now on, and wake what waits. Idempotent."""
        if not self.closing.done():
            self.closing.set_result(None)

    def check(self) -> None:
        """Raise where the connection is closed, or was opened by the parent of this process."""
        if self.closing.done():
            what = "the SQS queue"
            raise ClosedError(what)
        if self._pid != os.getpid():
            message = (
                "this connection to SQS was opened before a fork; open the URL in each process"
            )
            raise ConfigurationError(message)

    async def ask(
        self, purpose: Purpose, operation: str, queue: str, **given: object
    ) -> Mapping[str, Any]:
        """Make a call about the queue that SQS knows as `queue`."""
        url = await self.url_of(queue)
        try:
            return await self.call(purpose, operation, queue, QueueUrl=url, **given)
        except QueueMissingError:
            self._urls.pop(queue, None)
            raise

    async def prepare(self, purpose: Purpose, queue: str) -> None:
        """Find the queue and open the client, where that has not been done."""
        await self.url_of(queue)
        await self._client(purpose)

    async def url_of(self, queue: str) -> str:
        """Find a queue's URL, once; `QueueMissingError` where there is none."""
        found = self._urls.get(queue)
        if found is None:
            found = asyncio.ensure_future(self._find(queue))
            self._urls[queue] = found
            found.add_done_callback(lambda each: _drop_failed(self._urls, queue, each))
        return found.result() if found.done() else await asyncio.shield(found)

    def remember(self, queue: str, url: str) -> None:
        """Use this URL, which making the queue has answered."""
        self._urls[queue] = self.loop.create_future()
        self._urls[queue].set_result(url)

    def forget(self, queue: str) -> None:
        """Look the queue's URL up again, the next time."""
        self._urls.pop(queue, None)

    async def call(
        self, purpose: Purpose, operation: str, queue: str, **given: object
    ) -> Mapping[str, Any]:
        """Make one call; what AWS answers badly is raised in our words."""
        from botocore.exceptions import (  # noqa: PLC0415 - the SDK is loaded when it is used
            BotoCoreError,
            ClientError,
        )

        client = await self._client(purpose)
        try:
            response: Mapping[str, Any] = await getattr(client, _METHODS[operation])(**given)
        except ClientError as error:
            raise translated(rejected(error.response), operation, queue) from error
        except (BotoCoreError, OSError, TimeoutError) as error:
            raise unreached(error, operation) from error
        return response

    async def _client(self, purpose: Purpose) -> AioBaseClient:
        opening = self._clients.get(purpose)
        if opening is None:
            opening = asyncio.ensure_future(self._open(purpose))
            opening.add_done_callback(lambda each: _drop_failed(self._clients, purpose, each))
            self._clients[purpose] = opening
        return opening.result() if opening.done() else await asyncio.shield(opening)

    async def _open(self, purpose: Purpose) -> AioBaseClient:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - as above

        opening = self._access.client(settings_for(purpose))
        try:
            client = await self._stack.enter_async_context(opening)
        except (BotoCoreError, OSError) as error:
            raise unreached(error, "CreateClient") from error
        client.meta.events.register("request-created.sqs", self._count)
        client.meta.events.register("before-send.sqs", _streamed)
        return client

    def _count(self, operation_name: str, **_: object) -> None:
        self.calls[operation_name] += 1

    async def _find(self, queue: str) -> str:
        given = {"QueueName": queue}
        if self.options.account:
            given["QueueOwnerAWSAccountId"] = self.options.account
        found = await self.call(Purpose.SETTLE, "GetQueueUrl", queue, **given)
        url: str = found["QueueUrl"]
        return url


def _drop_failed(kept: dict[K, asyncio.Future[V]], name: K, found: asyncio.Future[V]) -> None:
    """Let the next caller try anew."""
    failed = found.cancelled() or found.exception() is not None
    if failed and kept.get(name) is found:
        del kept[name]


def _streamed(request: AWSPreparedRequest, **_: object) -> None:
    """Have a long body sent in pieces, as aiohttp asks for."""
    if isinstance(request.body, bytes) and len(request.body) > _LONG:
        request.body = BytesIO(request.body)
