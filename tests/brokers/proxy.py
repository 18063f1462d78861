"""A proxy in front of any server that speaks over TCP, to do to connections what networks do.

`stall` lets bytes pass no more and closes nothing; `forget` does so to the connections that are
there and serves new ones, as a firewall does that has forgotten them; `cut` resets what is there;
`refuse` is a host without the server; `resume` makes it all good again. What was asked for holds
when the call returns.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Self

from tests.brokers.ports import free_ports
from tests.brokers.probe import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Way = Literal["up", "down"]
"""Up is to the server, down to the client."""

CHUNK: Final = 65_536
CONNECTS_WITHIN: Final = 5.0
ANSWERS_WITHIN: Final = 10.0
RESET: Final = struct.pack("ii", 1, 0)
"""To linger for no time at all: a close is then a reset."""


@dataclass(eq=False)
class _Flow:
    """One way of one connection: what was read and not yet written."""

    way: Way
    source: socket.socket
    target: socket.socket
    held: bytearray = field(default_factory=bytearray)
    ended: bool = False
    forgotten: bool = False

    def wants(self, stalled: set[Way]) -> dict[socket.socket, int]:
        """What it waits for: to read where it holds nothing, else to write."""
        if self.way in stalled or self.ended or self.forgotten:
            return {}
        if self.held:
            return {self.target: selectors.EVENT_WRITE}
        return {self.source: selectors.EVENT_READ}


class Proxy:
    """Passes bytes between clients and the server at `port` of this host, in its own thread.

    A context manager: listens from the beginning to the end. Its methods may be called from any
    thread.
    """

    def __init__(self, port: int) -> None:
        """Nothing listens before the context is entered."""
        (self.port,) = free_ports(1)
        self.accepted = 0
        self.passed: dict[Way, int] = {"up": 0, "down": 0}
        self._server = port
        self._stalled: set[Way] = set()
        self._refuses = False
        self._ends = False
        self._links: list[tuple[_Flow, _Flow]] = []
        self._listener: socket.socket | None = None
        self._asked: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name=f"proxy of {port}", daemon=True)

    def __enter__(self) -> Self:
        """Listen; a client that connects now is served."""
        self._listen()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Reset what is there, and listen no more."""
        self._do(self._end)
        self._thread.join()
        self._wake.close()
        self._woken.close()

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._links)

    def stall(self, *ways: Way) -> None:
        """Let nothing pass these ways, or either where none is named; connect whoever comes."""
        self._do(partial(self._stalled.update, ways or ("up", "down")))

    def forget(self, *ways: Way) -> None:
        """Do so to the connections there are; whoever connects again is served."""
        self._do(partial(self._forget, ways or ("up", "down")))

    def cut(self) -> None:
        """Reset every connection; whoever connects again is served."""
        self._do(self._cut)

    def refuse(self) -> None:
        """Reset every connection, and let nobody connect."""
        self._do(self._refuse)

    def resume(self) -> None:
        """Pass everything on again, what was held back too, and let everybody connect."""
        self._do(self._resume)

    def _do(self, what: Callable[[], None]) -> None:
        """Have it done by the thread that owns the sockets."""
        done: Future[None] = Future()
        self._asked.append((what, done))
        self._wake.send(b"!")
        done.result(ANSWERS_WITHIN)

    def _run(self) -> None:
        while not self._ends:
            with selectors.DefaultSelector() as selector:
                for each, events in self._interests().items():
                    selector.register(each, events)
                ready = {key.fileobj for key, _ in selector.select()}
            if self._woken in ready:
                self._obey()
                continue  # what was ready may be gone
            if self._listener in ready:
                self._accept()
            for link in list(self._links):
                self._pass(link, ready)

    def _interests(self) -> dict[socket.socket, int]:
        interests: dict[socket.socket, int] = {self._woken: selectors.EVENT_READ}
        if self._listener is not None:
            interests[self._listener] = selectors.EVENT_READ
        for link in self._links:
            for flow in link:
                for each, event in flow.wants(self._stalled).items():
                    interests[each] = interests.get(each, 0) | event
        return interests

    def _obey(self) -> None:
        self._woken.recv(CHUNK)
        while self._asked:
            what, done = self._asked.popleft()
            try:
                done.set_result(what())
            except OSError as problem:
                done.set_exception(problem)

    def _accept(self) -> None:
        assert self._listener is not None
        client = self._listener.accept()[0]
        try:
            server = socket.create_connection((HOST, self._server), CONNECTS_WITHIN)
        except OSError:
            _reset(client)
            return
        for each in (client, server):
            each.settimeout(0)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted += 1
        self._links.append((_Flow("up", client, server), _Flow("down", server, client)))

    def _pass(self, link: tuple[_Flow, _Flow], ready: Collection[object]) -> None:
        try:
            for flow in link:
                self._move(flow, ready)
        except BlockingIOError:
            return
        except OSError:
            self._drop(link)
            return
        if all(flow.ended for flow in link):
            self._links.remove(link)
            for flow in link:
                flow.source.close()

    def _move(self, flow: _Flow, ready: Collection[object]) -> None:
        if not any(each in ready for each in flow.wants(self._stalled)):
            return
        if not flow.held:
            flow.held += flow.source.recv(CHUNK)
            if not flow.held:
                flow.ended = True
                flow.target.shutdown(socket.SHUT_WR)
                return
        sent = flow.target.send(flow.held)
        self.passed[flow.way] += sent
        del flow.held[:sent]

    def _drop(self, link: tuple[_Flow, _Flow]) -> None:
        self._links.remove(link)
        for flow in link:
            _reset(flow.source)

    def _listen(self) -> None:
        self._listener = socket.create_server((HOST, self.port))

    def _deafen(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _cut(self) -> None:
        for link in list(self._links):
            self._drop(link)

    def _forget(self, ways: Collection[Way]) -> None:
        for link in self._links:
            for flow in link:
                flow.forgotten |= flow.way in ways

    def _refuse(self) -> None:
        self._deafen()
        self._cut()

    def _resume(self) -> None:
        self._stalled.clear()
        for link in self._links:
            for flow in link:
                flow.forgotten = False
        if self._listener is None:
            self._listen()

    def _end(self) -> None:
        self._refuse()
        self._ends = True


def _reset(each: socket.socket) -> None:
    with suppress(OSError):  # it may have been reset by its other end
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    each.close()
