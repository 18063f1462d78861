"""An application with a file for its tasks, and the processes that a test starts beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psutil
from click.testing import CliRunner

from longshore.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PATIENCE: Final = 30.0


@dataclass
class Shop:
    """An application with a SQLite file, and the processes that a test starts beside it."""

    folder: Path
    module: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def environment(self) -> dict[str, str]:
        ours = {
            "LONGSHORE_URL": f"sqlite:///{self.folder / 'tasks.db'}",
            "LONGSHORE_APP": f"{self.module}:app",
            "LONGSHORE_LEASE": "6s",
            "LONGSHORE_POLL": "1s",
        }
        rest = {name: v for name, v in os.environ.items() if not name.startswith("LONGSHORE_")}
        return {**rest, **ours, **self.settings}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            capture_output=True,
            check=False,
            cwd=self.folder,
            env=self.environment,
            text=True,
            timeout=PATIENCE,
        )

    def read(self, *words: str) -> Any:
        """What a command answers in JSON, asked in this process.

        Tests poll it; a process each time would take half a second of the core from the worker.
        """
        settings = {"LONGSHORE_URL": self.environment["LONGSHORE_URL"], "LONGSHORE_APP": None}
        ran = CliRunner(env=settings).invoke(main, [*words, "--json"])
        assert ran.exit_code == 0, ran.output
        return json.loads(ran.stdout)

    def enqueue(self, task: str, *args: object, count: int = 1) -> None:
        lines = "\n".join([json.dumps({"task": task, "args": args})] * count)
        (self.folder / "batch").write_text(lines, encoding="utf-8")
        assert self.run("enqueue", "--batch", "batch").returncode == 0

    @staticmethod
    def command(*words: str) -> list[str]:
        return [sys.executable, "-m", "longshore", *words]

    def start(self, *words: str) -> subprocess.Popen[str]:
        return self.start_as(self.command(*words))

    def start_as(self, command: list[str]) -> subprocess.Popen[str]:
        log = (self.folder / f"log-{len(self.started)}").open("w")
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
        )
        log.close()
        self.started.append(process)
        return process

    def log(self, number: int = 0) -> str:
        return (self.folder / f"log-{number}").read_text(encoding="utf-8")

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait for a condition, at most `PATIENCE`."""
        end = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)
        return found

    def until_said(self, words: str, times: int = 1) -> None:
        self.until(lambda: self.log().count(words) >= times)

    def states(self) -> list[str]:
        tasks = self.read("list", "--limit", "1000")["tasks"]
        return sorted(task["state"] for task in tasks)

    def end(self) -> None:
        """Kill what still runs, with its children."""
        for process in self.started:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
                process.wait()
