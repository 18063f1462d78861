from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.brokers.kept import is_made, make

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    lock = tmp_path / "lock.txt"
    lock.write_text("moto==1", encoding="utf-8")
    return lock


def test_a_folder_is_filled_once_however_many_ask_at_a_time(lock: Path, tmp_path: Path) -> None:
    fillings: list[str] = []

    with ThreadPoolExecutor(4) as at_once:
        for _ in range(4):
            at_once.submit(make, tmp_path / "made", lock, lambda: fillings.append("filled"))

    assert fillings == ["filled"]
    assert is_made(tmp_path / "made", lock)


def test_another_lock_makes_the_folder_anew(lock: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    make(folder, lock, (folder / "old").touch)

    lock.write_text("moto==2", encoding="utf-8")
    stale = not is_made(folder, lock)
    make(folder, lock, (folder / "new").touch)

    assert stale
    assert [each.name for each in folder.iterdir() if each.suffix != ".sha256"] == ["new"]


def test_what_was_not_made_to_its_end_is_not_made(lock: Path, tmp_path: Path) -> None:
    def fail() -> None:
        raise ConnectionError("the index went away")

    with pytest.raises(ConnectionError):
        make(tmp_path / "made", lock, fail)

    assert not is_made(tmp_path / "made", lock)
