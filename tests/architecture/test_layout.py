"""The tree is the architecture diagram; these tests keep it readable."""

from __future__ import annotations

import ast
import re

from tests.architecture.places import (
    PACKAGES,
    ROOT,
    adapter_folders,
    named,
    package_modules,
    source_folders,
)

LONGEST_MODULE = 400
# Names that say nothing of the domain; a class may not end in them either.
EMPTY_NAMES = {
    "base",
    "common",
    "data",
    "helper",
    "helpers",
    "impl",
    "info",
    "interfaces",
    "manager",
    "misc",
    "util",
    "utils",
}
# An adapter's files have the same names in each, so that a reader of one can read them all.
# A file with nothing to say does not exist.
ADAPTER_FILES = {
    "README.md",
    "__init__.py",
    "connection.py",  # opening, pooling, closing
    "errors.py",  # the vendor's errors, by table
    "limits.py",  # the vendor's limits, with links
    "queue.py",
    "schema.sql",
    "server.py",  # the server itself, where the adapter is one (memory)
    "store.py",
    "task_log.py",
    "together.py",
    "wire.py",  # pure: a message to the vendor's form and back
}


def test_every_top_level_folder_says_what_it_is() -> None:
    silent = [named(each) for each in source_folders() if not (each / "README.md").exists()]

    assert silent == [], "write a README.md in each"


def test_every_source_root_holds_exactly_one_package() -> None:
    found = {
        root: sorted(each.name for each in (ROOT / root).iterdir() if each.name != "__pycache__")
        for root in PACKAGES
    }

    # Whatever else lay there would be importable by its bare name.
    assert found == {
        root: sorted(["README.md", package.name]) for root, package in PACKAGES.items()
    }


def test_both_packages_are_typed() -> None:
    untyped = [root for root, package in PACKAGES.items() if not (package / "py.typed").exists()]

    assert untyped == []


def test_every_adapter_is_described_and_names_its_entry() -> None:
    incomplete = [
        named(each)
        for each in adapter_folders()
        if not (each / "README.md").exists()
        or not re.search(r"^ADAPTER\b", (each / "__init__.py").read_text("utf-8"), re.MULTILINE)
    ]

    assert incomplete == [], "each needs a README.md and ADAPTER in its __init__.py"


def test_what_only_one_adapter_has_is_in_its_readme() -> None:
    unexplained = [
        named(each)
        for folder in adapter_folders()
        for each in folder.iterdir()
        if each.name not in ADAPTER_FILES | {"__pycache__"}
        and f"`{each.name}`" not in (folder / "README.md").read_text("utf-8")
    ]

    assert unexplained == [], (
        f"adapters share these names: {', '.join(sorted(ADAPTER_FILES))}; "
        "any other file has its line in the adapter's README.md"
    )


def test_no_module_is_longer_than_a_talk_with_a_colleague() -> None:
    lengths = {
        named(each): len(each.read_text(encoding="utf-8").splitlines())
        for each in package_modules()
    }

    too_long = {name: length for name, length in lengths.items() if length > LONGEST_MODULE}

    assert too_long == {}


def test_modules_and_folders_are_named_by_the_domain() -> None:
    empty = {
        named(path)
        for module in package_modules()
        for path in (module, *module.parents)
        if path.is_relative_to(ROOT) and path.stem.strip("_") in EMPTY_NAMES
    }

    assert empty == set()


def test_classes_are_named_by_the_domain() -> None:
    empty = [
        f"{named(module)}: {node.name}"
        for module in package_modules()
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and last_word(node.name) in EMPTY_NAMES
    ]

    assert empty == []


def last_word(name: str) -> str:
    words: list[str] = re.findall(r"[A-Z][a-z0-9]*|[a-z0-9]+", name)
    return words[-1].lower()
