"""Answers are read as the standard library reads them, whatever they look like."""

from __future__ import annotations

import socket
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore_adapters.sqs.answers import Answer, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STATUS = st.sampled_from(
    [
        *[b"HTTP/1.1 200 OK"] * 8,
        *(b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 100 Continue"),
        *(b"HTTP/1.1 503 Gone", b"HTTP/1.1 204 None", b"HTTP/2 200 OK", b"<html>", b""),
    ]
)
HEADER = st.sampled_from(
    [
        *[b"Content-Length: 2"] * 8,
        *(b"content-length:2", b"CONTENT-LENGTH: \t2 ", b"Content-Length: 0", b"Content-Length: 9"),
        *(b"Content-Length: 3", b"Content-Length: two", b"Content-Length: -1", b"Content-Length:"),
        *(b"Content-Length: 2, 2", b"Content-Length: +2", b"Content-Length : 2"),
        *(b"X-Content-Length: 1", b"Content-Lengths: 1", b"X: Content-Length: 1"),
        *(
            b"Transfer-Encoding: chunked",
            b"transfer-encoding: gzip",
            b"X-Transfer-Encoding: chunked",
        ),
        *(b"Connection: keep-alive", b"Connection: close", b"connection: Keep-Alive, close"),
        *(b"X: a\nContent-Length: 1", b"X: a\rContent-Length: 1", b"X: a\n", b": a"),
        *(b" folded: on", b"\tContent-Length: 1", b"no header", b"Date: today", b"X: \xff"),
    ]
)
BODY = st.sampled_from(
    [b"{}", b"", b"{", b"{}\r\n\r\n{}", b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", b"{}x"]
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """One that nobody would send, more often than not."""
    lines = [draw(STATUS), *draw(st.lists(HEADER, max_size=4))]
    end = draw(st.sampled_from([*[b"\r\n"] * 6, b"\n"]))
    return end.join([*lines, b"", b""]) + draw(BODY)


def by_the_library(connection: socket.socket) -> Answer:
    with HTTPResponse(connection, method="POST") as response:
        response.begin()
        content = response.read()
        return Answer(response.status, content, stays=not response.will_close)


def read(pieces: list[bytes], how: Callable[[socket.socket], Answer]) -> Answer | None:
    """What it reads of pieces that come one after the other, before the connection ends."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        coming: Iterator[bytes] = iter(pieces)

        class Slow(socket.socket):
            """Has the next piece only when it is read from."""

            def recv(self, size: int, flags: int = 0, /) -> bytes:
                return super().recv(size, flags) if fed() else b""

            def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
                return super().recv_into(buffer, nbytes, flags) if fed() else 0

        def fed() -> bool:
            piece = next(coming, b"")
            theirs.sendall(piece)
            return bool(piece)

        with Slow(fileno=ours.detach()) as slow:
            try:
                return how(slow)
            except (OSError, HTTPException, ValueError):
                return None


@given(answers(), st.integers(0, 120))
def test_an_answer_is_what_the_standard_library_makes_of_it(answer: bytes, cut: int) -> None:
    pieces = [piece for piece in (answer[:cut], answer[cut:]) if piece]

    ours = read(pieces, read_answer)

    expected = read(pieces, by_the_library)
    if ours is not None and not ours.stays:  # an answer with more behind it than it said
        assert expected is not None
        assert (ours.status, ours.content) == (expected.status, expected.content)
    else:
        assert ours == expected


@pytest.mark.parametrize("cut", [3, 16, 30, 37, 38, 39])
def test_an_answer_may_come_in_pieces(cut: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    assert read([answer[:cut], answer[cut:]], read_answer) == Answer(200, b"{}", stays=True)


def test_a_connection_with_more_than_an_answer_is_not_used_again() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 408 Late\r\n\r\n"

    assert read([answer], read_answer) == Answer(200, b"{}", stays=False)
