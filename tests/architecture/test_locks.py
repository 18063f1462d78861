"""The lock files hold what pyproject.toml asks for, and nothing of the machine that made them."""

from __future__ import annotations

import re
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.places import ROOT

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = ROOT / "requirements"
NAMES = ["build", "dev", "run"]
OF_SERVERS = ["localstack", "moto"]
HASHES = r"((?:\n    --hash=sha256:[0-9a-f]{64}[ \\]*)*)"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)[^\n]*" + HASHES, re.MULTILINE)
NOTHING_ELSE = re.compile(r"#.*|\s+--hash=sha256:[0-9a-f]{64}( \\)?|[a-z0-9._-]+==[0-9][^/@]*\\|")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_satisfies_what_is_asked_for(name: str, project: dict[str, Any]) -> None:
    script = lock_script()
    asked = [
        Requirement(line)
        for group in script.LOCKS[name]
        for line in script.requirements(project, group)
    ]
    pinned = pins(name)

    unmet = [
        str(each)
        for each in asked
        if (each.marker is None or each.marker.evaluate())
        and pinned.get(canonicalize_name(each.name), "") not in each.specifier
    ]

    assert unmet == [], "run: make lock"


@pytest.mark.parametrize("name", [*NAMES, *OF_SERVERS])
def test_every_pin_of_a_lock_has_hashes(name: str) -> None:
    bare = [pin for pin, _, hashes in PIN.findall(text(name)) if not hashes]

    assert pins(name)
    assert bare == []


@pytest.mark.parametrize("name", OF_SERVERS)
def test_the_lock_of_a_server_satisfies_what_is_asked_for(name: str) -> None:
    lines = (FOLDER / f"{name}.in").read_text(encoding="utf-8").splitlines()
    asked = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0]]
    pinned = pins(name)

    unmet = [
        str(each)
        for each in asked
        if pinned.get(canonicalize_name(each.name), "") not in each.specifier
    ]

    assert unmet == [], "run: make lock"


@pytest.mark.parametrize("name", [*NAMES, *OF_SERVERS])
def test_a_lock_says_nothing_of_the_machine_that_made_it(name: str) -> None:
    strange = [line for line in text(name).splitlines() if not NOTHING_ELSE.fullmatch(line)]

    assert strange == []


@pytest.mark.parametrize("name", ["build", "moto", "run"])
def test_the_locks_agree_on_every_version(name: str) -> None:
    small, large = pins(name), pins("dev")

    assert small == {pin: large.get(pin) for pin in small}


def pins(name: str) -> dict[str, str]:
    return {canonicalize_name(pin): version for pin, version, _ in PIN.findall(text(name))}


def text(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def lock_script() -> ModuleType:
    spec = spec_from_file_location("requirements_lock", FOLDER / "lock.py")
    assert spec
    assert spec.loader
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    return script
