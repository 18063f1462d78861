"""Requests over kept connections, to a server that answers by script."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Any

import pytest

from longshore_adapters.sqs.posts import DirectPosts, posts_to
from tests.certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

YES = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
THEN_GONE = b"*"
"""At the end of an answer: the server closes behind it."""
UNSEEN = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}


class Scripted(ThreadingTCPServer):
    """Gives each request the next answer, and notes what came over which connection."""

    daemon_threads = True

    def __init__(self, *answers: bytes, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.answers = deque(answers)
        self.requests: list[bytes] = []
        self.peers: list[Any] = []
        self.closed = threading.Semaphore(0)
        self.context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError), ExitStack() as stack:  # who does not believe us goes
            if self.context is not None:
                request = self.context.wrap_socket(request, server_side=True)
            stack.callback(request.close)
            super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.closed.release()

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


class Answering(StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Scripted)
        while request := self.asked():
            self.server.requests.append(request)
            self.server.peers.append(self.client_address)
            answer = self.server.answers.popleft()
            self.wfile.write(answer.removesuffix(THEN_GONE))
            if answer.endswith(THEN_GONE):
                return

    def asked(self) -> bytes:
        first = self.rfile.readline()
        lines = list(iter(self.rfile.readline, b"\r\n")) if first else []
        length = sum(int(e[15:]) for e in lines if e.lower().startswith(b"content-length:"))
        return first + b"".join(lines) + self.rfile.read(length)


@contextmanager
def serving(*answers: bytes, context: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    with Scripted(*answers, context=context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in UNSEEN:
        monkeypatch.delenv(name, raising=False)


def test_a_connection_is_kept_for_the_next_request() -> None:
    with serving(YES, YES) as server:
        posts = posts_to(server.url, verify=True)

        answers = [posts.send({"X-Of": "ours"}, body) for body in (b"one", b"two")]
        posts.close()

        assert answers == [b"{}", b"{}"]
        assert len(set(server.peers)) == 1
        first, second = server.requests
        assert first.startswith(b"POST / HTTP/1.1\r\n")
        assert b"\r\nX-Of: ours\r\n" in first
        assert second.endswith(b"two")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(YES + THEN_GONE, id="without a word"),
        pytest.param(YES.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), id="announced"),
        pytest.param(YES.replace(b"1.1", b"1.0") + THEN_GONE, id="as HTTP/1.0 does"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n{}" + THEN_GONE, id="as the answer's end"),
    ],
)
def test_a_connection_that_ended_is_not_used_again(answer: bytes) -> None:
    with serving(answer, YES) as server:
        posts = posts_to(server.url, verify=True)

        first = posts.send({}, b"one")
        server.closed.acquire(timeout=10)
        second = posts.send({}, b"two")
        posts.close()

        assert (first, second) == (b"{}", b"{}")
        assert len(set(server.peers)) == len(server.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + YES,
        YES.replace(b"Content-Length", b"content-LENGTH"),
    ],
    ids=["chunked", "after a continue", "in another spelling"],
)
def test_whatever_http_allows_is_read_and_the_connection_is_kept(answer: bytes) -> None:
    with serving(answer, YES) as server:
        posts = posts_to(server.url, verify=True)

        answers = [posts.send({}, body) for body in (b"one", b"two")]
        posts.close()

        assert answers == [b"{}", b"{}"]
        assert len(set(server.peers)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(THEN_GONE, id="none"),
        pytest.param(b"<html>" + THEN_GONE, id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}" + THEN_GONE, id="cut"),
        pytest.param(YES.replace(b"200 OK", b"503 Gone"), id="an error"),
        pytest.param(YES.replace(b"200 OK", b"302 Found\r\nLocation: /"), id="a redirect"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", id="endless headers"),
    ],
)
def test_what_is_not_plainly_answered_is_none_and_spoils_no_other(answer: bytes) -> None:
    with serving(answer, YES) as server:
        posts = posts_to(server.url, verify=True)

        first, second = posts.send({}, b"one"), posts.send({}, b"two")
        posts.close()

        assert (first, second) == (None, b"{}")
        assert len(server.requests) == 2


def test_an_answer_that_does_not_come_in_time_is_none() -> None:
    with serving(b"HTTP/1.1 200 OK\r\n", YES) as server:
        posts = DirectPosts(server.url, verify=True, longest=0.2)

        first, second = posts.send({}, b"one"), posts.send({}, b"two")
        posts.close()

        assert (first, second) == (None, b"{}")
        assert len(set(server.peers)) == 2


def test_where_nobody_listens_nothing_is_answered() -> None:
    with serving() as server:
        url = server.url

    assert posts_to(url, verify=True).send({}, b"one") is None


@pytest.mark.parametrize("text", ["a\nX-Theirs: b", "a\rX-Theirs: b", "€"])
def test_what_is_no_header_is_not_sent(text: str) -> None:
    with serving() as server:
        posts = posts_to(server.url, verify=True)

        answer = posts.send({"X-Amz-Security-Token": text}, b"one")

        assert (answer, server.requests) == (None, [])


def test_a_connection_in_use_while_closing_is_closed_behind_its_answer() -> None:
    with serving(YES, YES) as server:
        posts = posts_to(server.url, verify=True)
        posts.close()

        answer = posts.send({}, b"one")

        assert answer == b"{}"
        assert server.closed.acquire(timeout=10)


def test_threads_share_connections_and_each_gets_its_own_answer() -> None:
    count = 200
    with serving() as server:
        posts = posts_to(server.url, verify=True)
        server.answers.extend([YES] * count)
        answers: list[bytes | None] = []

        def send() -> None:
            answers.extend(posts.send({}, b"x") for _ in range(count // 8))

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        posts.close()

        assert answers == [b"{}"] * count
        assert len(set(server.peers)) <= 8


@pytest.mark.parametrize(("host", "believed"), [("localhost", True), ("127.0.0.1", False)])
def test_a_server_is_believed_by_its_name_and_its_certificate(
    tmp_path: Path, host: str, *, believed: bool
) -> None:
    certificates = Certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with serving(YES, YES, context=context) as server:
        url = f"https://{host}:{server.port}/"
        posts = posts_to(url, verify=str(certificates.certificate))

        answers = [posts.send({}, body) for body in (b"one", b"two")]
        posts.close()

        assert answers == [b"{}" if believed else None] * 2
        assert posts_to(url, verify=True).send({}, b"three") is None
        assert len(set(server.peers)) == int(believed)


def test_a_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(YES) as server:
        monkeypatch.setenv("http_proxy", server.url.replace("//", "//user:secret@"))
        posts = posts_to("http://sqs.invalid/", verify=True)

        answer = posts.send({"Host": "sqs.invalid"}, b"one")
        posts.close()

        assert answer == b"{}"
        assert server.requests[0].startswith(b"POST http://sqs.invalid/ HTTP/1.1\r\n")
        assert server.requests[0].count(b"Host:") == 1
        assert b"Proxy-Authorization: Basic" in server.requests[0]


def test_a_proxy_that_does_not_answer_plainly_answers_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(YES.replace(b"200 OK", b"407 Who"), THEN_GONE) as server:
        monkeypatch.setenv("http_proxy", server.url)
        posts = posts_to("http://sqs.invalid/", verify=True)

        assert [posts.send({}, b"one"), posts.send({}, b"two")] == [None, None]
        posts.close()


def test_a_host_that_is_excepted_is_asked_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(YES) as server:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        posts = posts_to(server.url, verify=True)

        answer = posts.send({}, b"one")
        posts.close()

        assert answer == b"{}"
        assert server.requests[0].startswith(b"POST / HTTP/1.1\r\n")
