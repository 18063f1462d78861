from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.brokers import record
from tests.brokers.record import Container, Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    words = [sys.executable, "-c", "import signal; signal.pause()"]
    with subprocess.Popen(words, start_new_session=True) as process:
        yield Process(
            pid=process.pid,
            born=record.birth(process.pid) or "",
            ends_by=signal.SIGTERM,
            folder=str(tmp_path / "server"),
        )
        process.kill()


def test_what_is_kept_is_found_until_forgotten(tmp_path: Path) -> None:
    process = Process(pid=1, born="7", ends_by=signal.SIGINT, folder="anywhere")
    container = Container(container="c0ffee")

    record.keep("postgres", process, tmp_path)
    record.keep("redis", container, tmp_path)
    found = record.find("postgres", tmp_path), record.find("redis", tmp_path)
    record.forget("redis", tmp_path)

    assert found == (process, container)
    assert record.find("redis", tmp_path) is None


def test_ending_stops_the_process_and_removes_its_folder(sleeper: Process, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()

    sleeper.end()

    assert not sleeper.runs()
    assert not (tmp_path / "server").exists()


def test_ending_leaves_alone_a_process_that_took_over_the_id(
    sleeper: Process, tmp_path: Path
) -> None:
    stranger = Process(
        pid=sleeper.pid, born="before", ends_by=signal.SIGKILL, folder=str(tmp_path / "server")
    )

    stranger.end()

    assert sleeper.runs()


def test_ending_what_already_ended_is_harmless(sleeper: Process) -> None:
    sleeper.end()

    sleeper.end()

    assert not sleeper.runs()


def test_a_birth_tells_a_living_process_from_none() -> None:
    words = [sys.executable, "-c", "import os; print(os.getpid())"]
    child = subprocess.run(words, check=True, capture_output=True)

    births = record.birth(os.getpid()), record.birth(int(child.stdout))

    assert births[0]
    assert births[1] is None


def test_the_last_words_are_the_last_line_that_says_anything(tmp_path: Path) -> None:
    process = Process(pid=1, born="7", ends_by=signal.SIGTERM, folder=str(tmp_path))

    before = process.last_words()
    (tmp_path / record.LOG).write_text("starting\nport is taken\n\n", encoding="utf-8")

    assert before == "it left no log"
    assert process.last_words() == "port is taken"
