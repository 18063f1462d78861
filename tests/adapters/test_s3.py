"""Fetching from S3: what is read, what is the message's fault, and what S3's."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from longshore.clock import SystemClock
from longshore.errors import ClosedError, ConfigurationError, MessageError, UnavailableError
from longshore_adapters.s3 import ADAPTER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from longshore.codec.fetch import Fetcher

pytestmark = pytest.mark.once

LIMIT = 1000
ODD_KEYS = ["in box/a+b c.txt", "in%20box/a%2Bb", "größe/日本.json", "a?b=c#d", "a//b/", "a=b&c,d"]


@asynccontextmanager
async def fetching() -> AsyncGenerator[Fetcher]:
    async with ADAPTER.open("s3://", SystemClock()) as backend:
        assert backend.fetcher is not None
        assert (backend.queue, backend.task_log, backend.store) == (None, None, None)
        yield backend.fetcher


async def fetch(url: str, limit: int = LIMIT) -> bytes:
    async with fetching() as fetcher:
        return await fetcher.fetch(url, limit=limit)


# ---------------------------------------------------------------------------- against emulators


@dataclass
class Bucket:
    name: str
    client: Any

    def put(self, key: str, content: bytes) -> str:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)
        return f"s3://{self.name}/{key}"


@pytest.fixture(params=["localstack", "moto"])
def bucket(
    request: pytest.FixtureRequest, aws_environment: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bucket]:
    url = request.getfixturevalue(f"{request.param}_url")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    made = Bucket(f"fetch-{uuid4().hex[:12]}", import_module("boto3").client("s3"))
    made.client.create_bucket(Bucket=made.name)
    yield made
    for each in made.client.list_objects_v2(Bucket=made.name).get("Contents", []):
        made.client.delete_object(Bucket=made.name, Key=each["Key"])
    made.client.delete_bucket(Bucket=made.name)


@pytest.mark.parametrize("size", [0, 1, LIMIT])
async def test_an_object_is_read_as_it_was_put(bucket: Bucket, size: int) -> None:
    content = bytes(number % 256 for number in range(size))

    url = bucket.put("large/a", content)

    assert await fetch(url) == content


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_a_key_stands_in_the_url_as_it_is(bucket: Bucket, key: str) -> None:
    url = bucket.put(key, b"x")

    assert await fetch(url) == b"x"


async def test_a_key_is_never_decoded(bucket: Bucket) -> None:
    bucket.put("in box", b"x")

    with pytest.raises(MessageError, match="NoSuchKey"):
        await fetch(f"s3://{bucket.name}/in%20box")


async def test_one_fetcher_reads_many_at_once(bucket: Bucket) -> None:
    urls = [bucket.put(f"a{number}", b"%d" % number) for number in range(20)]

    async with fetching() as fetcher:
        read = await asyncio.gather(*(fetcher.fetch(url, limit=LIMIT) for url in urls))

    assert read == [b"%d" % number for number in range(20)]


async def test_what_is_not_there_is_the_messages_fault(bucket: Bucket) -> None:
    with pytest.raises(MessageError, match="NoSuchKey"):
        await fetch(f"s3://{bucket.name}/missing")
    with pytest.raises(MessageError, match="NoSuchBucket"):
        await fetch(f"s3://{bucket.name}-missing/a")


async def test_what_is_too_large_is_the_messages_fault(bucket: Bucket) -> None:
    url = bucket.put("a", bytes(LIMIT + 1))

    with pytest.raises(MessageError, match="1,001 bytes or more, and the limit is 1,000"):
        await fetch(url)


# ------------------------------------------------------------- against a server of a few answers


@dataclass
class Server:
    """Answers each request with the next of its answers, the last again and again."""

    answers: list[bytes] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    endless: bool = False
    sent: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        writer.write(answer)
        try:
            while self.endless:
                writer.write(bytes(10_000))
                await writer.drain()
                self.sent += 10_000
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def server(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
    async with listening:
        yield made


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answer(status: int, body: bytes, size: int | None = -1) -> bytes:
    """Write an answer; `size` is what it says its size is, None that it says nothing."""
    length = len(body) if size == -1 else size
    told = "" if length is None else f"Content-Length: {length}\r\n"
    return f"HTTP/1.1 {status} So\r\n{told}Connection: close\r\n\r\n".encode() + body


def error(status: int, code: str) -> bytes:
    return answer(status, f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode())


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (403, "InvalidObjectState"), (404, "NoSuchKey")]
)
async def test_what_may_not_be_read_is_the_messages_fault(
    server: Server, status: int, code: str
) -> None:
    server.answers = [error(status, code)]

    with pytest.raises(MessageError, match=code):
        await fetch("s3://box/a")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalError"),
        (503, "SlowDown"),
        (502, "Strange"),
        (429, "TooManyRequests"),
        (400, "RequestTimeout"),
        (403, "InvalidAccessKeyId"),
        (403, "RequestTimeTooSkewed"),
        (403, "SignatureDoesNotMatch"),
        (400, "ExpiredToken"),
    ],
)
async def test_what_ends_by_itself_or_is_the_workers_own_fault_leaves_the_message(
    server: Server, status: int, code: str
) -> None:
    server.answers = [error(status, code)]

    with pytest.raises(UnavailableError, match=code):
        await fetch("s3://box/a")


async def test_a_moment_without_an_answer_is_waited_out(server: Server) -> None:
    server.answers = [error(503, "SlowDown"), answer(200, b"x")]

    assert await fetch("s3://box/a") == b"x"


async def test_an_answer_that_breaks_off_leaves_the_message(server: Server) -> None:
    server.answers = [answer(200, b"x" * 10, size=LIMIT)]

    with pytest.raises(UnavailableError):
        await fetch("s3://box/a")


async def test_a_server_that_is_not_there_leaves_the_message(
    server: Server, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{unused_port}")

    with pytest.raises(UnavailableError, match="S3 does not answer for s3://box/a"):
        await fetch("s3://box/a")


@pytest.mark.parametrize("size", [10**9, None], ids=["said", "not said"])
async def test_more_than_the_limit_is_not_read_to_its_end(server: Server, size: int | None) -> None:
    server.answers, server.endless = [answer(200, b"", size=size)], True

    with pytest.raises(MessageError, match="the limit is 1,000"):
        await fetch("s3://box/a")

    assert server.sent < 10**8


@pytest.mark.parametrize("url", ["s3://", "s3://box", "s3://box/", "s3:///a", "s3://b o x/a"])
async def test_what_is_no_place_is_the_messages_fault(server: Server, url: str) -> None:
    with pytest.raises(MessageError, match="is no place in S3"):
        await fetch(url)

    assert server.requests == []


@pytest.mark.parametrize("key", ["../other/a", "large/../a", "large/./a", ".."])
async def test_nothing_steps_out_of_a_place_that_is_allowed(server: Server, key: str) -> None:
    with pytest.raises(MessageError, match="step"):
        await fetch(f"s3://box/{key}")

    assert server.requests == []


async def test_the_region_is_that_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    server.answers = [answer(200, b"x")]

    await fetch("s3://box/a")

    assert "/eu-central-1/s3/aws4_request" in server.requests[0]


# -------------------------------------------------------------------------------------- opening


async def test_opening_dials_nothing(server: Server) -> None:
    async with fetching():
        pass

    assert server.requests == []


async def test_a_closed_fetcher_says_so(server: Server) -> None:
    async with fetching() as fetcher:
        pass

    with pytest.raises(ClosedError):
        await fetcher.fetch("s3://box/a", limit=LIMIT)


async def test_a_bucket_is_not_opened_as_a_queue() -> None:
    with pytest.raises(ConfigurationError, match="s3:// only fetches"):
        async with ADAPTER.open("s3://bucket", SystemClock()):
            pass


async def test_a_missing_sdk_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "longshore_adapters.s3.fetcher", raising=False)
    monkeypatch.setitem(sys.modules, "aiobotocore.config", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'longshore\[s3\]'"):
        async with fetching():
            pass


def test_nothing_is_kept_there() -> None:
    assert (ADAPTER.init("s3://"), ADAPTER.deinit("s3://")) == ([], [])


@pytest.mark.parametrize(
    ("place", "resources"),
    [
        ("s3://claims", ["arn:aws:s3:::claims/*"]),
        ("s3://claims/big/", ["arn:aws:s3:::claims/big", "arn:aws:s3:::claims/big/*"]),
    ],
)
def test_a_worker_may_read_what_lies_below_a_place(place: str, resources: list[str]) -> None:
    (statement,) = ADAPTER.permissions(place, ["default"], "worker")

    assert statement["Action"] == ["s3:GetObject"]
    assert statement["Resource"] == resources


def test_nobody_but_a_worker_fetches() -> None:
    assert ADAPTER.permissions("s3://claims", ["default"], "producer") == []
    assert ADAPTER.permissions("s3://claims", ["default"], "operator") == []
