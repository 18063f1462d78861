"""Reading objects of S3."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from longshore.errors import ClosedError, MessageError, UnavailableError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_CONFIG: Final = AioConfig(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
_PASSING: Final = frozenset(
    {"ExpiredToken", "InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown"}
)
"""Codes of errors that end by themselves; 5xx is one in any case."""
_SERVER_ERROR: Final = 500


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
        """Read an object of at most `limit` bytes."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        try:
            client = await self._connected()
            answer = await client.get_object(Bucket=bucket, Key=key)
            async with answer["Body"] as body:
                size: int = answer["ContentLength"]
                if size > limit:
                    problem = f"{url[:200]} has {size:,} bytes and the limit is {limit:,}"
                    raise MessageError(problem)
                content: bytes = await body.read()
                return content
        except ParamValidationError as error:
            problem = f"{url[:200]} is no place in S3"
            raise MessageError(problem) from error
        except ClientError as error:
            raise _said(error, url) from error
        except (BotoCoreError, OSError) as error:  # timeouts are among the latter
            message = f"S3 does not answer for {url[:200]}: {error}"
            raise UnavailableError(message) from error

    async def _connected(self) -> Any:  # noqa: ANN401 - the SDK's clients are made at runtime
        async with self._lock:
            if self._closed:
                what = "the connection to S3"
                raise ClosedError(what)
            if self._client is None:
                opening = get_session().create_client("s3", config=_CONFIG)
                self._client = await self._stack.enter_async_context(opening)
            return self._client


def _said(error: ClientError, url: str) -> MessageError | UnavailableError:
    """Say what S3 answered: whether asking again may help."""
    answer: dict[str, Any] = dict(error.response)
    code = answer.get("Error", {}).get("Code", "")
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _PASSING or status >= _SERVER_ERROR:
        return UnavailableError(f"S3 cannot answer for {url[:200]} now ({code})")
    return MessageError(f"{url[:200]} cannot be fetched ({code})")
