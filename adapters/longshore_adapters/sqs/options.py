"""Reading an `sqs://` URL: whose queues, where, as whom, and how they are used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qsl

from longshore.errors import ConfigurationError
from longshore.priority import HIGHEST, LOWEST
from longshore_adapters.sqs.limits import MAX_RETENTION_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FORM: Final = "write sqs:// or sqs://123456789012, with options such as ?region=eu-central-1"
_ACCOUNT: Final = re.compile(r"\d{12}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_ROLE: Final = re.compile(r"arn:[^:]+:iam::\d{12}:role/.+")
_SESSION: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
MAX_BANDS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the queues are and how they are used; the README says what each option means.

    `bands` are thresholds of priority, the highest first. `retention` is what queues are made
    with. `account` is None for the one the credentials belong to, `region` None for the one
    that environment or profile name.
    """

    account: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    role_session_name: str = "longshore"
    external_id: str | None = None
    prefix: str = ""
    bands: tuple[int, ...] = ()
    retention: timedelta = timedelta(days=4)
    short_polls: bool = False


def parse_url(url: str) -> Options:
    """Read the URL; `ConfigurationError` for a bad account, or an option it does not know."""
    location, _, query = url.partition("://")[2].partition("?")
    account = location.removesuffix("/")
    if account and _ACCOUNT.fullmatch(account) is None:
        _refuse(f"{account!r} where an account's twelve digits would be", _FORM)
    given: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _READERS or name in given:
            _refuse(f"option {name!r}", f"give each of {', '.join(_READERS)} once at most")
        given[name] = _READERS[name](text)
    if "external_id" in given and "role_arn" not in given:
        _refuse("external_id without role_arn", "it is for assuming a role")
    return Options(account=account or None, **given)


def _text(text: str) -> str:
    if not text:
        _refuse("an option without a value", "leave it out, or give it one")
    return text


def _endpoint(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        _refuse(f"endpoint_url={text}", "give a URL such as http://127.0.0.1:4566")
    return text


def _role(text: str) -> str:
    if _ROLE.fullmatch(text) is None:
        _refuse(f"role_arn={text}", "give one such as arn:aws:iam::123456789012:role/worker")
    return text


def _session(text: str) -> str:
    if _SESSION.fullmatch(text) is None:
        _refuse(f"role_session_name={text}", "give 2 to 64 of A-Z, a-z, 0-9, _ + = , . @ -")
    return text


def _external(text: str) -> str:
    if _EXTERNAL.fullmatch(text) is None:
        _refuse("this external_id", "give 2 to 1224 of A-Z, a-z, 0-9, _ + = , . @ : / -")
    return text


def _prefix(text: str) -> str:
    if _PREFIX.fullmatch(text) is None:
        _refuse(f"prefix={text}", "give up to 40 letters, digits, '-' and '_'")
    return text


def _bands(text: str) -> tuple[int, ...]:
    numbers = [int(part) if part.isdecimal() else -1 for part in text.split(",")]
    right = all(LOWEST < number <= HIGHEST for number in numbers)
    if not right or len(set(numbers)) < len(numbers) or len(numbers) > MAX_BANDS:
        wanted = f"give up to {MAX_BANDS} different priorities from 1 to {HIGHEST}"
        _refuse(f"bands={text}", f"{wanted}, such as bands=10,50")
    return tuple(sorted(numbers, reverse=True))


def _retention(text: str) -> timedelta:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_RETENTION_DAYS:
        _refuse(f"retention={text}", f"give whole days from 1 to {MAX_RETENTION_DAYS}")
    return timedelta(days=int(text))


def _switch(text: str) -> bool:
    if text.lower() not in {"on", "off"}:
        _refuse(f"short_polls={text}", "give on or off")
    return text.lower() == "on"


def _refuse(given: str, wanted: str) -> NoReturn:
    message = f"{given} cannot be used in an sqs:// URL; {wanted}"
    raise ConfigurationError(message)


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "region": _text,
    "endpoint_url": _endpoint,
    "profile": _text,
    "role_arn": _role,
    "role_session_name": _session,
    "external_id": _external,
    "prefix": _prefix,
    "bands": _bands,
    "retention": _retention,
    "short_polls": _switch,
}
