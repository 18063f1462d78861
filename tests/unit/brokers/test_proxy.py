"""The proxy that other tests put in front of a server does to connections what they ask for."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.brokers.probe import HOST
from tests.brokers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOON = 20.0
A_MOMENT = 0.2
LARGE = 4_000_000
PART = 65_536


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says what it hears, to one client after another; its port."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server((HOST, 0)))
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        opened.callback(thread.join)
        opened.callback(listener.shutdown, socket.SHUT_RDWR)
        yield int(listener.getsockname()[1])


def answer(listener: socket.socket) -> None:
    with ExitStack() as opened:
        while True:
            try:
                peer = opened.enter_context(listener.accept()[0])
            except OSError:
                return
            thread = threading.Thread(target=say_again, args=(peer,))
            thread.start()
            opened.callback(thread.join)


def say_again(peer: socket.socket) -> None:
    try:
        while part := peer.recv(65_536):
            peer.sendall(part)
        peer.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy(echo) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with connected(proxy) as client:
        yield client


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=SOON)


def heard(client: socket.socket, count: int) -> bytes:
    """Read so many bytes, or fewer where they come no more."""
    found = bytearray()
    while len(found) < count:
        try:
            part = client.recv(count - len(found))
        except TimeoutError:
            break
        if not part:
            break
        found += part
    return bytes(found)


def say_all(client: socket.socket, text: bytes) -> None:
    """Send in parts, each of which has the socket's whole patience: `sendall` has it for all."""
    for start in range(0, len(text), PART):
        client.sendall(text[start : start + PART])


def is_silent(client: socket.socket) -> bool:
    client.settimeout(A_MOMENT)
    try:
        return client.recv(1) == b"?"
    except TimeoutError:
        return True
    finally:
        client.settimeout(SOON)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_sent_comes_out_unchanged_however_much_it_is(
    client: socket.socket, proxy: Proxy
) -> None:
    sent = bytes(range(250)) * (LARGE // 250)

    sending = threading.Thread(target=say_all, args=(client, sent))
    sending.start()
    said = heard(client, len(sent))
    sending.join()

    assert len(said) == len(sent)
    assert said == sent
    until(lambda: proxy.passed == {"up": LARGE, "down": LARGE})  # counted once they are sent


@pytest.mark.parametrize("ways", [(), ("up",), ("down",), ("up", "down")])
def test_a_stalled_connection_is_silent_and_open_and_loses_nothing(
    client: socket.socket, proxy: Proxy, ways: tuple[str, ...]
) -> None:
    client.sendall(b"before")
    before = heard(client, 6)

    proxy.stall(*ways)  # type: ignore[arg-type] # each is one of the two
    client.sendall(b"while it lasts")
    silent = is_silent(client)
    proxy.resume()

    assert (before, silent) == (b"before", True)
    assert heard(client, 14) == b"while it lasts"


def test_whoever_comes_to_a_stalled_proxy_is_connected_and_hears_nothing(proxy: Proxy) -> None:
    proxy.stall()

    with connected(proxy) as client:
        client.sendall(b"hello")
        silent = is_silent(client)
        proxy.resume()

        assert silent
        assert heard(client, 5) == b"hello"


def test_a_forgotten_connection_is_silent_and_open_and_a_new_one_is_served(
    client: socket.socket, proxy: Proxy
) -> None:
    client.sendall(b"before")
    heard(client, 6)

    proxy.forget("up")
    client.sendall(b"while it lasts")
    silent = is_silent(client)
    with connected(proxy) as again:
        again.sendall(b"hello")
        served = heard(again, 5)
    proxy.resume()

    assert (silent, served) == (True, b"hello")
    assert heard(client, 14) == b"while it lasts"


def test_a_cut_resets_what_is_there_and_serves_who_comes_again(
    client: socket.socket, proxy: Proxy
) -> None:
    client.sendall(b"hello")
    heard(client, 5)

    proxy.cut()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with connected(proxy) as again:
        again.sendall(b"hello")
        assert heard(again, 5) == b"hello"


def test_a_proxy_that_refuses_lets_nobody_in_until_it_resumes(
    client: socket.socket, proxy: Proxy
) -> None:
    client.sendall(b"hello")
    heard(client, 5)

    proxy.refuse()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.resume()
    with connected(proxy) as again:
        again.sendall(b"hello")
        assert heard(again, 5) == b"hello"


def test_an_end_of_either_side_is_passed_on(client: socket.socket) -> None:
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)

    assert heard(client, 100) == b"last words"


def test_without_a_server_a_connection_is_reset(closed_port: int) -> None:
    with Proxy(closed_port) as proxy:
        with pytest.raises(ConnectionResetError), connected(proxy) as client:
            client.recv(1)

        assert proxy.connections == 0
