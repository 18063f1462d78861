"""Workers steered from outside: by signals, orders and files (L23, L24, T05)."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest

from longshore.cli import ExitCode
from tests.integration.shop import PATIENCE, Shop
from tests.integration.test_cli_worker import children, shop

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["shop"]

SLOW_TO_START: Final = """

def _wait_for_go() -> None:
    import os
    Path(f"born-{os.getpid()}").touch()
    while not Path("go").exists():
        time.sleep(0.02)

__import__("os").register_at_fork(after_in_child=_wait_for_go)
"""

pytestmark = pytest.mark.timeout(120)  # several processes each, which begin late on a busy machine


def told(shop: Shop, *words: str) -> Any:
    ran = shop.run(*words, "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def workers(shop: Shop) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.read("workers")["workers"]
    return found


def tasks(shop: Shop) -> list[tuple[str, int]]:
    found = shop.read("list", "--limit", "1000")["tasks"]
    return sorted((task["state"], task["attempts"]) for task in found)


def becomes(shop: Shop, wanted: list[tuple[str, int]]) -> Callable[[], bool]:
    return lambda: tasks(shop) == wanted


# ---- from the command line


@pytest.mark.once
def test_a_queue_paused_from_the_command_line_starts_nothing_until_it_is_resumed(
    shop: Shop,
) -> None:
    shop.enqueue("wait_for", "paused")
    shop.enqueue("add", 1, count=5)
    worker = shop.start("work", "--concurrency", "1")
    shop.until_said("[PROCESSING] wait_for")

    assert told(shop, "queues", "pause", "default")["queues"][0]["changed"]
    shop.until_said("paused from now on: default")
    (shop.folder / "paused").touch()
    shop.until_said("[PROCESSED] wait_for")
    shop.until(becomes(shop, [("queued", 0)] * 5 + [("succeeded", 1)]))
    (seen,) = shop.read("queues")["queues"]
    begun = shop.log().count("[PROCESSING]")

    assert told(shop, "queues", "resume", "default")["queues"][0]["changed"]
    shop.until(becomes(shop, [("succeeded", 1)] * 6))

    assert (seen["paused"], seen["workers"], seen["depth"]["ready"]) == (True, 1, 5)
    assert begun == 1
    worker.terminate()
    assert worker.wait(PATIENCE) == ExitCode.OK


@pytest.mark.parametrize(
    ("verb", "seconds", "state"),
    [("drain", 4.0, ("succeeded", 1)), ("stop", 60.0, ("queued", 0))],
)
@pytest.mark.once
def test_a_worker_is_ended_from_the_command_line(
    shop: Shop, verb: str, seconds: float, state: tuple[str, int]
) -> None:
    shop.enqueue("nap", seconds)
    worker = shop.start("work")
    shop.until_said("[PROCESSING] nap")
    (entry,) = shop.until(lambda: workers(shop))

    said = told(shop, "signal", verb, "--worker", entry["id"])

    assert said["workers"] == [entry["id"]]
    assert worker.wait(PATIENCE) == ExitCode.OK
    assert "stopped (drained)" in shop.log()
    assert tasks(shop) == [state]
    assert workers(shop) == []


@pytest.mark.once
def test_workers_are_listed_resized_paused_and_resumed(shop: Shop) -> None:
    worker = shop.start("work", "--concurrency", "3")
    (entry,) = shop.until(lambda: workers(shop))
    assert (entry["pid"], entry["health"], entry["concurrency"]) == (worker.pid, "ok", 3)

    told(shop, "signal", "resize", "7", "--all")
    told(shop, "signal", "pause", "--queue", "default")
    shop.until(lambda: [(w["concurrency"], w["state"]) for w in workers(shop)] == [(7, "paused")])
    told(shop, "signal", "resume", "--host", entry["host"])
    shop.until(lambda: workers(shop)[0]["state"] == "running")

    worker.kill()
    worker.wait()
    shop.until(lambda: workers(shop)[0]["health"] == "gone")


# ---- signals


@pytest.mark.parametrize("flags", [(), ("--processes", "2")], ids=["one", "two"])
def test_usr2_pauses_and_cont_resumes(shop: Shop, flags: tuple[str, ...]) -> None:
    count = 2 if flags else 1
    worker = shop.start("work", *flags)
    shop.until(lambda: len(workers(shop)) == count)

    worker.send_signal(signal.SIGUSR2)
    shop.until_said("paused from now on: every queue", count)
    shop.enqueue("add", 1, count=3)
    shop.until(lambda: [w["state"] for w in workers(shop)] == ["paused"] * count)
    paused = tasks(shop)
    worker.send_signal(signal.SIGCONT)
    shop.until(becomes(shop, [("succeeded", 1)] * 3))

    assert paused == [("queued", 0)] * 3
    worker.terminate()
    assert worker.wait(PATIENCE) == ExitCode.OK


def test_a_process_that_replaces_another_is_paused_as_it_was(shop: Shop) -> None:
    worker = shop.start("work", "--processes", "2")
    shop.until(lambda: len(workers(shop)) == 2)
    worker.send_signal(signal.SIGUSR2)
    shop.until_said("paused from now on: every queue", 2)

    psutil.Process(children(worker)[0]).kill()

    shop.until_said("paused from now on: every queue", 3)
    worker.terminate()
    assert worker.wait(PATIENCE) == ExitCode.OK


@pytest.mark.parametrize("flags", [(), ("--processes", "2")], ids=["one", "two"])
def test_hup_begins_anew_in_the_same_process_and_loses_nothing(
    shop: Shop, flags: tuple[str, ...]
) -> None:
    count = 2 if flags else 1
    shop.enqueue("nap", 2.0, count=3)
    worker = shop.start("work", "--concurrency", "1", *flags)
    shop.until_said("[PROCESSING] nap", count)
    before = shop.until(lambda: len(found := workers(shop)) == count and found)

    worker.send_signal(signal.SIGHUP)
    shop.until_said("stopped (drained)", count)
    shop.until(becomes(shop, [("succeeded", 1)] * 3))
    after = shop.until(lambda: len(found := workers(shop)) == count and found)

    assert worker.poll() is None
    assert {one["id"] for one in before}.isdisjoint({one["id"] for one in after})
    assert max(one["started_at"] for one in before) < min(one["started_at"] for one in after)
    if not flags:
        assert [one["pid"] for one in after] == [worker.pid]
    worker.terminate()
    assert worker.wait(PATIENCE) == ExitCode.OK


@pytest.mark.parametrize("flags", [(), ("--processes", "2")], ids=["one", "two"])
def test_a_stop_signal_after_hup_ends_the_worker_without_hurry(
    shop: Shop, flags: tuple[str, ...]
) -> None:
    shop.enqueue("nap", 2.0)
    worker = shop.start("work", *flags)
    shop.until_said("[PROCESSING] nap")

    worker.send_signal(signal.SIGHUP)
    shop.until_said("stopping: running tasks may end")
    worker.terminate()

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert "[GIVEN BACK]" not in shop.log()
    assert tasks(shop) == [("succeeded", 1)]


def test_under_nohup_a_hup_does_nothing(shop: Shop) -> None:
    nohup = ["nohup", *shop.command("work")]
    worker = shop.start_as(nohup)
    shop.until(lambda: workers(shop))

    worker.send_signal(signal.SIGHUP)
    shop.enqueue("add", 1)
    shop.until(becomes(shop, [("succeeded", 1)]))

    assert "stopping" not in shop.log()
    worker.terminate()
    assert worker.wait(PATIENCE) == ExitCode.OK


@pytest.mark.parametrize("flags", [(), ("--processes", "2")], ids=["one", "two"])
def test_a_worker_whose_terminal_goes_away_drains(shop: Shop, flags: tuple[str, ...]) -> None:
    shop.enqueue("nap", 2.0)
    worker, terminal = on_terminal(shop, *flags)
    shop.until_said("[PROCESSING] nap")

    os.close(terminal)

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert "Traceback" not in shop.log()
    assert tasks(shop) == [("succeeded", 1)]


@pytest.mark.once
def test_processes_whose_terminal_goes_away_while_they_start_end_well(shop: Shop) -> None:
    with (shop.folder / f"{shop.module}.py").open("a", encoding="utf-8") as app:
        app.write(SLOW_TO_START)
    worker, terminal = on_terminal(shop, "--processes", "2")
    shop.until(lambda: len(list(shop.folder.glob("born-*"))) == 2)

    os.close(terminal)
    shop.until_said("stopping 2 worker processes")
    (shop.folder / "go").touch()

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert "ended with exit code" not in shop.log().replace("ended with exit code 0", "")


@pytest.mark.once
@pytest.mark.parametrize(
    "flags", [(), ("--json",), ("--processes", "2")], ids=["one", "json", "two"]
)
def test_a_worker_that_ignores_hup_outlives_its_terminal(
    shop: Shop, flags: tuple[str, ...]
) -> None:
    """As by `trap '' HUP`: nohup would have moved its output as well."""
    count = 2 if "--processes" in flags else 1
    worker, terminal = on_terminal(shop, *flags, hup=signal.SIG_IGN)
    shop.until(lambda: len(workers(shop)) == count)

    os.close(terminal)
    shop.enqueue("add", 1)
    shop.until(becomes(shop, [("succeeded", 1)]))
    worker.terminate()

    assert worker.wait(PATIENCE) == ExitCode.OK


def on_terminal(
    shop: Shop, *flags: str, hup: signal.Handlers = signal.SIG_DFL
) -> tuple[subprocess.Popen[str], int]:
    """A worker that a terminal controls, and our end of that terminal."""
    ours, theirs = pty.openpty()

    def controlled() -> None:
        signal.signal(signal.SIGHUP, hup)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    worker = subprocess.Popen(
        shop.command("work", "--output", "log-0", *flags),
        cwd=shop.folder,
        env=shop.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        text=True,
        start_new_session=True,
        preexec_fn=controlled,  # noqa: PLW1509 - no other way
    )
    shop.started.append(worker)
    os.close(theirs)
    shop.until((shop.folder / "log-0").exists)
    return worker, ours


# ---- files


@pytest.mark.parametrize("flags", [(), ("--processes", "2")], ids=["one", "two"])
@pytest.mark.once
def test_a_stop_file_drains_workers_and_keeps_others_from_starting(
    shop: Shop, flags: tuple[str, ...]
) -> None:
    shop.enqueue("nap", 2.0)
    file = shop.folder / "stop"
    worker = shop.start("work", "--stop-file", "stop", *flags)
    shop.until_said("[PROCESSING] nap")

    file.touch()

    assert worker.wait(PATIENCE) == ExitCode.OK
    assert "stopped (stop_file): 1 done" in shop.log()
    shop.enqueue("add", 1)
    refused = shop.run("work", "--stop-file", "stop", "--once")
    assert (refused.returncode, refused.stderr) == (0, "stopped (stop_file): 0 done, 0 failed\n")
    assert tasks(shop) == [("queued", 0), ("succeeded", 1)]
    file.unlink()
    assert shop.run("work", "--stop-file", "stop", "--once").returncode == 0
    assert tasks(shop) == [("succeeded", 1)] * 2


@pytest.mark.parametrize("flags", [(), ("--processes", "2")], ids=["one", "two"])
@pytest.mark.once
def test_of_two_singletons_the_second_does_not_start(shop: Shop, flags: tuple[str, ...]) -> None:
    first = shop.start("work", "--singleton", *flags)
    shop.until(lambda: workers(shop))

    second = shop.run("work", "--flock-worker", "--once")
    elsewhere = shop.run("work", "--singleton", "--once", "other")
    first.terminate()
    first.wait(PATIENCE)
    third = shop.run("work", "--singleton", "--once")

    assert second.returncode == ExitCode.LOCKED
    assert second.stderr.startswith("error: another worker holds the lock ")
    assert (elsewhere.returncode, third.returncode) == (0, 0)


@pytest.mark.once
def test_the_lock_of_a_killed_worker_is_free(shop: Shop) -> None:
    first = shop.start("work", "--lock-file", "one.lock")
    shop.until(lambda: workers(shop))
    assert shop.run("work", "--lock-file", "one.lock", "--once").returncode == ExitCode.LOCKED

    first.kill()
    first.wait()

    assert shop.run("work", "--lock-file", "one.lock", "--once").returncode == 0
