"""Reading a `dynamodb://` URL: which table, where, and as whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from longshore import url as reading
from longshore.masking import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM: Final = "write dynamodb://TABLE?region=eu-central-1"
_TABLE: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
"""Source: the service's naming rules for tables."""
MOST_SHARDS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A table and how to reach it; what is None is left to the AWS configuration.

    `batch` says whether writes go many to a call: `auto` finds out what the server can. With
    `capacity` the units that calls consumed are counted as well. `skew` is `check`, or `ignore`
    for a clock that is not the host's. `shards` spreads the list and the wake-ups of a new table.
    """

    table: str
    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    batch: str = "auto"
    capacity: bool = False
    skew: str = "check"
    shards: int = 4


def parse_url(url: str) -> Options:
    """Read the URL; `ConfigurationError` for one that names no table, or a bad option."""
    parts = urlsplit(url)
    table = parts.netloc
    if parts.path not in {"", "/"} or parts.fragment or not _TABLE.fullmatch(table):
        names = "3 to 255 of a-z, A-Z, 0-9, '_', '-', '.'"
        reading.refuse(url, f"{shown(url, table)!r} where a table's name would be ({names})", _FORM)
    return Options(table=table, **reading.read_options(url, _READERS))


_READERS: Final[Mapping[str, reading.Reader]] = {
    "region": reading.some,
    "endpoint_url": reading.web_address("http://127.0.0.1:8000"),
    "profile": reading.some,
    "role_arn": reading.some,
    "batch": reading.one_of("auto", "on", "off"),
    "capacity": reading.switch,
    "skew": reading.one_of("check", "ignore"),
    "shards": reading.whole(1, MOST_SHARDS),
}
