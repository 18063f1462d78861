"""What `import longshore` offers, and what it costs."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import longshore

# Each of these would make `import longshore` slow, and is imported where it is used.
HEAVY = {
    "click",
    "concurrent.futures.process",
    "longshore_adapters",
    "multiprocessing",
    "pydantic",
    "pydantic_settings",
    "rich",
    "sqlite3",
}


def test_every_public_name_can_be_imported_and_is_listed_once() -> None:
    missing = [name for name in longshore.__all__ if not hasattr(longshore, name)]

    assert missing == []
    assert len(set(longshore.__all__)) == len(longshore.__all__)
    assert set(longshore.__all__) <= set(dir(longshore))


def test_every_public_class_and_function_is_documented() -> None:
    undocumented = [
        name
        for name in longshore.__all__
        if is_definition(found := getattr(longshore, name)) and not said_about(found)
    ]

    assert undocumented == []


def test_importing_longshore_imports_nothing_heavy() -> None:
    script = f"import json, sys, longshore; print(json.dumps(sorted({HEAVY} & sys.modules.keys())))"
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)

    imported = json.loads(ran.stdout)

    assert imported == []


def is_definition(found: object) -> bool:
    return inspect.isclass(found) or inspect.isroutine(found) or inspect.ismodule(found)


def said_about(found: object) -> str:
    text = inspect.cleandoc(getattr(found, "__doc__", None) or "")
    # A dataclass without a docstring gets its signature as one.
    return "" if text.startswith(f"{getattr(found, '__name__', '')}(") else text
