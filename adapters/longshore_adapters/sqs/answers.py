"""What comes back over a connection: read by hand where it is plain, else by the standard library.

That parses headers as those of a mail, which takes as much processor time as all else of a request
together. Nearly every answer of the service is of known length, and keeps its connection.
"""

from __future__ import annotations

import re
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from socket import socket

OK: Final = 200
_PIECE: Final = 65_536
_PLAIN: Final = b"HTTP/1.1 200 "
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n)", re.IGNORECASE)
_NOT_PLAIN: Final = re.compile(
    rb"\r\n(?:(?!\Z|[!-9;-~]+:)|transfer-encoding|connection:(?![ \t]*keep-alive[ \t]*\r\n)"
    rb"|content-length:(?![ \t]*[0-9]{1,9}[ \t]*\r\n))|(?<!\r)\n|\r(?!\n)",
    re.IGNORECASE,
)
"""What is no header, a body in chunks, a connection that ends, no length, half an end of a line."""


class Answer(NamedTuple):
    """A status, the body, and whether the connection may be used again."""

    status: int
    content: bytes
    stays: bool


def read_answer(connection: socket) -> Answer:
    """Read one answer; raises `OSError` or `HTTPException` where there is no whole one."""
    came = connection.recv(_PIECE)
    head, ended, content = came.partition(b"\r\n\r\n")
    head += b"\r\n"
    lengths = _LENGTH.findall(head)
    if not (ended and head.startswith(_PLAIN) and len(lengths) == 1) or _NOT_PLAIN.search(head):
        return _by_the_library(came, connection)
    length = int(lengths[0])
    while len(content) < length:
        more = connection.recv(_PIECE)
        if not more:
            message = "the connection ended within an answer"
            raise ConnectionError(message)
        content += more
    return Answer(OK, content[:length], stays=len(content) == length)


def _by_the_library(came: bytes, connection: socket) -> Answer:
    begun: Any = _Begun(came, connection)
    with HTTPResponse(begun, method="POST") as response:
        response.begin()
        content = response.read()
        return Answer(response.status, content, stays=not response.will_close)


class _Begun(RawIOBase):
    """A socket, before which comes what was read from it already."""

    def __init__(self, came: bytes, connection: socket) -> None:
        self._came = came
        self._connection = connection

    def makefile(self, _mode: str) -> BufferedReader:
        """Be read from as a socket is."""
        return BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:  # noqa: ANN401 - whatever has a buffer
        if not self._came:
            return self._connection.recv_into(into)
        count = min(len(into), len(self._came))
        into[:count], self._came = self._came[:count], self._came[count:]
        return count
