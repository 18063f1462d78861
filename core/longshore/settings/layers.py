"""Reading the sources: the environment, `.env` and `longshore.toml` of the working directory."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dotenv import dotenv_values

from longshore.errors import ConfigurationError
from longshore.settings.originals import originals
from longshore.settings.refusal import nearest
from longshore.settings.trace import GIVEN, Ignored, Layer, Trace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

PREFIX: Final = "LONGSHORE_"
CONFIG: Final = "LONGSHORE_CONFIG"
DOTENV: Final = ".env"
TOML: Final = "longshore.toml"

_TABLES: Final = ("queues", "routes")
_SERVICE_LINK: Final = re.compile(r"LONGSHORE_(?:SERVICE_|PORT(?:_|$)).*")


def read_layers(given: Mapping[str, object], fields: Collection[str]) -> Trace:
    """Read every source there is, the strongest first. An empty variable is one not set.

    Files are looked for in the working directory and nowhere above it. `ConfigurationError` for
    a file that cannot be read.
    """
    environment = {name: value for name, value in os.environ.items() if value}
    dotenv = _read_dotenv()
    layers = [
        Layer(source=GIVEN, values=given),
        _variables(fields, environment, "environment"),
        _variables(fields, dotenv, DOTENV),
        _read_toml(environment.get(CONFIG) or dotenv.get(CONFIG)),
    ]
    decided = {name: layer.name_of(name) for layer in reversed(layers) for name in layer.values}
    found = originals({**dotenv, **environment}, decided)
    ignored = [
        *_unknown(fields, environment, "environment"),
        *_unknown(fields, dotenv, DOTENV),
        *found.ignored,
    ]
    return Trace(layers=(*layers, found.layer), ignored=tuple(ignored))


def variable(setting: str) -> str:
    """Name the environment variable of a setting."""
    return PREFIX + setting.upper()


def _variables(fields: Collection[str], variables: Mapping[str, str], source: str) -> Layer:
    set_here = {name: variable(name) for name in fields if variable(name) in variables}
    values = {
        name: _table(variables[full]) if name in _TABLES else variables[full]
        for name, full in set_here.items()
    }
    if source == DOTENV:
        return Layer(source=source, values=values)
    names = {name: f"{source} {full}" for name, full in set_here.items()}
    return Layer(source=source, values=values, names=names)


def _table(text: str) -> object:
    """Read a table from JSON or from `a=b, c=d`; text of another form is left for the validator."""
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text)
    except (ValueError, RecursionError):
        return text
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(key.strip() and equals for key, equals, _ in pairs):
        return text
    return {key.strip(): value.strip() for key, _, value in pairs}


def _read_dotenv() -> dict[str, str]:
    try:
        return {name: value for name, value in dotenv_values(DOTENV).items() if value}
    except (OSError, ValueError) as error:
        message = f"{Path(DOTENV).absolute()} cannot be read: {error}; it holds lines NAME=value"
        raise ConfigurationError(message) from None


def _read_toml(chosen: str | None) -> Layer:
    path = Path(chosen or TOML)
    if chosen is None and not path.exists():
        return Layer(source=TOML, values={})
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        named = f", named by {CONFIG}," if chosen else ""
        message = f"{path.absolute()}{named} cannot be read as TOML: {error}"
        raise ConfigurationError(message) from None
    return Layer(source=str(path), values=values)


def _unknown(
    fields: Collection[str], variables: Mapping[str, str], source: str
) -> Iterator[Ignored]:
    known = {variable(name) for name in fields} | {CONFIG}
    for name in sorted(variables):
        if not name.startswith(PREFIX) or name in known:
            continue
        if _SERVICE_LINK.fullmatch(name):
            reason = "Kubernetes sets it for a Service named longshore; it is no setting"
        else:
            meant = nearest(name.removeprefix(PREFIX), fields)
            reason = "there is no such setting"
            reason += f"; did you mean {variable(meant)}?" if meant else ""
        yield Ignored(name=name, source=source, reason=reason)
