from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

import pytest
from click.testing import CliRunner

from longshore.cli import main
from longshore.identity import TaskId
from longshore.protocol import Claim
from longshore.settings import Settings
from longshore.wiring import open_ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from longshore.ports import Ports
    from longshore.task import Task

T = TypeVar("T")

PLUGIN = """
from contextlib import asynccontextmanager

from longshore.conformance import FaultPlan, FlakyQueue
from longshore.registry import Backend, Finding, Permit, find_adapter


class Queue(FlakyQueue):
    few = False

    async def dead_letters(self, *, limit, after=None):
        if self.few and after is not None:
            return []
        return await super().dead_letters(limit=1 if self.few else limit, after=after)

    async def redrive_all(self, *, rate=None):
        ids = [letter.id for letter in await self.dead_letters(limit=100)]
        await self.redrive(ids)
        return f"{len(ids)} on their way, at {rate} a second"


def queue(inner, name, option):
    plan = FaultPlan()
    if name == "mail":
        plan.fail_next(option, 100)
    found = Queue(inner, plan)
    found.few = option == "few"
    return found


class Broker:
    @asynccontextmanager
    async def open(self, url, clock):
        option = url.partition("?")[2]
        async with find_adapter(inside(url)).open(inside(url), clock) as backend:
            yield Backend(url=url, queue=lambda name: queue(backend.queue(name), name, option))

    def init(self, url):
        return find_adapter(inside(url)).init(inside(url))

    def deinit(self, url):
        return find_adapter(inside(url)).deinit(inside(url))

    def examine(self, url, queues):
        said = ", ".join(queues)
        return [Finding(name="broker", verdict="warn", text=f"serves {said}", step="mend it")]

    def probe(self, url, queues):
        answers = {"queue:Look": True, "queue:producer": True, "queue:operator": None}
        answers["queue:worker"] = not url.endswith("?denied")
        return [
            Permit(action=action, resource=queue, allowed=allowed, text="not tried")
            for queue in queues
            for action, allowed in answers.items()
        ]

    def permissions(self, url, queues, role):
        named = {"Sid": "Queues", "Effect": "Allow", "Resource": list(queues)[::-1]}
        return [{**named, "Action": [f"queue:{role}", "queue:Look"]}]


def inside(url):
    return "sqlite://" + url.partition("?")[0].partition("://")[2]


ADAPTER = Broker()
"""

APP = """
from longshore import Context, Longshore, Report

app = Longshore()


@app.task
def add(a: int, b: int = 2) -> int:
    print("adding", a, b)
    return a + b


@app.task(queue="mail", retry=1)
async def boom(ctx: Context, text: str = "no") -> None:
    ctx.log.info("about to fail")
    raise ValueError(text)


@app.task
def report() -> Report:
    return Report.success("two parts", size=2).add(Report.info("the first"))
"""


@dataclass
class Cli:
    """The command line, in a folder of its own with an application and a SQLite file."""

    folder: Path
    module: str

    @property
    def app(self) -> str:
        return f"{self.module}:app"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'tasks.db'}"

    def module_of(self, code: str) -> str:
        """Write another module, under a name that no other test has."""
        name = f"other_{uuid4().hex}"
        (self.folder / f"{name}.py").write_text(code, encoding="utf-8")
        return name

    def plugin(self) -> str:
        """Install an adapter that is a queue alone, as a package would be; answer its URL.

        The URL may have `?few`: it shows one dead letter at a time; `?denied`: a worker's calls
        are; or a verb of a queue: that fails for the queue `mail`.
        """
        scheme, name = f"broker{uuid4().hex}", self.module_of(PLUGIN)
        about = self.folder / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n", encoding="utf-8")
        point = f"[longshore.adapters]\n{scheme} = {name}:ADAPTER\n"
        (about / "entry_points.txt").write_text(point, encoding="utf-8")
        return f"{scheme}:///{self.folder / 'broker.db'}"

    def __call__(self, *words: str, code: int = 0, given: str | None = None) -> Result:
        result = CliRunner().invoke(main, list(words), input=given)
        assert result.exit_code == code, (words, result.output, result.exc_info)
        return result

    def out(self, *words: str, code: int = 0, given: str | None = None) -> str:
        return self(*words, code=code, given=given).stdout

    def err(self, *words: str, code: int = 0, given: str | None = None) -> str:
        return self(*words, code=code, given=given).stderr

    def json(self, *words: str, code: int = 0, given: str | None = None) -> Any:
        return json.loads(self.out(*words, "--json", code=code, given=given))

    def enqueue(self, *words: str) -> str:
        """Enqueue a task of the application, and answer its id."""
        return self.out("enqueue", *words, "--app", self.app).strip()

    def batch(self, *lines: object) -> list[str]:
        """Enqueue many, and answer their ids."""
        given = "\n".join(json.dumps(line) for line in lines)
        return self.out("enqueue", "--batch", "-", "--app", self.app, given=given).split()

    def work(self) -> str:
        """Let a worker do what there is; answer its log."""
        return self.err("work", "--once", "--app", self.app)

    def states(self) -> dict[str, str]:
        tasks = self.json("list", "--limit", "1000")["tasks"]
        return {task["id"]: task["state"] for task in tasks}

    def ported(self, work: Callable[[Ports], Awaitable[T]], queue_url: str | None = None) -> T:
        """Do something beside the command line."""
        settings = Settings.load(url=self.url, queue_url=queue_url)

        async def run() -> T:
            async with open_ports(settings) as ports:
                return await work(ports)

        return asyncio.run(run())

    def claim(self, task_id: str, *, lease: float = 60) -> Task:
        """Let a worker that is not there hold the task."""

        async def work(ports: Ports) -> Task:
            (row,) = await ports.task_log.get([TaskId(task_id)])
            assert row is not None
            claim = Claim(
                spec=row.spec,
                claim_id="other",
                worker="elsewhere:1",
                lease=timedelta(seconds=lease),
                due_at=row.due_at,
            )
            await ports.task_log.claim([claim])
            (row,) = await ports.task_log.get([TaskId(task_id)])
            assert row is not None
            return row

        return self.ported(work)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a case by the words of its command line."""
    if not isinstance(val, tuple):
        return None
    words = cast("tuple[object, ...]", val)
    return " ".join(map(str, words)) if all(isinstance(word, str) for word in words) else None


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    module = f"shop_{uuid4().hex}"
    (tmp_path / f"{module}.py").write_text(APP, encoding="utf-8")
    known = set(sys.modules)
    for name in list(os.environ):
        if name.startswith("LONGSHORE_"):
            monkeypatch.delenv(name)
    found = Cli(tmp_path, module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("LONGSHORE_URL", found.url)
    yield found
    for name in set(sys.modules) - known:
        if name.startswith(("shop_", "other_")):
            del sys.modules[name]


@pytest.fixture(scope="session", autouse=True)
def _heap_of_the_tests() -> Iterator[None]:
    """Keep what is loaded out of the collection that each worker begins with.

    Of all that was collected as tests it took a tenth of a second, hundreds of times.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _process_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a worker does to its process: it configures logging, and would freeze the heap."""
    monkeypatch.setattr(gc, "freeze", lambda: None)
    ours = logging.getLogger("longshore")
    before = ours.level, ours.propagate, list(ours.handlers)
    yield
    for handler in ours.handlers:
        if handler not in before[2]:
            handler.close()
    ours.level, ours.propagate, ours.handlers = before
