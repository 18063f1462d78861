"""The variable names of the systems that came before: the weakest source above the defaults.

`DB_*` and `REDIS_*` are read only where `JOB_ENGINE` or `DB_CONNECTION` asks for them: in most
environments a `DB_HOST` is there for another database than the queue's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import quote

from longshore.errors import ConfigurationError
from longshore.settings.trace import Ignored, Layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SOURCE: Final = "alias"

_PLAIN: Final = {
    "MAX_WORKERS": "processes",
    "WORKER_MAX_JOBS": "max_tasks",
    "WORKER_TIMEOUT": "max_time",  # `queue:work --timeout`: how long a worker lives
}
_MEMORY: Final = "WORKER_MEMORY_LIMIT"
_MEBIBYTE: Final = 1_048_576
_ENGINE: Final = "JOB_ENGINE"
_CONNECTION: Final = "DB_CONNECTION"
_ENCRYPTION: Final = "ENCRYPTION_KEY"
_ENCRYPTION_REASON: Final = (
    "this version does not encrypt: arguments are stored and sent as readable JSON"
)

# Two of the originals named the same things differently.
_DRIVERS: Final = (_CONNECTION, "DB_DRIVER")
_DATABASES: Final = ("DB_DATABASE", "DB_NAME")
_USERS: Final = ("DB_USERNAME", "DB_USER")
_PASSWORDS: Final = ("DB_PASSWORD", "DB_PSWD")
_SQLITE_PATHS: Final = ("DB_PATH", *_DATABASES)
_SCHEMES: Final = {
    "mariadb": "mysql",
    "mysql": "mysql",
    "pgsql": "postgresql",
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "sqlite": "sqlite",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Originals:
    """What the old names say, and those that say something nobody listens to."""

    layer: Layer
    ignored: tuple[Ignored, ...]


def originals(variables: Mapping[str, str], decided: Mapping[str, str]) -> Originals:
    """Read the old names; `decided` says which stronger source has a setting already.

    `ConfigurationError` where an old name asks for something that cannot be made of the others.
    Nothing is asked of a setting that is decided.
    """
    names = {name: setting for name, setting in _settings_of(variables) if setting not in decided}
    values = {setting: _read(name, setting, variables) for name, setting in names.items()}
    aliases = {setting: f"{SOURCE} {name}" for name, setting in names.items()}
    layer = Layer(source=SOURCE, values=values, names=aliases)
    return Originals(layer=layer, ignored=tuple(_ignored(variables, decided)))


def _settings_of(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Pair each old name that is set with the setting it decides; the engine before the rest."""
    yield from ((name, setting) for name, setting in _PLAIN.items() if name in variables)
    if _MEMORY in variables:
        yield _MEMORY, "memory_limit"
    engine = next((name for name in (_ENGINE, _CONNECTION) if name in variables), None)
    if engine is not None:
        yield engine, "url"


def _read(name: str, setting: str, variables: Mapping[str, str]) -> object:
    if setting == "url":
        return _url(variables)
    if name == _MEMORY:
        return _megabytes(variables[name])
    return variables[name]


def _ignored(variables: Mapping[str, str], decided: Mapping[str, str]) -> Iterator[Ignored]:
    for name, setting in _settings_of(variables):
        if setting in decided:
            reason = f"{setting} is decided by a stronger source: {decided[setting]}"
            yield Ignored(name=name, source=SOURCE, reason=reason)
    if _ENCRYPTION in variables:
        yield Ignored(name=_ENCRYPTION, source=SOURCE, reason=_ENCRYPTION_REASON)


def _megabytes(text: str) -> int:
    """Read bytes, as the original did, and round up to megabytes."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) < len(str(_MEBIBYTE**3))):
        _refuse(_MEMORY, text, "accepted: a number of bytes, such as 52428800")
    if int(digits) < _MEBIBYTE:
        _refuse(
            _MEMORY,
            text,
            "it counts bytes, so this is less than 1 MB. For megabytes set LONGSHORE_MEMORY_LIMIT",
        )
    return -(-int(digits) // _MEBIBYTE)


def _url(variables: Mapping[str, str]) -> str:
    engine = variables.get(_ENGINE, "database").lower()
    if engine == "sync":
        return "memory://?sync=true"
    if engine == "null":
        return "null://"
    if engine == "redis":
        return _redis(variables)
    if engine == "database":
        return _database(variables)
    return _refuse(_ENGINE, engine, "accepted: database, redis, sync or null")


def _database(variables: Mapping[str, str]) -> str:
    name, driver = _first(variables, _DRIVERS)
    scheme = _SCHEMES.get(driver.lower())
    if scheme is None:
        _refuse(name, driver, "accepted: sqlite, mysql, mariadb, pgsql or postgresql")
    if scheme == "sqlite":
        return f"sqlite:///{quote(_first(variables, _SQLITE_PATHS)[1], safe='/:')}"
    database = quote(_first(variables, _DATABASES)[1], safe="")
    user = next((variables[name] for name in _USERS if name in variables), "")
    password = next((variables[name] for name in _PASSWORDS if name in variables), "")
    host = _host(variables.get("DB_HOST", "localhost"), variables.get("DB_PORT"))
    return f"{scheme}://{_login(user, password)}{host}/{database}"


def _redis(variables: Mapping[str, str]) -> str:
    host = _host(variables.get("REDIS_HOST", "127.0.0.1"), variables.get("REDIS_PORT"))
    login = _login("", variables.get("REDIS_PASSWORD", ""))
    number = quote(variables.get("REDIS_JOB_DB", "0"), safe="")
    prefix = variables.get("REDIS_JOB_PREFIX")
    options = "" if prefix is None else f"?prefix={quote(prefix, safe='')}"
    return f"redis://{login}{host}/{number}{options}"


def _login(user: str, password: str) -> str:
    if not user and not password:
        return ""
    return quote(user, safe="") + (f":{quote(password, safe='')}@" if password else "@")


def _host(host: str, port: str | None) -> str:
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return bracketed if port is None else f"{bracketed}:{port}"


def _first(variables: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    for name in names:
        if name in variables:
            return name, variables[name]
    asking = _ENGINE if _ENGINE in variables else _CONNECTION
    return _refuse(asking, variables[asking], f"it needs {names[0]} as well; or set LONGSHORE_URL")


def _refuse(name: str, value: str, accepted: str) -> NoReturn:
    message = f"these settings cannot be used:\n  {name} = {value!r} ({SOURCE}); {accepted}"
    raise ConfigurationError(message)
