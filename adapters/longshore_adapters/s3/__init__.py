"""S3: fetching what messages only point at. It is no queue, no log and no store."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from longshore.errors import ConfigurationError
from longshore.masking import mask_url
from longshore.registry import Backend

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from longshore.clock import Clock
    from longshore.registry import Role


class S3Adapter:
    """Serves `s3://`. Region, endpoint and credentials are those of the AWS environment."""

    @asynccontextmanager
    async def open(self, url: str, clock: Clock) -> AsyncGenerator[Backend]:
        """Make a fetcher; nothing is dialled before the first fetch."""
        del clock
        if url != "s3://":
            message = f"{mask_url(url)} cannot be opened; s3:// only fetches what messages point at"
            raise ConfigurationError(message)
        try:
            from longshore_adapters.s3.fetcher import S3Fetcher  # noqa: PLC0415 - loads the SDK
        except ImportError as error:
            message = (
                "s3:// needs the AWS SDK, which is not installed; run: pip install 'longshore[s3]'"
            )
            raise ConfigurationError(message) from error

        async with S3Fetcher() as fetcher:
            yield Backend(url=url, fetcher=fetcher)

    def permissions(
        self,
        url: str,
        queues: Sequence[str],  # noqa: ARG002 - a place is the same for every queue
        role: Role,
    ) -> list[Mapping[str, object]]:
        """Let workers read what lies at or below the place `url`; nobody else fetches."""
        if role != "worker":
            return []
        bucket, _, prefix = url.removeprefix("s3://").strip("/").partition("/")
        objects = (prefix, f"{prefix}/*") if prefix else ("*",)
        return [
            {
                "Sid": "LongshoreFetch",
                "Effect": "Allow",
                "Action": ["s3:GetObject"],
                "Resource": [f"arn:aws:s3:::{bucket}/{each}" for each in objects],
            }
        ]

    def init(self, url: str) -> list[str]:
        """Nothing is kept there."""
        del url
        return []

    def deinit(self, url: str) -> list[str]:
        """Nothing is kept there."""
        del url
        return []


ADAPTER = S3Adapter()
