"""Messages that only say where what they hold lies: fetching it, where the queue allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from longshore.codec.compression import MAX_UNPACKED
from longshore.codec.fetch import is_allowed
from longshore.errors import MessageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.codec.fetch import Fetcher
    from longshore.codec.raw import Pointer
    from longshore.queue import Delivery


@dataclass(frozen=True, slots=True)
class Pointing:
    """A delivery, and where what it holds lies."""

    delivery: Delivery
    pointer: Pointer


async def fetch(fetcher: Fetcher | None, url: str, places: Sequence[str]) -> bytes:
    """Fetch from one of the places; `MessageError` for any other, and for more than 10 MiB.

    A message must not choose what a worker reads: its own permissions may be wide.
    """
    if not is_allowed(url, places):
        problem = f"what it holds lies at {url[:200]}, which its queue does not allow (fetch_from)"
        raise MessageError(problem)
    if fetcher is None:
        problem = f"what it holds lies at {url[:200]}, and this worker has nothing to fetch it with"
        raise MessageError(problem)
    content = await fetcher.fetch(url, limit=MAX_UNPACKED)
    if len(content) > MAX_UNPACKED:
        problem = f"what it points at is {len(content):,} bytes; the limit is {MAX_UNPACKED:,}"
        raise MessageError(problem)
    return content
