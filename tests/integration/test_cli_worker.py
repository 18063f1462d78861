"""The command line as processes: signals, several workers, and what is left behind (E02, T05)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import psutil
import pytest

from longshore.cli import ExitCode
from tests.integration.shop import PATIENCE, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)  # several processes each, which begin late on a busy machine

APP: Final = """
import asyncio, time
from pathlib import Path
from longshore import Context, Longshore

app = Longshore()


@app.task
def add(a: int) -> int:
    return a + 1


@app.task
async def linger(ctx: Context) -> None:
    await asyncio.sleep(60 if ctx.fence == 1 else 0)  # the first to hold it does not end


@app.task
async def nap(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"


@app.task
async def wait_for(path: str) -> None:
    while not Path(path).exists():
        await asyncio.sleep(0.02)


@app.task
def block(seconds: float) -> None:
    time.sleep(seconds)


@app.task(timeout="1s", retry=1)
def hang() -> None:
    time.sleep(60)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, f"shop_{uuid4().hex}")
    (tmp_path / f"{made.module}.py").write_text(APP, encoding="utf-8")
    yield made
    made.end()


def children(process: subprocess.Popen[str]) -> list[int]:
    return [child.pid for child in psutil.Process(process.pid).children()]


# ---- one process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_signal_lets_running_tasks_end_and_exits_with_0(
    shop: Shop, number: signal.Signals
) -> None:
    shop.enqueue("nap", 1.0)
    worker = shop.start("work")
    shop.until_said("[PROCESSING] nap")

    worker.send_signal(number)

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert "[PROCESSED] nap" in shop.log()
    assert "stopped (drained): 1 done, 0 failed" in shop.log()
    assert shop.states() == ["succeeded"]


def test_what_has_not_begun_goes_back_without_an_attempt(shop: Shop) -> None:
    shop.enqueue("nap", 1.0, count=5)
    worker = shop.start("work", "--concurrency", "1")
    shop.until_said("[PROCESSING] nap")

    worker.terminate()

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert shop.states() == ["queued"] * 4 + ["succeeded"]
    tasks = shop.read("list", "--state", "queued")["tasks"]
    assert {task["attempts"] for task in tasks} == {0}


def test_a_second_signal_interrupts_and_gives_back_what_runs(shop: Shop) -> None:
    shop.enqueue("nap", 60.0)
    worker = shop.start("work")
    shop.until_said("[PROCESSING] nap")

    worker.terminate()
    shop.until_said("stopping: running tasks may end")
    began = time.monotonic()
    worker.terminate()

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert time.monotonic() - began < 10
    assert "[GIVEN BACK] nap" in shop.log()
    assert shop.states() == ["queued"]


def test_a_handler_that_cannot_be_stopped_does_not_keep_the_process(shop: Shop) -> None:
    shop.enqueue("block", 60.0)
    worker = shop.start("work", "--grace", "100ms")
    shop.until_said("[PROCESSING] block")

    worker.terminate()

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert "1 that cannot be stopped" in shop.log()
    assert "Traceback" not in shop.log()


def test_a_handler_that_ignores_its_timeout_costs_a_worker_its_process_and_nothing_else(
    shop: Shop,
) -> None:
    shop.enqueue("hang")
    worker = shop.start("work", "--concurrency", "1")
    shop.until_said("ignores its timeout")
    shop.until_said("stopped (stuck)")
    shop.enqueue("add", 1)

    shop.until_said("[PROCESSED] add")
    worker.terminate()

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert "[FAILED] hang" in shop.log()
    assert shop.states() == ["failed", "succeeded"]


def test_an_interrupted_command_exits_with_130_and_a_tail_with_0(shop: Shop) -> None:
    shop.enqueue("add", 1)
    tail = shop.start("tail", "--since", "1h")
    shop.until_said("queued    add")

    tail.send_signal(signal.SIGINT)

    assert tail.wait(PATIENCE) == ExitCode.OK
    assert "Traceback" not in shop.log()


