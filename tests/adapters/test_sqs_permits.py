"""What these credentials may do on SQS: found out without altering anything."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args
from uuid import uuid4

import boto3.session
import pytest

from longshore.clock import SystemClock
from longshore.identity import TaskIds
from longshore.queue import Outgoing
from longshore.registry import Role
from longshore_adapters.sqs import ADAPTER
from tests.adapters.sqs_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from types_boto3_sqs import SQSClient

    from longshore.queue import Queue
    from longshore.registry import Permit
    from tests.adapters.sqs_proxy import Proxy

pytestmark = pytest.mark.once

CALLS = {
    "sqs:ChangeMessageVisibility": "ChangeMessageVisibilityBatch",
    "sqs:DeleteMessage": "DeleteMessageBatch",
    "sqs:GetQueueAttributes": "GetQueueAttributes",
    "sqs:ReceiveMessage": "ReceiveMessage",
    "sqs:SendMessage": "SendMessageBatch",
}
NOT_TRIED = {
    "sqs:CreateQueue",
    "sqs:DeleteQueue",
    "sqs:PurgeQueue",
    "sqs:StartMessageMoveTask",
    "sqs:TagQueue",
}


@pytest.fixture(params=["localstack_url", "moto_url"])
async def proxy(request: pytest.FixtureRequest, aws_environment: None) -> AsyncIterator[Proxy]:
    endpoint: str = request.getfixturevalue(request.param)
    async with proxied(endpoint) as proxy:
        yield proxy


@pytest.fixture(params=["", ".fifo"], ids=["standard", "fifo"])
async def queue(request: pytest.FixtureRequest, proxy: Proxy) -> AsyncIterator[Queue]:
    async with ADAPTER.open(f"sqs://?endpoint_url={proxy.url}", SystemClock()) as backend:
        assert backend.queue is not None
        queue = backend.queue(f"permits-{uuid4().hex[:12]}{request.param}")
        await queue.declare()
        yield queue
        proxy.fault = lambda _operation, _body: None
        await queue.delete()


async def probed(proxy: Proxy, queue: Queue) -> list[Permit]:
    url = f"sqs://?endpoint_url={proxy.url}"
    return await asyncio.to_thread(ADAPTER.probe, url, [queue.name])


def answers(permits: list[Permit], *, allowed: bool | None) -> set[str]:
    return {each.action for each in permits if each.allowed is allowed}


async def test_what_is_allowed_and_what_is_not_tried_is_told_apart(
    proxy: Proxy, queue: Queue
) -> None:
    permits = await probed(proxy, queue)

    assert answers(permits, allowed=True) == {*CALLS, "sqs:GetQueueUrl"}
    assert answers(permits, allowed=None) == NOT_TRIED
    assert answers(permits, allowed=False) == set()


async def test_every_action_that_a_policy_names_is_answered_for_its_queue(
    proxy: Proxy, queue: Queue
) -> None:
    permits = await probed(proxy, queue)

    statement: Any
    for role in get_args(Role):
        for statement in ADAPTER.permissions(
            f"sqs://?endpoint_url={proxy.url}", [queue.name], role
        ):
            for resource in statement["Resource"]:
                answered = {each.action for each in permits if each.resource == resource}
                assert answered >= set(statement["Action"])


async def test_asking_alters_nothing(proxy: Proxy, queue: Queue) -> None:
    session: Any = boto3.session.Session()
    raw: SQSClient = session.client("sqs", endpoint_url=proxy.url)

    def seen() -> list[Any]:
        urls = sorted(raw.list_queues(QueueNamePrefix=queue.name.partition(".")[0])["QueueUrls"])
        return [
            (
                url,
                raw.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"],
                raw.list_queue_tags(QueueUrl=url).get("Tags"),
            )
            for url in urls
        ]

    await queue.send([Outgoing(key=TaskIds()(), body=b"whole")])
    before = await asyncio.to_thread(seen)

    await probed(proxy, queue)

    assert await asyncio.to_thread(seen) == before
    taken = await queue.receive(limit=10, wait=timedelta(seconds=5), lease=timedelta(minutes=1))
    assert [(each.body, each.receives) for each in taken] == [(b"whole", 1)]


@pytest.mark.parametrize("action", CALLS)
async def test_what_is_denied_is_found_and_nothing_else(
    proxy: Proxy, queue: Queue, action: str
) -> None:
    proxy.fault = lambda operation, _body: "deny" if operation == CALLS[action] else None

    permits = await probed(proxy, queue)

    assert answers(permits, allowed=False) == {action}
    assert answers(permits, allowed=True) == {*CALLS, "sqs:GetQueueUrl"} - {action}


async def test_without_the_url_of_a_queue_nothing_of_it_is_found_out_and_that_is_said(
    proxy: Proxy, queue: Queue
) -> None:
    proxy.fault = lambda operation, _body: "deny" if operation == "GetQueueUrl" else None

    permits = await probed(proxy, queue)

    assert answers(permits, allowed=False) == {"sqs:GetQueueUrl"}
    assert answers(permits, allowed=True) == set()
    unknown = {each.text for each in permits if each.allowed is None}
    assert unknown == {"sqs:GetQueueUrl is denied"}


async def test_a_service_that_is_away_denies_nothing(proxy: Proxy, queue: Queue) -> None:
    proxy.fault = lambda _operation, _body: "cut"

    permits = await probed(proxy, queue)

    assert {each.allowed for each in permits} == {None}
    assert all("was not reached" in each.text for each in permits)


async def test_a_queue_that_is_not_there_is_not_made(proxy: Proxy, queue: Queue) -> None:
    await queue.delete()

    permits = await probed(proxy, queue)

    assert answers(permits, allowed=True) == set()
    assert proxy.asked["CreateQueue"] == 2
