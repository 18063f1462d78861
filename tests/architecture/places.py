"""Where things are in this repository, for the tests beside this file."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OTHER_SCHEMES = {"postgresql": "postgres", "rabbitmqs": "rabbitmq", "rediss": "redis"}
"""Schemes that are another way to one adapter, by the folder of it."""
PACKAGES = {"core": ROOT / "core/longshore", "adapters": ROOT / "adapters/longshore_adapters"}
MADE_BY_TOOLS = {"build", "dist", "node_modules", "__pycache__"}


def named(path: Path) -> str:
    """The path as a reader of this repository would write it."""
    return path.relative_to(ROOT).as_posix()


def source_folders() -> list[Path]:
    """The top-level folders that people keep."""
    return sorted(
        each
        for each in ROOT.iterdir()
        if each.is_dir() and not each.name.startswith(".") and each.name not in MADE_BY_TOOLS
    )


def adapter_folders() -> list[Path]:
    """One folder for each adapter."""
    return sorted(each.parent for each in PACKAGES["adapters"].glob("*/__init__.py"))


def package_files() -> list[Path]:
    """Everything that users get, in both packages."""
    return sorted(
        each
        for package in PACKAGES.values()
        for each in package.rglob("*")
        if each.is_file() and "__pycache__" not in each.parts
    )


def package_modules() -> list[Path]:
    """The Python among it."""
    return [each for each in package_files() if each.suffix == ".py"]


def documents() -> list[Path]:
    """Every page of Markdown that people keep."""
    pages = [page for each in source_folders() for page in each.rglob("*.md")]
    kept = [page for page in pages if MADE_BY_TOOLS.isdisjoint(page.relative_to(ROOT).parts)]
    return sorted([*ROOT.glob("*.md"), *kept])
