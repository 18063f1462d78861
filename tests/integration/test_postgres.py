"""An application whose tasks are in PostgreSQL, by the commands that its operators have."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest

from longshore.cli import ExitCode
from tests.integration.shop import PATIENCE, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]

APP: Final = """
import time
from pathlib import Path
from longshore import Longshore, Retry

app = Longshore()


@app.task
def add(a: int, b: int = 1) -> int:
    return a + b


@app.task(retry=Retry(attempts=1))
def mend(path: str) -> None:
    if not Path(path).exists():
        raise FileNotFoundError(path)


@app.task
def hold(path: str) -> None:
    while not Path(path).exists():
        time.sleep(0.01)
"""


@pytest.fixture
def shop(tmp_path: Path, postgres_url: str) -> Iterator[Shop]:
    module = f"shop_{uuid4().hex}"
    (tmp_path / f"{module}.py").write_text(APP, encoding="utf-8")
    settings = {"LONGSHORE_URL": f"{postgres_url}?schema=test_{uuid4().hex}"}
    made = Shop(folder=tmp_path, module=module, settings=settings)
    yield made
    made.end()
    made.run("deinit", "--yes", "--force")


def test_before_init_a_worker_says_how_to_make_the_tables_and_ends(shop: Shop) -> None:
    ran = shop.run("work", "--burst")

    assert ran.returncode == ExitCode.UNAVAILABLE
    assert "longshore init" in ran.stderr


def test_tasks_run_in_several_processes_and_every_one_is_in_the_log(shop: Shop) -> None:
    assert shop.run("init").returncode == 0
    worker = shop.start("work", "--processes", "2", "--concurrency", "4")

    shop.enqueue("add", 1, count=200)
    shop.until(lambda: shop.states() == ["succeeded"] * 200)
    worker.terminate()

    assert worker.wait(PATIENCE) == ExitCode.OK
    doctor = shop.run("doctor")
    assert doctor.returncode == ExitCode.OK, doctor.stdout
    assert "tables of version 1" in doctor.stdout


def test_a_task_that_failed_is_a_dead_letter_and_runs_again_once_its_cause_is_mended(
    shop: Shop, tmp_path: Path
) -> None:
    shop.run("init")
    path = tmp_path / "mended"
    shop.enqueue("mend", str(path))
    shop.run("work", "--burst")
    assert shop.states() == ["failed"]
    [letter] = shop.read("dlq", "list")["letters"]
    path.touch()

    redriven = shop.run("dlq", "redrive", letter["id"])
    shop.run("work", "--burst")

    assert redriven.returncode == 0, redriven.stderr
    assert shop.states() == ["succeeded"]
    assert shop.read("dlq", "list")["letters"] == []


def test_what_a_killed_worker_held_runs_again(shop: Shop, tmp_path: Path) -> None:
    shop.run("init")
    path = tmp_path / "open"
    first = shop.start("work")
    shop.enqueue("hold", str(path))
    shop.until_said("[PROCESSING] hold")

    first.send_signal(signal.SIGKILL)
    first.wait(PATIENCE)
    path.touch()
    shop.start("work")
    shop.until(lambda: shop.states() == ["succeeded"])

    [task] = shop.read("list")["tasks"]
    shown = json.loads(shop.run("show", task["id"], "--json").stdout)
    assert shown["attempts"] == 1, "an attempt that was lost is not one of the task's"
