"""What a parent does before it forks workers: all that can be shared, and nothing left over."""

from __future__ import annotations

import logging
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from longshore import Longshore
from longshore.cli.warming import warm
from longshore.errors import TaskDefinitionError
from longshore.registry import SupportsRehearsal, find_adapter

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("url", ["sqlite:///{folder}/tasks.db", "memory://"])
def test_warming_leaves_no_thread_no_file_and_no_word(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    app = Longshore(url=url.format(folder=tmp_path))
    before = set(threading.enumerate())

    with caplog.at_level(logging.DEBUG):
        warm(app.settings, app.registry)

    assert set(threading.enumerate()) <= before
    assert list(tmp_path.iterdir()) == []
    assert caplog.records == []


def test_a_task_whose_arguments_cannot_be_read_keeps_no_worker_from_starting() -> None:
    app = Longshore(url="memory://")

    def odd(thing: Any) -> None: ...

    odd.__annotations__["thing"] = "Unheard"
    app.task(odd)

    warm(app.settings, app.registry)

    with pytest.raises(TaskDefinitionError, match="Unheard"):
        app.enqueue("odd", 1)


@pytest.mark.parametrize("url", ["nosuch://host", "sqlite:///{folder}/no/such/tasks.db?nosuch=1"])
def test_what_cannot_be_warmed_is_left_to_the_workers(url: str, tmp_path: Path) -> None:
    app = Longshore(url=url.format(folder=tmp_path))

    warm(app.settings, app.registry)

    assert list(tmp_path.iterdir()) == []


def test_a_place_to_rehearse_on_is_new_and_gone_afterwards() -> None:
    adapter = find_adapter("sqlite://")
    assert isinstance(adapter, SupportsRehearsal)

    with adapter.rehearsal() as one, adapter.rehearsal() as other:
        adapter.init(one)

        assert one != other
        assert adapter.init(other)[0].endswith("created")
    assert not adapter.deinit(one)[0].endswith("removed")
