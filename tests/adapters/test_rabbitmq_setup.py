from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import pytest

from longshore.clock import SystemClock
from longshore.conformance.queue.hands import message
from longshore.errors import UnavailableError
from longshore.settings import mask_url
from longshore_adapters.rabbitmq import ADAPTER
from tests.certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from longshore.queue import Queue
    from longshore.registry import Backend
    from tests.brokers.private import PrivateBroker

pytestmark = pytest.mark.once

LEASE = timedelta(seconds=30)
MANY = 2000


def named(backend: Backend, name: str = "q") -> Queue:
    assert backend.queue is not None
    return backend.queue(name)


def prefixed(url: str, options: str = "") -> str:
    return f"{url}?prefix=setup-{uuid4().hex[:8]}-{options}"


async def test_the_doctor_says_what_is_there_missing_and_otherwise(rabbitmq_url: str) -> None:
    url = prefixed(rabbitmq_url)
    async with (
        ADAPTER.open(url, SystemClock()) as ours,
        ADAPTER.open(f"{url}&type=classic", SystemClock()) as other,
    ):
        await named(ours, "good").declare()
        await named(other, "odd").declare()

        found = await asyncio.to_thread(ADAPTER.examine, url, ["good", "odd", "none", "amq.x" * 60])

        await named(ours, "good").delete()
        await named(other, "odd").delete()
    by_name = {
        each.name.rpartition("-")[2] if "dlq" not in each.name else "": each for each in found
    }
    assert (by_name["RabbitMQ server"].verdict, "version" in by_name["RabbitMQ server"].text) == (
        "ok",
        True,
    )
    assert by_name["good"].verdict == "ok"
    assert by_name["odd"].verdict == "fail"
    assert "x-queue-type" in by_name["odd"].text
    assert (by_name["none"].verdict, by_name["none"].step) == ("fail", "run: longshore init")
    assert [each.verdict for each in found if "amq" in each.name] == ["fail"]


def test_the_doctor_says_that_nobody_answers() -> None:
    [found] = ADAPTER.examine("rabbitmq://127.0.0.1:1", ["q"])

    assert found.verdict == "fail"
    assert "was not reached" in found.text


async def test_deinit_spares_the_queues_of_an_application_whose_prefix_begins_alike(
    private_rabbitmq: PrivateBroker,
) -> None:
    managed = f"&management={private_rabbitmq.management_url}"
    ours = prefixed(private_rabbitmq.url, managed)
    prefix = ours.partition("prefix=")[2].partition("&")[0]
    theirs = ours.replace(prefix, f"{prefix}eu-")
    async with ADAPTER.open(theirs, SystemClock()) as opened:
        await named(opened).declare()
        await named(opened).send([message()])

        said = await asyncio.to_thread(ADAPTER.deinit, ours)

        assert said == []
        assert (await named(opened).depth()).ready == 1
        await named(opened).delete()


async def test_deinit_removes_the_ladder_of_its_prefix(rabbitmq_url: str) -> None:
    url = prefixed(rabbitmq_url, "&ladder=on")
    async with ADAPTER.open(url, SystemClock()) as opened:
        await named(opened).declare()
        await named(opened).delete()

    [said] = await asyncio.to_thread(ADAPTER.deinit, url)

    assert said.startswith("rabbitmq: removed the ladder")


def test_deinit_asks_nobody_where_nothing_is_its_own() -> None:
    assert ADAPTER.deinit("rabbitmq://127.0.0.1:1?prefix=a-") == []  # where nothing answers
    assert ADAPTER.deinit("rabbitmq://127.0.0.1:1?ladder=on") == []


def test_init_says_where_and_makes_nothing() -> None:
    assert ADAPTER.init("rabbitmq://one,two/v") == [
        "rabbitmq at one:5672, two:5672, virtual host v: nothing to make besides its queues"
    ]


def test_a_rehearsal_needs_no_server() -> None:
    with ADAPTER.rehearsal() as url:
        assert url == "memory://"


def test_the_password_of_a_url_is_masked() -> None:
    assert "secret" not in mask_url("rabbitmq://me:secret@one:5672,two:5672/v?prefix=a-")


async def test_what_others_hold_is_counted_with_the_management_api(
    private_rabbitmq: PrivateBroker,
) -> None:
    url = prefixed(private_rabbitmq.url, f"&management={private_rabbitmq.management_url}")
    async with ADAPTER.open(url, SystemClock()) as one, ADAPTER.open(url, SystemClock()) as two:
        await named(one).declare()
        await named(one).send([message(), message()])
        await named(one).receive(limit=1, wait=LEASE, lease=LEASE)

        async with asyncio.timeout(30):  # its figures are up to five seconds old
            while (depth := await named(two).depth()).in_flight == 0:
                await asyncio.sleep(0.1)

        assert (depth.ready, depth.in_flight) == (1, 1)
        assert "in_flight" in depth.approximate
        assert "ready" not in depth.approximate
        await named(one).delete()


async def test_without_the_management_api_ready_ones_are_counted_all_the_same(
    rabbitmq_url: str,
) -> None:
    url = prefixed(rabbitmq_url, "&management=http://127.0.0.1:1")
    async with ADAPTER.open(url, SystemClock()) as opened:
        await named(opened).declare()
        await named(opened).send([message()])

        depth = await named(opened).depth()

        assert depth.ready == 1
        await named(opened).delete()


class OverTls:
    """TLS in front of a server that has none."""

    def __init__(self, certificates: Certificates, port: int) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates.certificate, certificates.key)
        self._server_port = port
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._server_port)
        await asyncio.gather(_pass(reader, there[1]), _pass(there[0], writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, ssl.SSLError):
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def tls(rabbitmq_url: str, tmp_path: Path) -> AsyncIterator[tuple[OverTls, Certificates]]:
    certificates = Certificates(tmp_path)
    async with OverTls(certificates, int(rabbitmq_url.rpartition(":")[2])) as opened:
        yield opened, certificates


async def test_everything_goes_over_tls(tls: tuple[OverTls, Certificates]) -> None:
    over, certificates = tls
    url = prefixed(f"rabbitmqs://localhost:{over.port}", f"&ca_file={certificates.certificate}")
    sent = [message(b"%d" % number * 100) for number in range(MANY)]
    async with ADAPTER.open(url, SystemClock()) as opened:
        queue = named(opened)
        await queue.declare()

        answers = await asyncio.gather(
            *(queue.send(sent[first : first + 500]) for first in range(0, MANY, 500))
        )
        large = await queue.send([message(b"x" * 3_000_000)])
        came = 0
        while came <= MANY:
            taken = await queue.receive(limit=200, wait=LEASE, lease=LEASE)
            came += len(taken)
            await queue.ack(taken)
        with ADAPTER.open_sender(url, SystemClock()) as sender:
            lone = await asyncio.to_thread(sender.send, "q", [message()])

        assert answers == [[None] * 500] * 4
        assert large == lone == [None]
        await queue.delete()


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls: tuple[OverTls, Certificates],
) -> None:
    over, _ = tls
    async with ADAPTER.open(f"rabbitmqs://localhost:{over.port}", SystemClock()) as opened:
        with pytest.raises(UnavailableError, match=r"certificate"):
            await named(opened).declare()


async def test_a_certificate_may_be_taken_unseen(tls: tuple[OverTls, Certificates]) -> None:
    over, _ = tls
    url = prefixed(f"rabbitmqs://localhost:{over.port}", "&verify=off")
    async with ADAPTER.open(url, SystemClock()) as opened:
        assert await named(opened).declare() is True
        await named(opened).delete()
