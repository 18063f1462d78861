"""What a server says of itself and of our tables, and whether that will do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from longshore_adapters.postgres import errors

if TYPE_CHECKING:
    from longshore_adapters.postgres.options import Options

VERSION: Final = 1
"""Of the tables: the number of steps in `setup`."""
OLDEST: Final = 120_000
"""PostgreSQL 12, the first where a part of a statement may be asked to be MATERIALIZED."""
MARK: Final = "longshore tables, version {}"
_MARK: Final = re.compile(r"longshore tables, version ([0-9]{1,9})")

ASK: Final = """
SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
    obj_description(to_regclass(%(table)s), 'pg_class'), pg_is_in_recovery(),
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
    current_setting('synchronous_commit')
"""


class Standing(NamedTuple):
    """A row of `ASK`. `mark` is the comment of our first table; None where there is no such."""

    server: int
    encoding: str
    mark: str | None
    standby: bool
    durable: bool
    commit: str

    @property
    def version(self) -> int:
        """The version of our tables; 0 where there are none."""
        found = _MARK.fullmatch(self.mark or "")
        return 0 if found is None else int(found[1])

    @property
    def survives(self) -> str:
        """Say what an answered write outlives."""
        if not self.durable:
            return "the death of a process, not that of the server (fsync or full_page_writes off)"
        if self.commit == "off":
            return "the death of a process; that of the server may undo the last moments"
        with_standby = self.commit in {"on", "remote_apply", "remote_write"}
        more = ", and where synchronous standbys are named the loss of one" if with_standby else ""
        return f"the death of the server{more} (synchronous_commit={self.commit})"


def table_of(options: Options) -> str:
    """The table that carries the mark, with its schema."""
    return f"{options.schema}.task"


def check(standing: Standing, options: Options) -> None:
    """Raise `StorageError` where a server or its tables cannot be used; say how to mend it."""
    check_server(standing, options)
    if standing.version == 0:
        raise errors.no_tables(options.address, options.schema)
    if standing.version < VERSION:
        raise errors.too_old_tables(options.address, standing.version, VERSION)
    if standing.version > VERSION:
        raise errors.too_new(options.address, standing.version, VERSION)


def check_server(standing: Standing, options: Options) -> None:
    """Do so for the server alone."""
    if standing.server < OLDEST:
        raise errors.too_old(options.address, standing.server, OLDEST)
    if standing.encoding != "UTF8":
        raise errors.not_utf8(options.address, standing.encoding)
