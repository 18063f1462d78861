"""Reading an `sqs://` URL: whose queues, where, as whom, and how they are used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore import url as reading
from longshore.masking import shown
from longshore_adapters.sqs.limits import MAX_RETENTION_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM: Final = "write sqs:// or sqs://123456789012, with options such as ?region=eu-central-1"
_ACCOUNT: Final = re.compile(r"\d{12}")
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
    account = url.partition("://")[2].partition("?")[0].removesuffix("/")
    if account and _ACCOUNT.fullmatch(account) is None:
        reading.refuse(
            url, f"{shown(url, account)!r} where an account's twelve digits would be", _FORM
        )
    given = reading.read_options(url, _READERS, secret=("external_id",))
    if "external_id" in given and "role_arn" not in given:
        reading.refuse(url, "external_id without role_arn", "it is for assuming a role")
    return Options(account=account or None, **given)


def _bands(text: str) -> tuple[int, ...]:
    return reading.bands(MAX_BANDS)(text)[::-1]


def _retention(text: str) -> timedelta:
    return timedelta(days=reading.whole(1, MAX_RETENTION_DAYS, "days")(text))


_READERS: Final[Mapping[str, reading.Reader]] = {
    "region": reading.some,
    "endpoint_url": reading.web_address("http://127.0.0.1:4566"),
    "profile": reading.some,
    "role_arn": reading.matching(
        r"arn:[^:]+:iam::\d{12}:role/.+", "give one such as arn:aws:iam::123456789012:role/worker"
    ),
    "role_session_name": reading.matching(
        r"[\w+=,.@-]{2,64}", "give 2 to 64 of A-Z, a-z, 0-9, _ + = , . @ -"
    ),
    "external_id": reading.matching(
        r"[\w+=,.@:/-]{2,1224}", "give 2 to 1224 of A-Z, a-z, 0-9, _ + = , . @ : / -"
    ),
    "prefix": reading.matching(r"[\w-]{1,40}", "give up to 40 letters, digits, '-' and '_'"),
    "bands": _bands,
    "retention": _retention,
    "short_polls": reading.switch,
}
