"""docs/settings.md and the example file say what the code does."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from longshore.settings import QueueSettings, Settings, explain, show, variable

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own environment and files out of every test."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        monkeypatch.delenv(name)


def test_every_setting_is_documented_with_its_variable_default_and_description() -> None:
    documented = (DOCS / "settings.md").read_text(encoding="utf-8").splitlines()

    for model, columns in ((Settings, 4), (QueueSettings, 3)):
        for name, field in model.model_fields.items():
            value: object = field.get_default(call_default_factory=True)
            default = f"`{show(value)}`" if value not in ((), {}) else "empty"
            cells = [f"`{name}`", f"`{variable(name)}`", default, field.description or ""]
            row = cells if columns == 4 else [cells[0], *cells[2:]]
            assert f"| {' | '.join(row)} |" in documented


def test_the_example_file_loads_and_has_every_setting(tmp_path: Path) -> None:
    example = (DOCS / "longshore.example.toml").read_text(encoding="utf-8")
    as_shipped = tmp_path / "longshore.toml"
    as_shipped.write_text(example)

    settings = Settings()

    assert settings.route("mail.send") == "emails"
    assert settings.for_queue("emails").retry_after[-1] == timedelta(minutes=10)
    for name in {*Settings.model_fields, *QueueSettings.model_fields} - {"queues", "routes"}:
        assert f"{name} = " in example


def test_every_line_commented_out_in_the_example_is_a_valid_setting(tmp_path: Path) -> None:
    lines = (DOCS / "longshore.example.toml").read_text(encoding="utf-8").splitlines()
    uncommented = [line.removeprefix("# ") if " = " in line else line for line in lines]
    (tmp_path / "longshore.toml").write_text("\n".join(uncommented))

    rows = {row.name: row.source for row in explain(Settings())}

    assert {rows[name] for name in Settings.model_fields if name in rows} == {"longshore.toml"}
