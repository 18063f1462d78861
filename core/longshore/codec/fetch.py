"""PORT: fetching what a message only points at. What may be fetched is the queue's policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from longshore.errors import MessageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Fetcher(Protocol):
    """Reads objects of a store that messages may point into."""

    async def fetch(self, url: str, *, limit: int) -> bytes:
        """Read a whole object of at most `limit` bytes, within a time of its own.

        `MessageError` where there is none, or it is larger, or nobody may read it: fetching again
        would not help. `UnavailableError` where the store does not answer. Reading changes nothing.
        """
        ...


def is_allowed(url: str, places: Sequence[str]) -> bool:
    """Whether a URL is one of the places, or below one: of `s3://a`, not of `s3://ab`."""
    return any(url == place or url.startswith(place.rstrip("/") + "/") for place in places)


class ByScheme:
    """Several fetchers as one, chosen by the scheme of the URL."""

    def __init__(self, fetchers: Mapping[str, Fetcher]) -> None:
        """`fetchers` are by scheme, such as `s3`."""
        self._fetchers = fetchers

    async def fetch(self, url: str, *, limit: int) -> bytes:
        """Do as the fetcher of the URL's scheme; `MessageError` where there is none."""
        scheme = url.partition("://")[0]
        fetcher = self._fetchers.get(scheme)
        if fetcher is None:
            problem = f"what it holds lies at {url[:200]}, and nothing here fetches {scheme[:40]!r}"
            raise MessageError(problem)
        return await fetcher.fetch(url, limit=limit)
