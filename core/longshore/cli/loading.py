"""Loading an application that is named `module:object`, from the working directory too."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longshore.cli.exit import AppError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from longshore.app import Longshore
    from longshore.definition import TaskRegistry
    from longshore.draft import Draft
    from longshore.settings import Settings

_OURS: Final = str(Path(__file__).parents[1]) + os.sep


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a command works with. `name` is None where no application was named."""

    name: str | None
    settings: Settings
    registry: TaskRegistry
    staged: Sequence[Draft] = ()


def load(name: str | None) -> Loaded:
    """Load the application of that name, else of the setting `app`, else an empty one.

    `AppError` where it cannot be loaded, `ConfigurationError` where the settings cannot be used.
    """
    from longshore.definition import TaskRegistry  # noqa: PLC0415 - loaded by commands that run
    from longshore.settings import Settings  # noqa: PLC0415 - loaded by commands that run

    if name is None:
        settings = Settings.load()
        if settings.app is None:
            registry = TaskRegistry(settings.imports)
            return Loaded(name=None, settings=settings, registry=registry)
        name = settings.app
    app = load_app(name)
    return Loaded(name=name, settings=app.settings, registry=app.registry, staged=app.staged)


def load_app(name: str) -> Longshore:
    """Import the application; `AppError` says what is wrong, and never shows a traceback."""
    from longshore.app import Longshore  # noqa: PLC0415 - loaded by commands that run

    module_name, colon, path = name.partition(":")
    if not (colon and path and module_name.strip(".")):
        raise AppError(name, "write module:object, such as shop.tasks:app")
    module = _import(name, module_name)
    found: object = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise AppError(name, _missing(module, part, Longshore))
        found = getattr(found, part)
    if not isinstance(found, Longshore):
        kind = type(found).__name__
        raise AppError(name, f"it is a {kind}, and has to be a longshore.Longshore")
    return found


def _import(name: str, module: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            problem = f"there is no module {error.name!r} in {here} or among what is installed"
            raise AppError(name, problem) from error
        raise AppError(name, _raised(module, error)) from error
    except (Exception, SystemExit) as error:
        raise AppError(name, _raised(module, error)) from error


def _missing(module: ModuleType, part: str, wanted: type[Longshore]) -> str:
    there = [key for key, value in vars(module).items() if isinstance(value, wanted)]
    hint = f"it has: {', '.join(there)}" if there else "nor any other Longshore application"
    return f"module {module.__name__!r} has no {part!r}; {hint}"


def _raised(module: str, error: BaseException) -> str:
    """Say what an import raised, and where: in the application, though we may have refused it."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_OURS)]
    where = f" at {theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""
    return f"importing {module!r} raised {type(error).__name__}: {error}{where}"
