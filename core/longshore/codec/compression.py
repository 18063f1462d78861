"""Undoing compression, within limits: a small message must not fill the memory of a worker."""

from __future__ import annotations

import zlib
from typing import Final

from longshore.errors import MessageError

MAX_UNPACKED: Final = 10 * 1024 * 1024
"""Bytes that compressed or fetched data may have."""
MAX_RATIO: Final = 100
"""How many times larger than its compressed form data may be."""
_GZIP: Final = zlib.MAX_WBITS | 16


def unpack(packed: bytes, encoding: str) -> bytes:
    """Decompress; `MessageError` for what is broken, too large, or compressed otherwise."""
    if encoding != "gzip":
        problem = f"its dataencoding is {encoding[:40]!r}, and only gzip is read"
        raise MessageError(problem)
    limit = min(MAX_UNPACKED, MAX_RATIO * len(packed))
    stream = zlib.decompressobj(_GZIP)
    try:
        data = stream.decompress(packed, limit + 1)
    except zlib.error as error:
        problem = f"its data is not gzip ({error})"
        raise MessageError(problem) from error
    if len(data) > limit:
        problem = f"its data is more than {limit:,} bytes when unpacked, and that is the limit"
        raise MessageError(problem)
    if not stream.eof or stream.unused_data:
        problem = "its gzip data is cut off, or something stands behind it"
        raise MessageError(problem)
    return data
