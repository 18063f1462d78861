"""Probes of real worker processes: one, several, draining, frozen, and in each other's way."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import psutil
import pytest

from longshore.cli import ExitCode
from tests.integration.shop import PATIENCE, Shop

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

APP: Final = """
import asyncio, time
from pathlib import Path
from longshore import Longshore

app = Longshore()


@app.task
def add(a: int) -> int:
    return a + 1


@app.task
async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.task
async def compute_on_the_loop(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@app.task
def compute_on_a_thread(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@app.task
def keep_the_lock(rounds: int) -> None:
    sum(range(rounds))
"""

pytestmark = pytest.mark.once

SETTINGS: Final = {
    "LONGSHORE_GRACE": "60s",
    "LONGSHORE_LEASE": "30s",
    "LONGSHORE_STALL_LIMIT": "500ms",
}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    module = f"shop_{uuid4().hex}"
    made = Shop(tmp_path, module, settings=SETTINGS)
    (tmp_path / f"{module}.py").write_text(APP, encoding="utf-8")
    yield made
    made.end()


def started(shop: Shop, *words: str) -> tuple[subprocess.Popen[str], str]:
    """A worker that is ready, and its address."""
    number = len(shop.started)
    process = shop.start("work", "--admin", "127.0.0.1:0", *words)
    shop.until(lambda: re.search(r"probes and metrics at http://(\S+)", shop.log(number)))
    found = re.search(r"probes and metrics at http://(\S+)", shop.log(number))
    assert found is not None
    address = found[1]
    shop.until(lambda: get(address, "/readyz")[0] == 200)
    return process, address


def get(address: str, path: str) -> tuple[int, dict[str, Any]]:
    status, body = read(address, path)
    return status, json.loads(body)


def read(address: str, path: str) -> tuple[int, str]:
    connection = HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("where", ["on_the_loop", "on_a_thread"])
def test_a_handler_that_computes_for_longer_than_the_limit_does_not_fail_liveness(
    shop: Shop, where: str
) -> None:
    _, address = started(shop)

    shop.enqueue(f"compute_{where}", 3.0)
    shop.until_said("[PROCESSING] compute")
    replies: list[tuple[int, dict[str, Any]]] = []
    while "[PROCESSED]" not in shop.log():
        replies.append(get(address, "/livez"))
        time.sleep(0.1)

    assert len(replies) > 2
    assert [reply for reply in replies if reply[0] != 200] == []


def test_a_draining_worker_is_not_ready_and_alive_and_lets_its_task_end(shop: Shop) -> None:
    process, address = started(shop)
    shop.enqueue("nap", 3.0)
    shop.until_said("[PROCESSING] nap")

    process.terminate()
    shop.until(lambda: get(address, "/readyz")[0] == 503)
    status, said = get(address, "/readyz")
    live = get(address, "/livez")[0]

    assert (status, said["problems"], live) == (503, ["the worker is draining"], 200)
    assert process.wait(PATIENCE) == ExitCode.OK
    assert "1 done" in shop.log()


def test_a_second_worker_at_the_same_address_ends_with_the_next_step(shop: Shop) -> None:
    _, address = started(shop)

    second = shop.run("work", "--admin", address)
    several = shop.run("work", "--admin", address, "--processes", "2")

    assert second.returncode == several.returncode == ExitCode.CONFIGURATION
    for each in (second, several):
        assert f"cannot listen at {address}: Address already in use" in each.stderr
        assert "give another address with --admin" in each.stderr


def test_a_worker_that_begins_anew_answers_at_its_address_again(shop: Shop) -> None:
    process, address = started(shop)
    process.terminate()
    process.wait(PATIENCE)
    again = shop.start("work", "--admin", address)
    shop.until(lambda: "probes and metrics" in shop.log(1) and get(address, "/readyz")[0] == 200)

    again.send_signal(signal.SIGHUP)
    shop.until(lambda: shop.log(1).count("probes and metrics") == 2)
    shop.until(lambda: get(address, "/readyz")[0] == 200)

    assert again.poll() is None


def test_nonsense_and_slow_clients_do_not_keep_tasks_from_running(shop: Shop) -> None:
    _, address = started(shop)
    host, _, port = address.partition(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(100)]
    for number, each in enumerate(slow):
        each.sendall(b"\x00\xff garbage \r\n\r\n" if number % 2 else b"GET /li")

    shop.enqueue("add", 1)
    shop.until_said("[PROCESSED] add")

    assert get(address, "/livez")[0] == 200
    for each in slow:
        each.close()


def test_metrics_are_those_of_the_tasks_that_ran(shop: Shop) -> None:
    _, address = started(shop)

    shop.enqueue("add", 1, count=3)
    shop.until_said("[PROCESSED] add", 3)
    done = r'longshore_task_attempts_total\{.*longshore_task_outcome="succeeded".*\} 3\n'
    shop.until(lambda: re.search(done, read(address, "/metrics")[1]))

    assert "longshore_worker_slots 20\n" in read(address, "/metrics")[1]


# ---- several processes


def test_several_processes_answer_at_one_address(shop: Shop) -> None:
    process, address = started(shop, "--processes", "2")
    shop.until(lambda: len(get(address, "/livez")[1]["processes"]) == 2)

    status, said = get(address, "/livez")
    metrics = read(address, "/metrics")[1]

    assert (status, sorted(said["processes"])) == (200, ["0", "1"])
    assert metrics.count("# TYPE longshore_worker_slots gauge") == 1
    for place in ("0", "1"):
        assert f'longshore_worker_slots{{process="{place}"}} 20\n' in metrics
    process.terminate()
    assert process.wait(PATIENCE) == ExitCode.OK
    with pytest.raises(ConnectionRefusedError):
        get(address, "/livez")


def test_a_handler_that_keeps_pythons_lock_does_not_fail_liveness(shop: Shop) -> None:
    _, address = started(shop, "--processes", "2")

    shop.enqueue("keep_the_lock", 120_000_000)
    shop.until_said("[PROCESSING] keep_the_lock")
    replies: list[tuple[int, dict[str, Any]]] = []
    while "[PROCESSED]" not in shop.log():
        replies.append(get(address, "/livez"))

    assert replies
    assert [reply for reply in replies if reply[0] != 200] == []


def test_the_process_that_answers_is_replaced_when_it_dies(shop: Shop) -> None:
    process, address = started(shop, "--processes", "2")
    port = int(address.rpartition(":")[2])
    parent = psutil.Process(process.pid)
    front = next(
        child
        for child in parent.children()
        if any(one.laddr.port == port for one in child.net_connections("tcp"))
    )

    front.kill()
    shop.until_said("the admin process has died, and is started again")
    shop.until(lambda: get(address, "/livez")[0] == 200)

    assert process.poll() is None


def test_a_killed_supervisor_takes_the_process_that_answers_with_it(shop: Shop) -> None:
    process, address = started(shop, "--processes", "2")
    family = psutil.Process(process.pid).children()

    process.kill()
    process.wait()
    _, left = psutil.wait_procs(family, timeout=PATIENCE)

    assert left == []
    with pytest.raises(ConnectionRefusedError):
        get(address, "/livez")


def test_a_supervisor_that_stands_still_fails_liveness(shop: Shop) -> None:
    process, address = started(shop, "--processes", "2")
    shop.until(lambda: get(address, "/livez")[0] == 200)

    process.send_signal(signal.SIGSTOP)
    shop.until(lambda: get(address, "/livez")[0] == 503)
    problems = get(address, "/livez")[1]["problems"]
    process.send_signal(signal.SIGCONT)

    assert "the supervisor has not come round" in problems[0]
    shop.until(lambda: get(address, "/livez")[0] == 200)


# ---- longshore health


def test_health_asks_the_admin_server_and_its_exit_code_says_how_it_is(shop: Shop) -> None:
    process, address = started(shop)
    shop.enqueue("nap", 60.0)
    shop.until_said("[PROCESSING] nap")

    well = shop.run("health", "--admin", address)
    ready = shop.run("health", "--admin", address, "--ready", "--json")
    process.terminate()
    shop.until(lambda: get(address, "/readyz")[0] == 503)
    draining = shop.run("health", "--admin", address, "--ready")
    process.kill()
    process.wait()
    gone = shop.run("health", "--admin", address)

    assert (well.returncode, well.stdout) == (ExitCode.OK, "live\n")
    assert (ready.returncode, json.loads(ready.stdout)["ready"]) == (ExitCode.OK, True)
    assert (draining.returncode, draining.stderr) == (1, "the worker is draining\n")
    assert gone.returncode == 1
    assert f"the worker does not answer at {address}" in gone.stderr


def test_health_without_an_address_looks_the_workers_of_this_host_up(shop: Shop) -> None:
    nobody = shop.run("health")
    process = shop.start("work")
    shop.until(lambda: shop.run("health").returncode == ExitCode.OK)
    process.kill()
    process.wait()
    killed = shop.run("health", "--json")

    assert nobody.returncode == killed.returncode == 1
    assert "no worker of host" in nobody.stderr
    assert json.loads(killed.stdout)["live"] is False


def test_health_refuses_port_0_with_the_next_step(shop: Shop) -> None:
    refused = shop.run("health", "--admin", "0")

    assert refused.returncode == ExitCode.CONFIGURATION
    assert "give the port that the worker's log says" in refused.stderr
