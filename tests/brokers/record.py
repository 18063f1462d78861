"""What was started here, by process or container id, so that `down` ends nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "brokers"
LOG = "server.log"
GRACE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A server process that leads its own process group, and when it was born.

    A process id is used again after its owner ended; the birth tells the two apart.
    """

    pid: int
    born: str
    ends_by: int
    folder: str

    def runs(self) -> bool:
        """Tell whether this very process is still there."""
        return birth(self.pid) == self.born

    def last_words(self) -> str:
        """The last line of its log: mostly why it ended."""
        return last_line(Path(self.folder) / LOG)

    def end(self) -> None:
        """Ask it to end, insist after a grace, and remove its folder. Harmless when it is gone."""
        if self.runs():
            os.killpg(self.pid, self.ends_by)
        deadline = time.monotonic() + GRACE
        while self.runs() and time.monotonic() < deadline:
            time.sleep(0.1)
        if self.runs():
            os.killpg(self.pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container that this package asked Docker for."""

    container: str

    def runs(self) -> bool:
        """Tell whether Docker still runs it."""
        words = ["docker", "inspect", "--format", "{{.State.Running}}", self.container]
        asked = subprocess.run(words, capture_output=True, check=False, text=True)
        return asked.stdout.strip() == "true"

    def last_words(self) -> str:
        """The last line of its log: mostly why it ended."""
        words = ["docker", "logs", "--tail", "1", self.container]
        asked = subprocess.run(words, capture_output=True, check=False, text=True)
        return (asked.stdout + asked.stderr).strip() or "its log is empty"

    def end(self) -> None:
        """Remove it with its volumes. Harmless when it is gone."""
        words = ["docker", "rm", "--force", "--volumes", self.container]
        subprocess.run(words, capture_output=True, check=False)


Started = Process | Container


def birth(pid: int) -> str | None:
    """When the process began, in the system's own terms; None when it is gone, or dead unreaped."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in {"Z", "X"} else fields[19]
    words = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    asked = subprocess.run(words, capture_output=True, check=False, text=True)
    state, _, began = asked.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else began.strip()


def last_line(log: Path) -> str:
    """The last line of a log that says anything."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it left no log"
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")


def keep(name: str, started: Started, folder: Path = FOLDER) -> None:
    """Remember what was started under the server's name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(asdict(started)) + "\n", encoding="utf-8")


def find(name: str, folder: Path = FOLDER) -> Started | None:
    """What was started here under the name and not yet ended, whether or not it still runs."""
    try:
        known = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Container(**known) if "container" in known else Process(**known)


def forget(name: str, folder: Path = FOLDER) -> None:
    """Drop the record. Idempotent."""
    (folder / f"{name}.json").unlink(missing_ok=True)
