"""The main job on real input, with real worker processes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from longshore import Longshore
from longshore.demo.files import files_under, from_text, to_text
from longshore.demo.run import Demo
from longshore.demo.summary import summarise

BIG = 150_000_000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for folder in (root, root / "deep" / "er", root / ".git"):
        folder.mkdir(parents=True, exist_ok=True)
    for number in range(50):
        (root / f"file {number}.txt").write_text(f"{number}\n" * number, "utf-8")
    (root / "empty").touch()
    (root / "deep" / "er" / "ünï→code %41 \n newline").write_bytes(b"\x00\xff" * 100)
    Path(os.fsdecode(os.fsencode(root) + b"/not-utf8-\xff\xfe")).write_bytes(b"x\ny\n")
    (root / ".git" / "HEAD").write_text("left out", "utf-8")
    (root / "link").symlink_to(root / "empty")
    return root


def test_every_file_is_once_in_the_log_with_its_real_sum_though_a_worker_was_killed(
    tree: Path, tmp_path: Path
) -> None:
    for number in range(4):
        with (tree / f"big {number}").open("wb") as file:
            file.truncate(BIG + number)
    demo = Demo(root=tree, database=tmp_path / "demo.db", kill=True)

    with Longshore(url=demo.url) as app:
        demo.enqueue(app)
        demo.watch(app, lambda _done: None)
        summary = summarise(app, demo.dead_letters(app))

    expected = {str(path): digest(path) for path in files_under(tree)}
    assert len(expected) == 57
    assert {name: one.sha256 for name, one in summary.results.items()} == expected
    assert summary.problems(len(expected)) == []
    assert demo.killed_after is not None
    assert 0 < demo.killed_after < demo.total


@pytest.mark.once
def test_the_command_says_what_became_of_every_task(tree: Path) -> None:
    printed = subprocess.run(  # our own command
        [sys.executable, "-m", "longshore", "demo", str(tree), "--json"],
        check=True,
        capture_output=True,
        timeout=50,
    )

    document = json.loads(printed.stdout)
    assert document["states"] == {"succeeded": 53, "failed": 1}
    assert len(document["failed"]["errors"]) == 3
    assert sorted(one["reason"] for one in document["dead_letters"]) == ["decode", "error"]
    assert {name: one["sha256"] for name, one in document["files"].items()} == {
        str(path): digest(path) for path in files_under(tree)
    }


@pytest.mark.once
def test_the_commands_it_ends_with_work(tree: Path) -> None:
    command = [sys.executable, "-m", "longshore"]
    printed = subprocess.run(
        [*command, "demo", str(tree), "--json"], check=True, capture_output=True, timeout=50
    )
    told = json.loads(printed.stdout)["commands"]

    ended = [
        subprocess.run([*command, *line.split()[1:]], check=False, capture_output=True, timeout=50)
        for line in told
    ]

    assert [(one.args, one.returncode) for one in ended if one.returncode] == []


@pytest.mark.once
def test_a_folder_without_files_is_done_at_once(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    printed = subprocess.run(
        [sys.executable, "-m", "longshore", "demo", str(empty), "--json"],
        check=True,
        capture_output=True,
        timeout=50,
    )

    assert json.loads(printed.stdout)["states"] == {"failed": 1}


@pytest.mark.parametrize("name", ["missing", "a file"])
def test_what_is_no_folder_is_refused_with_the_next_step(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").touch()

    printed = subprocess.run(
        [sys.executable, "-m", "longshore", "demo", str(tmp_path / name)],
        check=False,
        capture_output=True,
        timeout=50,
    )

    assert printed.returncode == 2
    assert b"is not a folder" in printed.stderr
    assert b"Traceback" not in printed.stderr


@pytest.mark.parametrize("raw", [b"/plain/name", b"/a b/%41", b"/\xff\n\xc3\xbc", b"/\x01"])
def test_any_name_travels_as_text_and_comes_back(raw: bytes) -> None:
    path = Path(os.fsdecode(raw))

    text = to_text(path)

    assert json.loads(json.dumps(text)) == text
    assert from_text(text) == path


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
