"""A queue that others fill, and the worker that serves it; what their messages became."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from longshore.codec import decode
from longshore.queue import SupportsDeadLetters
from longshore.task import TaskState
from longshore.task_log import TaskQuery
from longshore.wiring import open_ports, policy_of, worker_options
from longshore.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore import Longshore
    from longshore.message import Message
    from longshore.queue import DeadLetter
    from longshore.task import Task

PRODUCERS: Final = Path(__file__).parent / "producers"
TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DEADLINE: Final = 30.0
PACE: Final = 0.05
NOTHING: Final[Mapping[str, str]] = {}


@dataclass
class Dock:
    """The queue `name` of an application, on the server at `url`."""

    url: str
    app: Longshore
    name: str

    def works(self, messages: int = 1) -> list[Task]:
        """Let a worker empty the queue, once it holds so many; the rows of the log."""
        return asyncio.run(self._works(messages))

    def letters(self) -> list[DeadLetter]:
        return asyncio.run(self._letters())

    async def declare(self) -> None:
        async with open_ports(self.app.settings) as ports:
            await ports.queue(self.name).declare()

    async def delete(self) -> None:
        async with open_ports(self.app.settings) as ports:
            await ports.queue(self.name).delete()

    async def _works(self, messages: int) -> list[Task]:
        settings = self.app.settings
        options = replace(worker_options(settings, (self.name,)), burst=True, publish=False)
        async with open_ports(settings) as ports, asyncio.timeout(DEADLINE):
            while (await ports.queue(self.name).depth()).ready < messages:
                await asyncio.sleep(PACE)  # services hand over in their own time
            await Worker(ports, self.app.registry, policy_of(settings), options).run()
            return list((await ports.task_log.find(TaskQuery(), limit=10)).tasks)

    async def _letters(self) -> list[DeadLetter]:
        async with open_ports(self.app.settings) as ports:
            queue = ports.queue(self.name)
            assert isinstance(queue, SupportsDeadLetters)
            return await queue.dead_letters(limit=10)


def declare_tasks(app: Longshore) -> None:
    """The tasks that the messages of these tests mean."""

    @app.task
    async def ship(order: int) -> str:
        return f"shipped {order}"

    @app.on("order.placed", source="foreign-*")
    @app.task(name="invoice.render")
    async def render(order: int, copies: int = 1) -> list[int]:
        return [order] * copies

    @app.on("ObjectCreated:*", source="aws:s3")
    async def store(records: list[dict[str, Any]]) -> list[str]:
        return [record["s3"]["object"]["key"] for record in records]


def said(words: list[str]) -> str:
    """What a producer printed."""
    done = subprocess.run(words, capture_output=True, check=False, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def message(task: Task) -> Message:
    body = task.body or task.spec.body
    return decode(body)


def result(task: Task) -> object:
    assert task.state is TaskState.SUCCEEDED, (task.state, task.error)
    return json.loads(task.result or b"null")


def event(**attributes: object) -> dict[str, object]:
    required = {"specversion": "1.0", "id": "7b1f", "source": "/billing", "type": "invoice.render"}
    return required | attributes
