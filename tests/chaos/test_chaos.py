"""Workers killed, stopped and restarted on SQLite: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from longshore import Longshore
from longshore.chaos.run import QUEUE
from longshore.chaos.tasks import on_the_loop
from longshore.cli import main
from longshore.registry import find_adapter

if TYPE_CHECKING:
    from pathlib import Path

TASKS = 1500
OUTLASTING = 3


@pytest.mark.once
@pytest.mark.timeout(240)
def test_whatever_is_done_to_workers_every_promise_is_kept(tmp_path: Path) -> None:
    words = ("--tasks", str(TASKS), "--seconds", "10", "--seed", "11", "--json")

    ran = chaos(*words, at=tmp_path)

    seen: dict[str, Any] = json.loads(ran.stdout)
    counted = {name: promise["counted"] for name, promise in seen["promises"].items()}
    waits = [counted.pop(name) for name in ("rescue_p50", "rescue_max")]
    assert seen["violations"] == []
    assert counted == dict.fromkeys(counted, 0)
    assert max(waits) <= 2 * seen["settings"]["lease"]
    assert ran.returncode == 0, ran.stderr
    assert_enough_was_broken(seen["figures"])
    assert list(tmp_path.iterdir()) == [], "a run that kept its promises leaves nothing behind"


@pytest.mark.once
@pytest.mark.timeout(240)
def test_on_a_queue_and_a_log_apart_every_promise_is_kept(
    tmp_path: Path, localstack_url: str, dynamodb_url: str, aws_environment: None
) -> None:
    name = f"chaos{uuid4().hex[:8]}"
    log_url = f"dynamodb://{name}?endpoint_url={dynamodb_url}"
    queue_url = f"sqs://?endpoint_url={localstack_url}&prefix={name}-"
    find_adapter(log_url).init(log_url)
    words = ("--tasks", "150", "--seconds", "8", "--workers", "3", "--seed", "11", "--json")

    ran = chaos("--url", log_url, "--queue-url", queue_url, *words, at=tmp_path)

    urls = {"LONGSHORE_URL": log_url, "LONGSHORE_QUEUE_URL": queue_url}
    CliRunner().invoke(main, ["deinit", "--queue", QUEUE, "--yes", "--force"], env=urls)
    seen: dict[str, Any] = json.loads(ran.stdout)
    assert seen["violations"] == []
    assert seen["figures"]["KILL"] >= 5
    assert seen["figures"]["attempts lost and rescued"] >= 5
    assert ran.returncode == 0, ran.stderr


@pytest.mark.once
@pytest.mark.timeout(240)
def test_on_a_server_for_both_every_promise_is_kept(tmp_path: Path, redis_url: str) -> None:
    url = f"{redis_url}?prefix=chaos-{uuid4().hex[:8]}"
    words = ("--tasks", "400", "--seconds", "8", "--workers", "3", "--seed", "11", "--json")

    ran = chaos("--url", url, *words, at=tmp_path)

    find_adapter(url).deinit(url)
    seen: dict[str, Any] = json.loads(ran.stdout)
    assert seen["violations"] == []
    assert seen["figures"]["KILL"] >= 5
    assert seen["figures"]["attempts lost and rescued"] >= 5
    assert ran.returncode == 0, ran.stderr


def assert_enough_was_broken(figures: dict[str, int]) -> None:
    """A run in which little happened would prove little."""
    assert figures["tasks"] == TASKS
    assert figures["KILL"] >= 8
    assert figures["STOP past the lease"] >= 2
    assert figures["TERM"] >= 1
    assert figures["rolling restarts"] == 1
    assert figures["of them undisturbed"] >= 1
    assert figures["handlers that outlasted their lease"] >= OUTLASTING


def test_a_queue_that_somebody_uses_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/users.db"
    with Longshore(url=url, queue=QUEUE) as app:
        (handle,) = app.enqueue_many([on_the_loop.message(0.0)])

        ran = chaos("--url", url, at=tmp_path)

        assert ran.returncode == 4
        assert f"queue '{QUEUE}' is not empty (1 waiting or running)" in ran.stderr
        assert handle.status() == "queued"


@pytest.mark.once
@pytest.mark.timeout(240)
def test_on_a_broker_that_is_named_other_tasks_are_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/users.db"
    words = ("--tasks", "20", "--seconds", "1", "--workers", "1", "--json")
    with Longshore(url=url) as app:
        app.registry.add(on_the_loop.definition)
        handle = app.enqueue(on_the_loop.name, 0.0)

        ran = chaos("--url", url, *words, at=tmp_path)

        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["figures"]["tasks"] == 20
        assert handle.status() == "queued"


@pytest.mark.parametrize(
    "words",
    [
        ("--chaos", "drain"),
        ("--chaos", "--runs", "2"),
        ("--chaos", "--quick"),
        ("--chaos", "--list"),
        ("--chaos", "--app", "shop:app"),
        ("--seconds", "5"),
        ("--workers", "2"),
        ("--seed", "0"),
    ],
    ids=" ".join,
)
def test_an_option_that_would_mean_nothing_is_refused(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    ran = bench(*words, at=tmp_path)

    assert ran.returncode == 2
    assert "cannot be used with" in ran.stderr


def chaos(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    return bench("--chaos", "--folder", str(at), *words, at=at)


def bench(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "longshore", "bench", *words],
        capture_output=True,
        check=False,
        cwd=at,
        text=True,
        timeout=230,
    )
