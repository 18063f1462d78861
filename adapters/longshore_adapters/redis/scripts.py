"""The scripts that the server runs: texts of this package, never made from data."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """A text, and the name the server knows it by."""

    name: str
    text: bytes
    sha: bytes


def _script(name: str, *shared: str) -> Script:
    folder = files("longshore_adapters.redis") / "lua"
    text = b"\n".join((folder / f"{each}.lua").read_bytes() for each in (*shared, name))
    return Script(name, text, sha1(text, usedforsecurity=False).hexdigest().encode())


SEND: Final = _script("send", "queue")
TAKE: Final = _script("take", "queue")
SETTLE: Final = _script("settle", "queue")
DEPTH: Final = _script("depth", "queue")
PURGE: Final = _script("purge", "queue")
LETTERS: Final = _script("letters", "queue")
REDRIVE: Final = _script("redrive", "queue")
DISCARD: Final = _script("discard", "queue")

_LOG: Final = ("queue", "log")
READ: Final = _script("read", *_LOG)
WRITE: Final = _script("write", *_LOG)
ENQUEUE: Final = _script("enqueue", *_LOG)
CLAIM: Final = _script("claim", *_LOG)
RENEW: Final = _script("renew", *_LOG)
SUCCEED: Final = _script("succeed", *_LOG)
PRUNE: Final = _script("prune", *_LOG)
PLACES: Final = _script("places", *_LOG)
PAGE: Final = _script("page", *_LOG)

_SHELF: Final = ("queue", "shelf")
GET: Final = _script("get", *_SHELF)
PUT: Final = _script("put", *_SHELF)
DELETE: Final = _script("delete", *_SHELF)
ADD: Final = _script("add", *_SHELF)
SCAN: Final = _script("scan", *_SHELF)
