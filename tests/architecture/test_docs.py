"""Documentation cannot rot: what exists is named, and what is named exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from longshore.cli import ExitCode, main
from longshore.settings import Settings
from tests.architecture.places import ROOT, adapter_folders, documents, named

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = ROOT / "docs"
PREFIX = "LONGSHORE_"
NO_SETTINGS = {
    "LONGSHORE_CONFIG",  # says where the TOML is, so it cannot stand in it
    "LONGSHORE_PORT",  # the page's example of a variable that somebody else sets
}
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)\s#]+)")
MAKE = re.compile(r"(?:^|`)make ([a-z][a-z-]*)", re.MULTILINE)


def test_every_setting_is_documented() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")

    silent = [name for name in variables() if not re.search(rf"\b{name}\b", page)]

    assert silent == []


def test_every_documented_setting_exists() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")

    invented = set(re.findall(rf"\b{PREFIX}[A-Z][A-Z0-9_]*\b", page)) - set(variables())

    assert invented == NO_SETTINGS


def test_every_command_is_documented() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")

    silent = [command for command in commands(main) if f"`{command}" not in page]

    assert silent == []


def test_every_exit_code_has_its_row_in_a_table() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")

    silent = [
        code for code in ExitCode if not re.search(rf"^\| *`?{code:d}`? *\|", page, re.MULTILINE)
    ]

    assert silent == []


def test_every_adapter_is_documented() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in documents())

    silent = [each.name for each in adapter_folders() if f"{each.name}://" not in pages]

    assert silent == []


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = [
        f"{named(page)}: {target}"
        for page in documents()
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert broken == []


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

    invented = [
        f"{named(page)}: make {target}"
        for page in documents()
        for target in MAKE.findall(page.read_text(encoding="utf-8"))
        if target not in targets
    ]

    assert invented == []


def variables() -> list[str]:
    return [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]


def commands(command: click.Command, path: str = "longshore") -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield path
        return
    for name, each in command.commands.items():
        if not each.hidden:
            yield from commands(each, f"{path} {name}")
