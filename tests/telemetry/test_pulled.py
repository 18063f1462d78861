"""Metrics that are pushed and pulled by one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final

PROGRAM: Final = """
from longshore.telemetry import TelemetryOptions, telemetry_of

telemetry = telemetry_of("auto", TelemetryOptions())
telemetry.seam("memory").timed("send", "q", 0.1, None)
telemetry.close()
"""


def test_a_distribution_that_is_pulled_as_well_is_pushed_once() -> None:
    asked = {"OTEL_METRICS_EXPORTER": "console,prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": "0"}
    others = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}

    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        check=False,
        env=others | asked,
        text=True,
        timeout=50,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    exported = json.loads(ran.stdout)
    names = [
        metric["name"]
        for scope in exported["resource_metrics"][0]["scope_metrics"]
        for metric in scope["metrics"]
    ]
    assert names.count("messaging.client.operation.duration") == 1
