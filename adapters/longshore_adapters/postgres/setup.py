"""Making, examining and removing our tables; on connections of their own, without a loop."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from psycopg import sql

from longshore.registry import Finding
from longshore_adapters.postgres import standing
from longshore_adapters.postgres.connection import connect_patiently
from longshore_adapters.postgres.errors import too_new, translate
from longshore_adapters.postgres.standing import VERSION, Standing, check_server, table_of

if TYPE_CHECKING:
    from typing import Any

    import psycopg

    from longshore_adapters.postgres.options import Options

_TABLES: Final = ("attempt", "dead_letter", "entry", "message", "queue", "task")
_LOCK: Final = "SELECT pg_advisory_lock(hashtextextended('longshore tables of ' || %s, 0))"
"""Under which tables are made and removed: one at a time, in a schema."""


@cache
def steps() -> tuple[str, ...]:
    """Give the scripts in order: the nth makes version n of the tables of version n - 1."""
    script = files("longshore_adapters.postgres").joinpath("schema.sql")
    return (script.read_text(encoding="utf-8"),)


def make(options: Options) -> list[str]:
    """Make the tables, or bring them up to date, in one transaction."""
    with closing(connect_patiently(options)) as connection, translate(options.address):
        connection.execute(_LOCK, (options.schema,))
        found = look(connection, options)
        check_server(found, options)
        if found.version > VERSION:
            raise too_new(options.address, found.version, VERSION)
        if found.version < VERSION:
            with connection.transaction():
                _make(connection, options, found.version)
    where = f"{options.address}, schema {options.schema}"
    done = {0: "created", VERSION: "exists"}.get(found.version, "brought up to date")
    return [f"{where}: {done}"]


def _make(connection: psycopg.Connection[Any], options: Options, version: int) -> None:
    schema = sql.Identifier(options.schema)
    [(there,)] = connection.execute(
        "SELECT to_regnamespace(%s) IS NOT NULL", (options.schema,)
    ).fetchall()
    if not there:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    for script in steps()[version:]:
        connection.execute(script.encode())
    mark = sql.Literal(standing.MARK.format(VERSION))
    connection.execute(sql.SQL("COMMENT ON TABLE {}.task IS {}").format(schema, mark))


def remove(options: Options) -> list[str]:
    """Remove our tables with everything in them, and the schema where nothing else is in it."""
    where = f"{options.address}, schema {options.schema}"
    with closing(connect_patiently(options)) as connection, translate(options.address):
        connection.execute(_LOCK, (options.schema,))
        if look(connection, options).version == 0:
            return [f"{where}: not there"]
        schema = sql.Identifier(options.schema)
        with connection.transaction():
            for name in _TABLES:
                table = sql.Identifier(options.schema, name)
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
            sequence = sql.Identifier(options.schema, "entry_version")
            connection.execute(sql.SQL("DROP SEQUENCE IF EXISTS {}").format(sequence))
            [(others,)] = connection.execute(
                "SELECT count(*) FROM pg_depend WHERE refobjid = to_regnamespace(%s) "
                "AND refclassid = 'pg_namespace'::regclass AND deptype = 'n'",
                (options.schema,),
            ).fetchall()
            if others == 0 and options.schema != "public":
                connection.execute(sql.SQL("DROP SCHEMA {}").format(schema))
    return [f"{where}: removed"]


def look(connection: psycopg.Connection[Any], options: Options) -> Standing:
    """Ask the server what it is, and which tables it has."""
    [row] = connection.execute(standing.ASK, {"table": table_of(options)}).fetchall()
    return Standing(*row)


def examine(options: Options) -> list[Finding]:
    """Compare server and tables with what they should be."""
    with closing(connect_patiently(options)) as connection, translate(options.address):
        found = look(connection, options)
        [(vacuums, left)] = connection.execute(_ASK_MORE).fetchall()
    name = f"PostgreSQL {options.address}"
    findings = [_tables(name, found), _durability(name, found)]
    if found.standby:
        step = "name the primary, or add ?target_session_attrs=read-write"
        findings.append(Finding(name=name, verdict="fail", text="a standby", step=step))
    if not vacuums:
        text = "autovacuum is off: what was delivered stays in the way of what is to be"
        findings.append(Finding(name=name, verdict="warn", text=text, step="turn it on"))
    if left < options.pool + 1:
        text = (
            f"{max(left, 0)} connections left, and each worker process may open {options.pool + 1}"
        )
        step = "raise max_connections, or let processes use a smaller ?pool="
        findings.append(Finding(name=name, verdict="warn", text=text, step=step))
    return findings


_ASK_MORE: Final = """
SELECT current_setting('autovacuum') = 'on', current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int
"""


def _tables(name: str, found: Standing) -> Finding:
    version = found.server // 10_000
    if found.version == VERSION:
        text = f"server version {version}, tables of version {VERSION}"
        return Finding(name=name, verdict="ok", text=text)
    what = f"of version {found.version}" if found.version else "not there"
    step = "upgrade this installation" if found.version > VERSION else "run: longshore init"
    return Finding(name=name, verdict="fail", text=f"tables are {what}", step=step)


def _durability(name: str, found: Standing) -> Finding:
    text = f"an answered write survives {found.survives}"
    if found.durable and found.commit != "off":
        return Finding(name=name, verdict="ok", text=text)
    step = "set fsync, full_page_writes and synchronous_commit to on"
    return Finding(name=name, verdict="warn", text=text, step=step)
