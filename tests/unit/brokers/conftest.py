"""Peers on ephemeral loopback ports that answer what they are told to."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Listen(Protocol):
    def __call__(self, *, hears: bytes, says: bytes) -> int:
        """Wait for `hears`, answer `says`, keep the connection open; the port."""
        ...


@pytest.fixture
def listen() -> Iterator[Listen]:
    with ExitStack() as opened:

        def begin(*, hears: bytes, says: bytes) -> int:
            listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=converse, args=(listener, hears, says))
            thread.start()
            opened.callback(thread.join)
            opened.callback(listener.shutdown, socket.SHUT_RDWR)  # wakes the thread's accept
            return int(listener.getsockname()[1])

        yield begin


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def converse(listener: socket.socket, hears: bytes, says: bytes) -> None:
    while True:
        try:
            peer = listener.accept()[0]
        except OSError:
            return
        with peer:
            heard = b""
            while len(heard) < len(hears):
                part = peer.recv(64)
                if not part:
                    break
                heard += part
            if heard == hears:
                peer.sendall(says)
            while peer.recv(64):
                heard = b""
