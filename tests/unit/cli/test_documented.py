"""docs/cli.md says of every command what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from longshore.cli import ExitCode
from longshore.cli.commands import ENTRIES, SECTIONS, Entry
from longshore.cli.drafting import OPTION_NAMES

PAGE = (Path(__file__).parents[3] / "docs/cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_each_command_has_its_row_with_summary_and_old_names(entry: Entry) -> None:
    old = ", ".join(f"`{name}`" for name in entry.originals) or "–"
    row = f"| `longshore {entry.name}` | {entry.summary} |"

    assert (row if entry.hidden else f"{row} {old} |") in PAGE


def test_the_page_has_the_sections_of_the_help() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)

    assert headings[: len(SECTIONS)] == list(SECTIONS)


@pytest.mark.parametrize("code", ExitCode)
def test_each_exit_code_has_its_number_and_name(code: ExitCode) -> None:
    assert f"| {code:d} | `{code.name}` |" in PAGE


def test_each_option_of_a_batch_line_is_named() -> None:
    assert [name for name in OPTION_NAMES if f"`{name}`" not in PAGE] == []
