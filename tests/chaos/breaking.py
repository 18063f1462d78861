"""Runs the chaos script, and breaks connections and the server meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.brokers.private import PrivateServer
    from tests.brokers.proxy import Proxy

TASKS: Final = "150"
ENDS_WITHIN: Final = 200.0
WORKERS: Final = 3
SOON: Final = 1.0
APART: Final = 4.0


def broken(
    urls: Sequence[str], server: PrivateServer, proxy: Proxy, at: Path, gone: float = APART
) -> dict[str, Any]:
    """Run the script on these URLs, some through the proxy, and break what is behind it.

    The server is killed, and `gone` for so many seconds and what it takes to start.
    """
    words = (
        *("--tasks", TASKS, "--seconds", "8", "--workers", str(WORKERS)),
        *("--seed", "11", "--json"),
    )
    command = [sys.executable, "-m", "longshore", "bench", "--chaos", "--folder", str(at)]
    with subprocess.Popen(
        [*command, *urls, *words],
        cwd=at,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as script:
        _connected(script, proxy)
        done = _meanwhile(
            script,
            [
                (SOON, proxy.cut),
                (2 * SOON, proxy.forget),
                (APART, server.kill),
                (gone, server.start),  # the last: until then the script cannot end
            ],
        )
        said, problems = script.communicate(timeout=ENDS_WITHIN)
    assert done == 4, ("the script ended before everything was broken", problems)
    assert script.returncode in {0, 1}, (problems, said)  # 1: a promise was broken, see which
    answer: dict[str, Any] = json.loads(said)
    return answer


def assert_kept(seen: dict[str, Any], more: object = None, kills: int = 5) -> None:
    """Every promise but that of when rescues come: the script knows of no server that is away.

    A run with fewer `kills` would prove little.
    """
    promises: dict[str, Any] = seen["promises"]
    missed = {key: one for key, one in promises.items() if not one["kept"]}
    assert seen["violations"] == [], (seen["settings"], seen["violations"], seen["figures"], more)
    assert {key: one for key, one in missed.items() if not key.startswith("rescue_")} == {}
    assert seen["figures"]["KILL"] >= kills
    assert seen["figures"]["attempts lost and rescued"] >= 1


def _connected(script: subprocess.Popen[str], proxy: Proxy) -> None:
    """Wait until every worker may have a connection that can be broken."""
    while proxy.connections < WORKERS and script.poll() is None:
        time.sleep(0.05)


def _meanwhile(script: subprocess.Popen[str], deeds: list[tuple[float, Callable[[], None]]]) -> int:
    """Do one thing after another while the script runs; how many could be done."""
    for number, (seconds, deed) in enumerate(deeds):
        due = time.monotonic() + seconds
        while time.monotonic() < due:
            if script.poll() is not None:
                return number
            time.sleep(0.05)
        deed()
    return len(deeds)
