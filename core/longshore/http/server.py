"""A small HTTP server on a thread and a loop of its own: nothing that clients do reaches others.

It answers GET and HEAD, one request per connection. Who sends slowly, too much or nonsense costs
one of `MOST` connections for `PATIENCE` seconds at most, and no thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from longshore.http.answers import Reply

if TYPE_CHECKING:
    import socket
    from typing import Self

    from longshore.http.answers import Answers

_log = logging.getLogger("longshore.http")
MOST: Final = 512
"""Connections at once; further ones are closed unanswered."""
PATIENCE: Final = 5.0
"""Seconds that one connection may take, from its first byte to the last."""
_LONGEST: Final = 8192
"""Bytes of a request, headers included."""
_WORDS: Final = 3
_TURNS: Final = 5


class Server:
    """Serves a listening socket until the context is left; closes it then.

    `answers` are called on the server's own loop, and may take a moment but not wait for the
    worker. One that raises is a 500, and is logged.
    """

    def __init__(
        self, listener: socket.socket, answers: Answers, patience: float = PATIENCE
    ) -> None:
        """Start nothing yet; `patience` is in seconds."""
        self._patience = patience
        self._listener = listener
        self._answers = answers
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._main, name="longshore-admin", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread; returns when it accepts."""
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop accepting, drop what is open, and wait for the thread."""
        if self._loop is not None and self._over is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE)

    def _main(self) -> None:
        try:
            asyncio.run(self.serve())
        except Exception:  # noqa: BLE001 - no task suffers for want of probes
            _log.exception("the admin server has failed; probes are not answered any more")
        finally:
            self._begun.set()

    async def serve(self) -> None:
        """Serve on the running loop, until the context is left or this is cancelled."""
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, sock=self._listener, limit=_LONGEST)
        self._begun.set()
        try:
            await self._over.wait()
        finally:
            # What was accepted this moment becomes a connection first: asyncio would lose it.
            self._loop.remove_reader(self._listener)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            server.close()
            for writer, meeting in list(self._open.items()):
                meeting.cancel()
                writer.transport.abort()
            await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MOST:
            writer.transport.abort()
            return
        meeting = asyncio.ensure_future(self._meet(reader, writer))
        self._open[writer] = meeting
        meeting.add_done_callback(lambda _: self._open.pop(writer))

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, and close it whatever happens."""
        try:
            async with asyncio.timeout(self._patience):
                writer.write(await self._converse(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # it went away, or was too slow: there is nobody to tell
        finally:
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _written(_said(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many headers"))
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != _WORDS or not words[2].startswith("HTTP/1."):
            return _written(_said(HTTPStatus.BAD_REQUEST, "this is no request of HTTP/1.1"))
        method, target, _ = words
        if method not in {"GET", "HEAD"}:
            problem = "only GET and HEAD are answered here"
            return _written(_said(HTTPStatus.METHOD_NOT_ALLOWED, problem))
        reply = await self._reply(target.partition("?")[0])
        return _written(reply, body=method == "GET")

    async def _reply(self, path: str) -> Reply:
        answer = self._answers.get(path)
        if answer is None:
            there = ", ".join(self._answers)
            return _said(HTTPStatus.NOT_FOUND, f"there is nothing here; see {there}")
        try:
            return await answer()
        except Exception as error:  # noqa: BLE001 - a bug in one answer is that answer's alone
            _log.exception("%s cannot be answered", path)
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")


def _said(status: HTTPStatus, problem: str) -> Reply:
    return Reply.of(status, {"problems": [problem]})


def _written(reply: Reply, *, body: bool = True) -> bytes:
    allow = "Allow: GET, HEAD\r\n" if reply.status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    head = (
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}\r\n{allow}"
        f"Content-Type: {reply.kind}\r\nContent-Length: {len(reply.body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (reply.body if body else b"")
