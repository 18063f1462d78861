"""Each hazard seen in other task queues has its test, and the page that says which is true."""

from __future__ import annotations

import re

from tests.architecture.places import PACKAGES, ROOT

PAGE = (ROOT / "tests/HAZARDS.md").read_text(encoding="utf-8")
COUNT = 22
ROW = re.compile(r"^\| (\d+) \|.*\|(.*)\|$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
ROOTS = (ROOT / "tests", PACKAGES["core"] / "conformance")


def test_every_hazard_has_a_test() -> None:
    rows = {int(number): TEST.findall(tests) for number, tests in ROW.findall(PAGE)}

    assert sorted(rows) == list(range(1, COUNT + 1))
    assert [number for number, tests in rows.items() if not tests] == []


def test_every_test_that_keeps_a_hazard_out_exists() -> None:
    missing = [f"{path}::{name}" for path, name in TEST.findall(PAGE) if not exists(path, name)]

    assert missing == []


def exists(path: str, name: str) -> bool:
    defined = re.compile(rf"^ *(async )?def {name}\(", re.MULTILINE)
    files = (root / path for root in ROOTS)
    return any(file.is_file() and defined.search(file.read_text("utf-8")) for file in files)
