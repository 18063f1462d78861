"""Workers, the broker and its connections broken together on RabbitMQ: every promise is kept."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from longshore.registry import find_adapter
from tests.brokers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.brokers.private import PrivateBroker

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]

TASKS = "150"
ENDS_WITHIN = 200.0
HEARTBEAT = 2
WORKERS = 3
SOON = 1.0
APART = 4.0
STANDING = ("name", "messages_ready", "messages_unacknowledged", "consumers", "leader", "state")


def test_on_rabbitmq_with_a_log_in_sqlite_every_promise_is_kept(
    tmp_path: Path, private_rabbitmq: PrivateBroker
) -> None:
    log_url = f"sqlite:///{tmp_path}/log.db"
    find_adapter(log_url).init(log_url)

    seen = broken(log_url, private_rabbitmq, tmp_path)

    assert_kept(seen)


def test_on_rabbitmq_with_a_log_in_dynamodb_every_promise_is_kept(
    tmp_path: Path, private_rabbitmq: PrivateBroker, dynamodb_url: str, aws_environment: None
) -> None:
    log_url = f"dynamodb://chaos{uuid4().hex[:8]}?endpoint_url={dynamodb_url}"
    find_adapter(log_url).init(log_url)

    seen = broken(log_url, private_rabbitmq, tmp_path)

    assert_kept(seen)
    find_adapter(log_url).deinit(log_url)  # a broken promise leaves the table, to be looked into


def assert_kept(seen: dict[str, Any]) -> None:
    """Every promise but that of when rescues come: the script knows of no broker that is away."""
    promises: dict[str, Any] = seen["promises"]
    missed = {key: one for key, one in promises.items() if not one["kept"]}
    assert seen["violations"] == [], (seen["settings"], seen["broker"])
    assert {key: one for key, one in missed.items() if not key.startswith("rescue_")} == {}
    assert seen["figures"]["KILL"] >= 5
    assert seen["figures"]["attempts lost and rescued"] >= 1


def broken(log_url: str, broker: PrivateBroker, at: Path) -> dict[str, Any]:
    """Run the chaos script through a proxy, and meanwhile break what is behind it."""
    with Proxy(broker.port) as proxy:
        queue_url = (
            f"rabbitmq://guest:guest@127.0.0.1:{proxy.port}"
            f"?heartbeat={HEARTBEAT}&prefix=chaos-{uuid4().hex[:8]}-"
        )
        words = (
            "--tasks",
            TASKS,
            "--seconds",
            "8",
            "--workers",
            str(WORKERS),
            "--seed",
            "11",
            "--json",
        )
        urls = ("--url", log_url, "--queue-url", queue_url)
        command = [sys.executable, "-m", "longshore", "bench", "--chaos", "--folder", str(at)]
        with subprocess.Popen(
            [*command, *urls, *words],
            cwd=at,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as script:
            connected(script, proxy)
            done = meanwhile(
                script,
                [
                    (SOON, proxy.cut),
                    (2 * SOON, proxy.forget),
                    (APART, broker.kill),
                    (APART, broker.start),  # the last: until then the script cannot end
                ],
            )
            said, problems = script.communicate(timeout=ENDS_WITHIN)
    assert done == 4, "the script ended before everything was broken"
    assert script.returncode in {0, 1}, (problems, said)  # 1: a promise was broken, see which
    answer: dict[str, Any] = json.loads(said)
    return answer | {"broker": broker.told("list_queues", *STANDING)}


def connected(script: subprocess.Popen[str], proxy: Proxy) -> None:
    """Wait until every worker may have a connection that can be broken."""
    while proxy.connections < WORKERS and script.poll() is None:
        time.sleep(0.05)


def meanwhile(script: subprocess.Popen[str], deeds: list[tuple[float, Callable[[], None]]]) -> int:
    """Do one thing after another while the script runs; how many could be done."""
    for number, (seconds, deed) in enumerate(deeds):
        due = time.monotonic() + seconds
        while time.monotonic() < due:
            if script.poll() is not None:
                return number
            time.sleep(0.05)
        deed()
    return len(deeds)