def test_a_bad_application_is_a_sentence_and_exit_code_2(shop: Shop) -> None:
    ran = shop.run("work", "--app", "nosuch:app")

    assert ran.returncode == ExitCode.USAGE
    assert ran.stderr.startswith("error: the application 'nosuch:app' cannot be loaded: ")
    assert len(ran.stderr.splitlines()) == 1


def test_a_pipe_that_is_closed_early_is_no_error(shop: Shop) -> None:
    shop.enqueue("add", 1, count=1000)
    listing = subprocess.Popen(
        [sys.executable, "-m", "longshore", "list", "--all-pages", "--limit", "100"],
        cwd=shop.folder,
        env=shop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert listing.stdout is not None
    assert listing.stderr is not None

    listing.stdout.readline()
    listing.stdout.close()

    assert (listing.stderr.read(), listing.wait(PATIENCE)) == ("", ExitCode.OK)
    listing.stderr.close()


def test_help_comes_at_once(shop: Shop) -> None:
    def took() -> float:
        before = os.times()
        assert shop.run("--help").returncode == 0
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])

    # Processor time, and the best of some: the machine is shared. A person notices from a quarter
    # of a second on, and nothing in it waits.
    assert min(took() for _ in range(5)) < 0.5


# ---- several processes


def test_several_processes_share_the_work_and_drain_together(shop: Shop) -> None:
    shop.enqueue("nap", 0.5, count=4)
    worker = shop.start("work", "--processes", "2", "--concurrency", "2")
    shop.until_said("[PROCESSING] nap", 4)

    worker.terminate()

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert shop.states() == ["succeeded"] * 4
    assert shop.log().count("stopped (drained)") == 2


def test_a_killed_process_is_replaced(shop: Shop) -> None:
    worker = shop.start("work", "--workers=2")
    shop.until(lambda: len(children(worker)) == 2)
    killed, kept = children(worker)

    os.kill(killed, signal.SIGKILL)

    fresh = shop.until(lambda: len(now := children(worker)) == 2 and killed not in now and now)
    assert kept in fresh
    assert re.search(rf"worker process {killed} ended by signal 9", shop.log())
    worker.terminate()
    assert worker.wait(PATIENCE) == ExitCode.OK


def test_tasks_of_a_killed_process_are_taken_over_by_the_others(shop: Shop) -> None:
    shop.enqueue("linger")
    worker = shop.start("work", "--processes", "2")
    shop.until_said("[PROCESSING] linger")
    running = shop.until(lambda: shop.read("list")["tasks"])[0]

    os.kill(int(running["worker"].rpartition(":")[2]), signal.SIGKILL)

    shop.until_said("[PROCESSED] linger")
    worker.terminate()
    assert worker.wait(PATIENCE) == ExitCode.OK
    assert shop.states() == ["succeeded"]


def test_a_recycled_process_is_replaced_until_the_command_is_stopped(shop: Shop) -> None:
    shop.enqueue("add", 1, count=10)
    worker = shop.start("work", "--processes", "2", "--max-jobs", "2")

    shop.until_said("ended with exit code 10", 4)
    shop.until(lambda: shop.states() == ["succeeded"] * 10)

    worker.terminate()
    assert worker.wait(PATIENCE) in {ExitCode.OK, ExitCode.MAX_TASKS}


def test_a_process_that_takes_no_more_is_replaced_while_it_lets_its_last_task_end(
    shop: Shop,
) -> None:
    shop.enqueue("nap", 60.0, count=8)
    worker = shop.start("work", "--processes", "2", "--max-tasks", "1", "--concurrency", "2")

    shop.until_said("takes no more, another takes its place", 2)
    shop.until_said("[PROCESSING] nap", 4)

    assert "[PROCESSED]" not in shop.log()
    assert len(children(worker)) == 4
    worker.terminate()
    shop.until_said("stopping: running tasks may end", 4)
    worker.terminate()
    assert worker.wait(PATIENCE) in {ExitCode.OK, ExitCode.MAX_TASKS}
    assert shop.log().count(" started") == 4
    assert shop.states() == ["queued"] * 8


