"""deploy/ on a real Prometheus: rules are tested, and each query is run on a worker's metrics."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.integration.shop import PATIENCE, Shop

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
CONFIGURATION: Final = """
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [RULES]
scrape_configs:
  - job_name: longshore
    static_configs:
      - targets: ["TARGET"]
"""
APP: Final = """
from longshore import Longshore

app = Longshore()


@app.task
def add(a: int) -> int:
    return a + 1


@app.task(retry=2)
def fail() -> None:
    raise ValueError("on purpose")
"""
QUIET: Final = {
    # Nothing of this happens to a worker that is well, or on SQLite.
    "longshore_task_rescues_total",
    "longshore_leases_lost_total",
    "longshore_duplicates_dropped_total",
    "longshore_messages_refused_total",
    "longshore_backend_calls_total",
    "messaging_client_operation_duration_seconds_count",
    "messaging_client_sent_messages_total",
}


class Prometheus:
    """A server with a port and a folder of its own."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str, **words: str) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("GET", f"{path}?{urlencode(words)}")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What a query answers; it has to be one that Prometheus can read."""
        answer = self.get("/api/v1/query", query=expression)
        assert answer["status"] == "success", (expression, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def until(self, expression: str) -> list[dict[str, Any]]:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if found := self.query(expression):
                    return found
            except (ConnectionError, ValueError):
                pass  # it has not begun to listen, or is not ready
            assert time.monotonic() < end, expression
            time.sleep(0.1)


@contextmanager
def scraping(program: str, target: str, folder: Path) -> Generator[Prometheus]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = CONFIGURATION.replace("TARGET", target)
    told = told.replace("RULES", json.dumps(str(DEPLOY / "prometheus/alerts.yml")))
    (folder / "prometheus.yml").write_text(told, encoding="utf-8")
    words = [program, f"--config.file={folder / 'prometheus.yml'}"]
    words += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    module = f"shop_{uuid4().hex}"
    made = Shop(tmp_path, module, settings={"LONGSHORE_DEPTH_EVERY": "1s"})
    (tmp_path / f"{module}.py").write_text(APP, encoding="utf-8")
    yield made
    made.end()


def rendered(expression: str) -> str:
    """An expression as Grafana would send it, with everything selected."""
    return (
        expression.replace("$__rate_interval", "30s").replace("$queue", ".*").replace("$task", ".*")
    )


def expressions() -> list[str]:
    document = json.loads((DEPLOY / "grafana/longshore.json").read_text("utf-8"))
    panels = [panel for panel in document["panels"] if panel["type"] != "row"]
    return [rendered(target["expr"]) for panel in panels for target in panel["targets"]]


def test_the_rules_are_valid_and_their_unit_tests_pass(
    prometheus_programs: tuple[str, str],
) -> None:
    _, promtool = prometheus_programs
    checks = (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"])

    for words in checks:
        ran = subprocess.run(
            [promtool, *words],
            capture_output=True,
            check=False,
            cwd=DEPLOY / "prometheus",
            text=True,
            timeout=PATIENCE,
        )

        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.once
@pytest.mark.timeout(180)
@pytest.mark.parametrize("processes", ["1", "2"])
def test_every_query_of_the_dashboard_runs_and_answers_where_there_is_traffic(
    shop: Shop, tmp_path: Path, prometheus_programs: tuple[str, str], processes: str
) -> None:
    program, _ = prometheus_programs
    shop.enqueue("add", 1)
    shop.start("work", "--admin", "127.0.0.1:0", "--processes", processes)
    shop.until(lambda: re.search(r"probes and metrics at http://(\S+)", shop.log()))
    address = re.findall(r"probes and metrics at http://(\S+)", shop.log())[0]
    with scraping(program, address, tmp_path) as prometheus:
        prometheus.until("longshore_task_attempts_total")
        shop.enqueue("fail", count=20)  # a series has to be there before it is seen to grow
        prometheus.until("sum(longshore_dead_letters_total) == 20")
        shop.enqueue("add", 1, count=20)
        shop.enqueue("fail", count=20)
        prometheus.until("sum(rate(longshore_task_retries_total[30s])) > 0")
        prometheus.until("sum(rate(longshore_dead_letters_total[30s])) > 0")
        prometheus.until("longshore_queue_depth")
        answers = {each: prometheus.query(each) for each in expressions()}
        alerts = prometheus.get("/api/v1/rules")["data"]["groups"]
        targets = prometheus.get("/api/v1/targets")["data"]["activeTargets"]

    silent = [each for each, found in answers.items() if not found]
    assert [each for each in silent if not any(quiet in each for quiet in QUIET)] == []
    assert [
        rule["name"] for group in alerts for rule in group["rules"] if rule["health"] == "err"
    ] == []
    assert [(each["health"], each["lastError"]) for each in targets] == [("up", "")]
