"""Queue on SQS and log on DynamoDB, as an application has them: LocalStack and DynamoDB Local."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from longshore import Context, Longshore, RetryLater
from longshore.registry import find_adapter
from longshore.settings import Settings
from longshore.task import TaskState
from longshore.wiring import open_ports, policy_of, worker_options
from longshore.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Generator

    from longshore.session import Live

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]


@contextmanager
def application(sqs: str, dynamodb: str, queue: str, **queues: Any) -> Generator[Longshore]:
    """An application with a table and queues of its own, gone afterwards."""
    name = f"t{uuid4().hex[:12]}"
    log_url = f"dynamodb://{name}?endpoint_url={dynamodb}"
    queue_url = f"sqs://?endpoint_url={sqs}&prefix={name}-"
    find_adapter(log_url).init(log_url)
    with Longshore(url=log_url, queue_url=queue_url, queue=queue, queues=queues) as app:

        async def declare(live: Live) -> None:
            await live.ports.queue(queue).declare()

        app.session.call(declare)
        yield app

        async def delete(live: Live) -> None:
            await live.ports.queue(queue).delete()

        app.session.call(delete)
    find_adapter(log_url).deinit(log_url)


async def work(app: Longshore, *, workers: int = 1, concurrency: int = 10) -> int:
    """Let workers empty the queue, each with connections of its own; count what they did."""
    settings: Settings = app.settings
    done = 0
    for _ in range(workers):
        async with open_ports(settings) as ports:
            options = replace(worker_options(settings), burst=True, concurrency=concurrency)
            stopped = await Worker(ports, app.registry, policy_of(settings), options).run()
            done += stopped.done
    return done


async def test_tasks_of_a_group_run_in_order_whatever_runs_beside_them(
    moto_url: str, dynamodb_url: str, aws_environment: None
) -> None:
    """On moto: LocalStack 4.14 lets a group go on while a message of it is held back."""
    with application(moto_url, dynamodb_url, "orders.fifo") as app:
        began: list[str] = []

        @app.task
        async def step(ctx: Context, name: str) -> None:
            began.append(name)
            if name == "b3" and ctx.attempt == 1:
                raise RetryLater("1 second")
            await ctx.clock.sleep(0.01)

        steps = [
            step.using(tenant=group).message(name=f"{group}{n}") for n in range(8) for group in "ab"
        ]
        app.enqueue_many(steps)
        await work(app, workers=3)

    assert [name for name in began if name[0] == "a"] == [f"a{n}" for n in range(8)]
    with_retry = [f"b{n}" for n in (0, 1, 2, 3, 3, 4, 5, 6, 7)]
    assert [name for name in began if name[0] == "b"] == with_retry


async def test_a_synchronous_producer_needs_no_loop_and_its_row_follows(
    localstack_url: str, dynamodb_url: str, aws_environment: None
) -> None:
    with application(localstack_url, dynamodb_url, "default") as app:

        @app.task
        async def hello(name: str) -> str:
            return f"hello {name}"

        sent: list[Any] = []
        thread = threading.Thread(target=lambda: sent.append(hello.enqueue("you")))
        thread.start()
        thread.join()
        done = await work(app)
        row = await sent[0].await_end(timedelta(seconds=20))

    assert done == 1
    assert (row.state, row.result) == (TaskState.SUCCEEDED, b'"hello you"')


async def test_a_key_is_decided_by_the_row_and_a_long_delay_waits_in_it(
    localstack_url: str, dynamodb_url: str, aws_environment: None
) -> None:
    with application(localstack_url, dynamodb_url, "default") as app:

        @app.task
        async def pay(amount: int) -> int:
            return amount

        first = pay.using(key="order 1").enqueue(1)
        second = pay.using(key="order 1").enqueue(2)
        later = pay.using(delay="16 minutes").enqueue(3)
        done = await work(app)
        paid, waiting = first.task(), later.task()

    assert (first.id, done) == (second.id, 1)
    assert paid.result == b"1"
    assert (waiting.state, waiting.wake_at) == (TaskState.SCHEDULED, waiting.due_at)


@pytest.mark.parametrize(("log", "rows"), [("claims", 1), ("off", 0)])
async def test_a_queue_may_log_less(
    localstack_url: str, dynamodb_url: str, aws_environment: None, log: str, rows: int
) -> None:
    with application(localstack_url, dynamodb_url, "default", default={"log": log}) as app:

        @app.task
        async def hello(name: str) -> str:
            return f"hello {name}"

        handle = hello.enqueue("you")
        done = await work(app)

        async def found(live: Live) -> list[Any]:
            return [row for row in await live.ports.task_log.get([handle.id]) if row is not None]

        kept = await app.session.acall(found)

    assert done == 1
    assert len(kept) == rows
