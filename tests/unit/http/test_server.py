"""The admin server: what it replies, and that nothing a client does reaches another."""

from __future__ import annotations

import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from longshore.errors import ConfigurationError
from longshore.http import Reply, Server, listen, split, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN = 20.0


async def fine() -> Reply:
    return Reply.of(HTTPStatus.OK, {"fine": True})


async def raises() -> Reply:
    raise RuntimeError("a bug")


@contextmanager
def served(patience: float = 5.0) -> Iterator[int]:
    listener = listen("127.0.0.1:0")
    port: int = listener.getsockname()[1]
    with Server(listener, {"/fine": fine, "/bug": raises}, patience):
        yield port


def asked(port: int, method: str, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=WITHIN)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def exchanged(port: int, sent: bytes) -> bytes:
    """What comes back for raw bytes, until the server closes the connection."""
    came = b""
    with socket.create_connection(("127.0.0.1", port), WITHIN) as connection:
        connection.sendall(sent)
        while piece := connection.recv(65_536):
            came += piece
    return came


def dropped(connection: socket.socket) -> bool:
    """Whether the other side has closed it, in whatever way."""
    with connection:
        try:
            return connection.recv(1) == b""
        except ConnectionResetError:
            return True


def test_a_path_is_answered_whatever_its_query() -> None:
    with served() as port:
        replies = [asked(port, "GET", "/fine"), asked(port, "GET", "/fine?verbose=1")]

    assert replies == [(200, b'{"fine": true}\n')] * 2


def test_head_is_answered_with_the_length_and_without_the_body() -> None:
    with served() as port:
        came = exchanged(port, b"HEAD /fine HTTP/1.1\r\nHost: here\r\n\r\n")

    assert came.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 15\r\n" in came
    assert came.endswith(b"\r\n\r\n")


def test_an_unknown_path_is_a_404_that_names_the_known_ones() -> None:
    with served() as port:
        status, body = asked(port, "GET", "/etc/passwd")

    assert status == 404
    assert b"/fine, /bug" in body


def test_what_is_neither_get_nor_head_is_a_405_that_says_what_is() -> None:
    with served() as port:
        came = exchanged(port, b"POST /fine HTTP/1.1\r\nHost: here\r\n\r\n")

    assert came.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET, HEAD\r\n" in came


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET /fine\r\n\r\n", b"\xff\xfe a b c\r\n\r\n"],
    ids=["tls", "version-0.9", "bytes"],
)
def test_garbage_is_a_400_and_the_next_request_is_answered(sent: bytes) -> None:
    with served() as port:
        came = exchanged(port, sent)

        assert came.startswith(b"HTTP/1.1 400 ")
        assert asked(port, "GET", "/fine")[0] == 200


def test_a_request_without_end_is_refused_and_the_next_is_answered() -> None:
    with served() as port, socket.create_connection(("127.0.0.1", port), WITHIN) as endless:
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            endless.sendall(b"X-Padding: a\r\n" * 10_000_000)

        assert asked(port, "GET", "/fine")[0] == 200


def test_clients_that_send_nothing_keep_nobody_waiting_and_are_dropped_in_time() -> None:
    with served(patience=1.0) as port:
        slow = [socket.create_connection(("127.0.0.1", port), WITHIN) for _ in range(50)]
        for each in slow:
            each.sendall(b"GET /fi")

        began = time.monotonic()
        status, _ = asked(port, "GET", "/fine")
        answered = time.monotonic() - began

        assert (status, answered < 1.0) == (200, True)
        assert [dropped(each) for each in slow] == [True] * 50


def test_a_hundred_at_once_are_all_answered() -> None:
    with served() as port, ThreadPoolExecutor(100) as clients:
        replies = list(clients.map(lambda _: asked(port, "GET", "/fine")[0], range(100)))

    assert replies == [200] * 100


def test_a_client_that_goes_without_reading_harms_nobody() -> None:
    with served() as port:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port), WITHIN) as hasty:
                hasty.sendall(b"GET /fine HTTP/1.1\r\n\r\n")

        assert asked(port, "GET", "/fine")[0] == 200


def test_an_answer_that_raises_is_a_500_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "longshore.http"), served() as port:
        status, body = asked(port, "GET", "/bug")

        assert (status, b"RuntimeError: a bug" in body) == (500, True)
        assert asked(port, "GET", "/fine")[0] == 200
    assert "/bug cannot be answered" in caplog.text


def test_leaving_drops_what_is_open_and_frees_the_port() -> None:
    with served() as port:
        idle = socket.create_connection(("127.0.0.1", port), WITHIN)

    assert dropped(idle)
    listen(f"127.0.0.1:{port}").close()


def test_an_address_that_is_taken_is_refused_with_the_next_step() -> None:
    with served() as port, pytest.raises(ConfigurationError) as refused:
        listen(f"127.0.0.1:{port}")

    assert f"127.0.0.1:{port}: Address already in use" in str(refused.value)
    assert "give another address with --admin or LONGSHORE_ADMIN" in str(refused.value)


def test_an_address_that_is_nowhere_is_refused_with_the_next_step() -> None:
    with pytest.raises(ConfigurationError, match="give another address with --admin"):
        listen("no-such-host.invalid:9090")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:9090", ("127.0.0.1", 9090)),
        ("9090", ("127.0.0.1", 9090)),
        ("[::1]:9090", ("::1", 9090)),
        ("worker.local:0", ("worker.local", 0)),
    ],
    ids=["host", "port-alone", "ipv6", "free"],
)
def test_an_address_is_a_host_and_a_port(address: str, expected: tuple[str, int]) -> None:
    found = split(address)

    assert found == expected


def test_the_url_says_which_port_was_free() -> None:
    listener = listen("0")

    assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
