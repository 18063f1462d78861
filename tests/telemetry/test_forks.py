"""A process that forks once it has exported: parent and child go on, each for itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.telemetry.collector import collector

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

FORKS = """
import os
import sys
import threading
from opentelemetry import metrics, trace
from longshore import Longshore

app = Longshore(url="sqlite:///tasks.db")
when = sys.argv[1]


@app.task
def job(who: str) -> None:
    pass


def flush():
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        provider.force_flush()


job.enqueue("the parent, before")
if when == "midst":
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        threading.Thread(target=provider.force_flush, daemon=True).start()
    sys.stdin.readline()
else:
    flush()
if when == "waiting":
    job.enqueue("the parent, and not exported yet")
child = os.fork()
if child == 0 and when == "idle":
    sys.exit()
job.enqueue("the child" if child == 0 else "the parent, after")
if child:
    _, status = os.waitpid(child, 0)
    print("the child has ended:", os.waitstatus_to_exitcode(status), flush=True)
    sys.exit(os.waitstatus_to_exitcode(status))
"""


@contextmanager
def forking(folder: Path, when: str, **more: str) -> Generator[subprocess.Popen[str]]:
    """The program, which forks at that time."""
    (folder / "forks.py").write_text(FORKS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    program = subprocess.Popen(
        [sys.executable, "forks.py", when],
        cwd=folder,
        env={**kept, **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        try:
            yield program
        finally:
            program.kill()


def until(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def forked(folder: Path, when: str, **more: str) -> None:
    """Run the program to its end."""
    with forking(folder, when, **more) as program:
        _, said = program.communicate(timeout=60)
        assert program.returncode == 0, said


def instances(requests: list[Any], resources: str) -> Counter[str]:
    """Requests by the process that they are of."""
    return Counter(
        each.value.string_value
        for request in requests
        for resource in getattr(request, resources)
        for each in resource.resource.attributes
        if each.key == "service.instance.id"
    )


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("when", ["flushed", "waiting"])
def test_each_span_is_exported_once_by_the_process_that_made_it(
    tmp_path: Path, protocol: str, when: str
) -> None:
    with collector(protocol) as collected:
        forked(tmp_path, when, **collected.environment)

    spans = [span for span in collected.spans if span.name == "send default"]
    assert len({span.span_id for span in spans}) == len(spans)
    assert len(spans) == (3 if when == "flushed" else 4)
    assert len(instances(collected.requests["traces"], "resource_spans")) == 2


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_each_counts_what_it_did_itself(tmp_path: Path, protocol: str, temporality: str) -> None:
    told = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality}
    with collector(protocol) as collected:
        forked(tmp_path, "flushed", **collected.environment, **told)

    counted: dict[str, list[tuple[float, int]]] = {}
    for request in collected.requests["metrics"]:
        (who,) = instances([request], "resource_metrics")
        (scope,) = request.resource_metrics[0].scope_metrics
        by_name = {one.name: one for one in scope.metrics}
        (sent,) = by_name["messaging.client.sent.messages"].sum.data_points
        (took,) = by_name["messaging.client.operation.duration"].histogram.data_points
        counted.setdefault(who, []).append((sent.as_double, took.count))
    again = (2, 2) if temporality == "cumulative" else (1, 1)
    assert sorted(counted.values()) == [[(1, 1)], [(1, 1), again]]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_fork_in_the_midst_of_an_export_leaves_both_able_to_export(
    tmp_path: Path, protocol: str
) -> None:
    with collector(protocol) as collected:
        collected.holding.set()
        with forking(tmp_path, "midst", **collected.environment) as program:
            assert program.stdin is not None
            assert program.stdout is not None
            until(lambda: collected.requests["traces"] and collected.requests["metrics"])
            collected.holding.clear()
            program.stdin.write("fork\n")
            program.stdin.flush()
            assert program.stdout.readline() == "the child has ended: 0\n"
            collected.let_go.set()
            assert program.wait(60) == 0

    spans = [span for span in collected.spans if span.name == "send default"]
    assert len({span.span_id for span in spans}) == len(spans) == 3
    assert len(instances(collected.requests["traces"], "resource_spans")) == 2
    assert len(instances(collected.requests["metrics"], "resource_metrics")) == 2


def test_a_child_that_did_nothing_exports_nothing_and_leaves_at_once(tmp_path: Path) -> None:
    with (
        collector("grpc") as collected,
        forking(tmp_path, "idle", **collected.environment) as program,
    ):
        _, said = program.communicate(timeout=60)

    assert program.returncode == 0
    assert "dropped" not in said
    assert len(instances(collected.requests["traces"], "resource_spans")) == 1
    assert len(instances(collected.requests["metrics"], "resource_metrics")) == 1
