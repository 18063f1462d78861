"""The commands of the repository: the Makefile and what CI runs."""

from __future__ import annotations

import os
import re
import subprocess

from tests.architecture.places import ROOT

CI = ROOT / ".ci/run"


def test_make_alone_lists_every_command() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE)

    listed = output(["make", "--no-print-directory"])

    assert commands
    assert [each for each in commands if f"make {each} " not in listed] == []


def test_ci_runs_the_checks_and_the_tests_and_stops_at_the_first_failure() -> None:
    script = CI.read_text(encoding="utf-8")

    output(["bash", "-n", str(CI)])

    assert os.access(CI, os.X_OK)
    assert "set -euo pipefail" in script
    assert re.findall(r"^make (\w+)$", script, re.MULTILINE) == ["check", "test"]


def output(words: list[str]) -> str:
    # A make that runs the tests leaves its own flags in the environment.
    environment = {key: text for key, text in os.environ.items() if key != "MAKEFLAGS"}
    ran = subprocess.run(
        words, capture_output=True, check=True, cwd=ROOT, env=environment, text=True
    )
    return ran.stdout