def test_a_stuck_process_is_replaced_and_the_queue_goes_on(shop: Shop) -> None:
    shop.enqueue("hang")
    worker = shop.start("work", "--processes", "2", "--concurrency", "1")
    shop.until_said("ended with exit code 13")
    shop.enqueue("add", 1, count=5)

    shop.until_said("[PROCESSED] add", 5)

    assert len(children(worker)) == 2
    worker.terminate()
    assert worker.wait(PATIENCE) == ExitCode.OK


def test_processes_that_find_nothing_more_end_the_command(shop: Shop) -> None:
    shop.enqueue("add", 1, count=20)
    worker = shop.start("work", "--processes", "3", "--once")

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert shop.states() == ["succeeded"] * 20
    assert shop.log().count("stopped (idle)") == 3


def test_a_second_signal_hurries_every_process(shop: Shop) -> None:
    shop.enqueue("nap", 60.0, count=2)
    worker = shop.start("work", "--processes", "2", "--concurrency", "1")
    shop.until_said("[PROCESSING] nap", 2)

    worker.terminate()
    shop.until_said("stopping: running tasks may end", 2)
    worker.terminate()

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert shop.states() == ["queued"] * 2


def test_a_signal_to_every_process_counts_once_in_each(shop: Shop) -> None:
    # As systemd stops a service: the supervisor passes on what its children have heard already.
    shop.enqueue("nap", 1.5)
    worker = shop.start("work", "--processes", "2")
    shop.until_said("[PROCESSING] nap")

    for pid in [*children(worker), worker.pid]:
        os.kill(pid, signal.SIGTERM)

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert "stopping at once" not in shop.log()
    assert shop.states() == ["succeeded"]


def test_a_third_signal_kills_what_does_not_answer(shop: Shop) -> None:
    worker = shop.start("work", "--processes", "2")
    shop.until(lambda: len(children(worker)) == 2)
    for pid in children(worker):
        os.kill(pid, signal.SIGSTOP)

    for word in ("stopping", "hurrying", "killing"):
        worker.terminate()
        shop.until_said(f"{word} 2 worker processes")

    assert worker.wait(PATIENCE) == 128 + signal.SIGKILL


def test_where_the_supervisor_is_killed_its_processes_drain(shop: Shop) -> None:
    shop.enqueue("nap", 1.0)
    worker = shop.start("work", "--processes", "2")
    shop.until_said("[PROCESSING] nap")
    orphans = [psutil.Process(pid) for pid in children(worker)]

    worker.kill()
    worker.wait()

    gone, alive = psutil.wait_procs(orphans, timeout=PATIENCE)
    assert (len(gone), alive) == (2, [])
    assert shop.states() == ["succeeded"]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nosuch://host", ExitCode.CONFIGURATION),
        ("sqlite:///tasks.db?nosuch=1", ExitCode.CONFIGURATION),
        ("memory://", ExitCode.CONFIGURATION),
    ],
)
def test_processes_that_cannot_start_are_not_started_again(shop: Shop, url: str, code: int) -> None:
    ran = shop.run("work", "--processes", "2", "--url", url)

    assert ran.returncode == code
    assert ran.stderr.count(" started\n") <= 2
    assert "Traceback" not in ran.stderr


def test_processes_wait_for_a_backend_that_is_away(shop: Shop) -> None:
    url = f"sqlite:///{shop.folder / 'later' / 'tasks.db'}"
    worker = shop.start("work", "--processes=2", "--url", url)
    shop.until_said("ended with exit code 5", 2)

    (shop.folder / "later").mkdir()
    assert shop.run("enqueue", "add", "--args", "[1]", "--url", url).returncode == 0

    shop.until_said("[PROCESSED] add")
    worker.terminate()
    assert worker.wait(PATIENCE) == ExitCode.OK
