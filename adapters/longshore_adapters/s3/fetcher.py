"""Reading objects of S3, and what its errors mean for the message that points at one."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import ClientError as BrokenError
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from longshore.errors import ClosedError, MessageError
from longshore_adapters.s3.errors import away, refused

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_CONFIG: Final = AioConfig(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
_PATIENCE: Final = 20.0
"""Seconds for a fetch with all its tries; the message's lease, 30 s by default, runs meanwhile."""
_PIECE: Final = 256 * 1024
_STEPS: Final = frozenset({".", ".."})


class S3Fetcher:
    """A `Fetcher` for `s3://bucket/key`, with one client, made at the first fetch."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._client: Any = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed = True
        await self._stack.aclose()

    async def fetch(self, url: str, *, limit: int) -> bytes:
        """Read an object of at most `limit` bytes; a key stands in the URL as it is, undecoded."""
        bucket, key = _place(url)
        try:
            async with asyncio.timeout(_PATIENCE):
                client = await self._connected()
                answer = await client.get_object(Bucket=bucket, Key=key)
                async with answer["Body"] as body:
                    _refuse_large(url, answer.get("ContentLength", 0), limit)
                    return await _read(url, body, limit)
        except ParamValidationError as error:
            problem = f"{url[:200]} is no place in S3; write s3://bucket/key"
            raise MessageError(problem) from error
        except ClientError as error:
            raise refused(dict(error.response), url) from error
        except (BotoCoreError, BrokenError, OSError) as error:  # timeouts are among the last
            raise away(error, url) from error

    async def _connected(self) -> Any:  # noqa: ANN401 - the SDK makes its clients at runtime
        async with self._lock:
            if self._closed:
                what = "the connection to S3"
                raise ClosedError(what)
            if self._client is None:
                session: Any = get_session()
                # The SDK for Python itself reads AWS_DEFAULT_REGION alone.
                region = os.environ.get("AWS_REGION") or None
                opening = session.create_client("s3", region_name=region, config=_CONFIG)
                self._client = await self._stack.enter_async_context(opening)
            client: Any = self._client
            return client


def _place(url: str) -> tuple[str, str]:
    """Take a URL apart; one with steps up could leave the places that its queue allows."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if _STEPS.intersection(key.split("/")):
        problem = f"{url[:200]} has a step such as '..' in it, which is not followed"
        raise MessageError(problem)
    return bucket, key


async def _read(url: str, body: Any, limit: int) -> bytes:  # noqa: ANN401 - the SDK's stream
    """Read to the end, or to the limit: not every server says the size beforehand, or truly."""
    content = bytearray()
    async for piece in body.iter_chunks(_PIECE):
        content += piece
        _refuse_large(url, len(content), limit)
    return bytes(content)


def _refuse_large(url: str, size: int, limit: int) -> None:
    if size > limit:
        problem = f"{url[:200]} has {size:,} bytes or more, and the limit is {limit:,}"
        raise MessageError(problem)
