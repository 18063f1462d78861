"""Making and removing tables, and what is said where a URL, a server or a schema cannot be used."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from longshore.clock import SystemClock
from longshore.errors import ConfigurationError, LongshoreError, StorageError, UnavailableError
from longshore.identity import TaskIds
from longshore.protocol import Record
from longshore.registry import find_adapter
from longshore.task import TaskSpec, TaskState
from longshore_adapters.postgres import ADAPTER
from longshore_adapters.postgres.options import parse_url
from tests.brokers.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

SECRET = "s3cret"  # noqa: S105 - of an account that is not there


@pytest.fixture
def server(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with closing(psycopg.connect(postgres_url, autocommit=True)) as connection:
        yield connection


@pytest.fixture
def account(server: psycopg.Connection[Any], postgres_url: str) -> Iterator[str]:
    """The URL of an account that may connect, and nothing else."""
    name = f"test_{uuid4().hex[:12]}"
    server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield postgres_url.replace("postgres@", f"{name}@", 1)
    server.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
    server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def new_schema() -> str:
    return f"test_{uuid4().hex}"


async def open_it(url: str) -> None:
    async with ADAPTER.open(url, SystemClock()):
        pass


def record() -> Record:
    now = datetime.now(UTC)
    spec = TaskSpec(id=TaskIds()(), name="add", queue="q", body=b"{}", created_at=now)
    return Record(spec=spec, state=TaskState.QUEUED, due_at=now)


# ------------------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://host/db#x", "a '#'"),
        ("postgresql://host/db?schemas=a", "option 'schemas'"),
        ("postgresql://host/db?schema=a&schema=b", "option 'schema'"),
        ("postgresql://host/db?schema=Upper", "schema=Upper"),
        ("postgresql://host/db?schema=1st", "beginning with no digit"),
        (f"postgresql://host/db?schema={'a' * 49}", "up to 48"),
        ("postgresql://host/db?pool=0", "pool=0"),
        ("postgresql://host/db?poll=no", "poll=no"),
        ("postgresql://host/db?listen=yes", "give on or off"),
        ("postgresql://host/db?clock=mine", "server, host"),
        ("postgresql://host/db?sslmode=sure", "verify-full"),
        ("postgresql://host/db?options=-c%20jit=on", "option 'options'"),
    ],
)
def test_what_a_url_cannot_say_is_refused_with_what_it_can(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_url(url)

    assert said in str(refused.value)


async def test_a_url_that_libpq_cannot_read_is_refused_without_its_password() -> None:
    url = f"postgresql://me:{SECRET}@host/db%zz"

    with pytest.raises(ConfigurationError) as refused:
        await open_it(url)

    assert "cannot be read" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_password_is_not_in_what_options_show() -> None:
    assert SECRET not in repr(parse_url(f"postgresql://me:{SECRET}@host/db"))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_either_name_of_the_scheme_is_served(scheme: str) -> None:
    assert find_adapter(f"{scheme}://host/db") is ADAPTER


# ----------------------------------------------------------------------------------------- servers


async def test_a_server_that_is_not_there_is_unavailable_and_named() -> None:
    (port,) = free_ports(1)
    url = f"postgresql://me:{SECRET}@127.0.0.1:{port}/db"

    async with ADAPTER.open(url, SystemClock()) as backend:
        assert backend.task_log is not None
        with pytest.raises(UnavailableError) as away:
            await backend.task_log.stats()
        survives = backend.task_log.capabilities.survives
    with ADAPTER.open_sync(url, SystemClock()) as producer, pytest.raises(UnavailableError):
        producer.enqueue([record()])

    assert survives == "unknown: not reached yet"
    assert f"127.0.0.1:{port}/db cannot be reached" in str(away.value)
    assert SECRET not in str(away.value)


@pytest.mark.parametrize(
    ("old", "new"), [("postgres@", "nobody_here@"), ("/postgres", "/nothing_here")]
)
async def test_an_account_or_a_database_that_is_not_there_is_said_to_be(
    postgres_url: str, old: str, new: str
) -> None:
    with pytest.raises(StorageError) as refused:
        await open_it(new.join(postgres_url.rsplit(old, 1)))

    assert "turns this account down" in str(refused.value)
    assert "does not exist" in str(refused.value)


def test_a_database_that_cannot_hold_every_text_is_refused(
    server: psycopg.Connection[Any], postgres_url: str
) -> None:
    name = f"test_{uuid4().hex}"
    create = "CREATE DATABASE {} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    server.execute(sql.SQL(create).format(sql.Identifier(name)))
    try:
        with pytest.raises(StorageError) as refused:
            ADAPTER.init(f"{postgres_url.rpartition('/')[0]}/{name}")
    finally:
        server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))

    assert "encoded in LATIN1" in str(refused.value)


# ------------------------------------------------------------------------------------------ tables


async def test_without_tables_both_ways_in_say_how_to_make_them(postgres_url: str) -> None:
    url = f"{postgres_url}?schema={new_schema()}"

    with pytest.raises(StorageError, match="longshore init") as by_loop:
        await open_it(url)
    with (
        pytest.raises(StorageError, match="longshore init") as by_thread,
        ADAPTER.open_sync(url, SystemClock()),
    ):
        pass

    assert str(by_loop.value) == str(by_thread.value)


async def test_tables_of_a_newer_version_are_left_alone(
    postgres_schema: str, server: psycopg.Connection[Any]
) -> None:
    table = sql.Identifier(parse_url(postgres_schema).schema, "task")
    mark = "COMMENT ON TABLE {} IS 'longshore tables, version 2'"
    server.execute(sql.SQL(mark).format(table))

    with pytest.raises(StorageError, match="upgrade this installation"):
        await open_it(postgres_schema)
    with pytest.raises(StorageError, match="upgrade this installation"):
        ADAPTER.init(postgres_schema)


def test_init_says_what_it_made_and_may_be_repeated(postgres_url: str) -> None:
    url = f"{postgres_url}?schema={new_schema()}"

    said = [ADAPTER.init(url), ADAPTER.init(url), ADAPTER.deinit(url), ADAPTER.deinit(url)]

    ends = [lines[0].rpartition(": ")[2] for lines in said]
    assert ends == ["created", "exists", "removed", "not there"]


def test_of_several_that_make_the_tables_at_once_one_does(postgres_url: str) -> None:
    url = f"{postgres_url}?schema={new_schema()}"

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(ADAPTER.init, [url] * 6))

    ADAPTER.deinit(url)
    ends = sorted(lines[0].rpartition(": ")[2] for lines in said)
    assert ends == ["created", *["exists"] * 5]


def test_deinit_removes_what_is_ours_and_nothing_else(
    server: psycopg.Connection[Any], postgres_url: str
) -> None:
    schema = new_schema()
    url = f"{postgres_url}?schema={schema}"
    ADAPTER.init(url)
    theirs = sql.Identifier(schema, "theirs")
    server.execute(sql.SQL("CREATE TABLE {} (kept int)").format(theirs))

    ADAPTER.deinit(url)

    found = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))
    assert found.fetchall() == [("theirs",)]
    server.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


async def test_an_account_without_rights_is_told_what_it_lacks(
    account: str, postgres_schema: str, server: psycopg.Connection[Any]
) -> None:
    schema = parse_url(postgres_schema).schema
    grant = "GRANT USAGE ON SCHEMA {} TO PUBLIC"
    server.execute(sql.SQL(grant).format(sql.Identifier(schema)))

    async with ADAPTER.open(f"{account}?schema={schema}", SystemClock()) as backend:
        assert backend.task_log is not None
        with pytest.raises(StorageError, match="does not let this account"):
            await backend.task_log.get([record().spec.id])


async def test_the_grants_of_the_readme_are_all_that_work_needs(
    account: str, postgres_schema: str, server: psycopg.Connection[Any]
) -> None:
    schema = sql.Identifier(parse_url(postgres_schema).schema)
    role = sql.Identifier(account.partition("//")[2].partition("@")[0])
    for grant in (
        "GRANT USAGE ON SCHEMA {0} TO {1}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {0} TO {1}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {0} TO {1}",
    ):
        server.execute(sql.SQL(grant).format(schema, role))
    url = f"{account}?schema={parse_url(postgres_schema).schema}"

    async with ADAPTER.open(url, SystemClock()) as backend:
        assert backend.together is not None
        assert backend.queue is not None
        assert backend.store is not None
        [recorded] = await backend.together.enqueue([record()])
        taken = await backend.queue("q").receive(
            limit=1, wait=timedelta(seconds=20), lease=timedelta(seconds=30)
        )
        await backend.store.scan("")

    assert recorded.inserted
    assert len(taken) == 1


# --------------------------------------------------------------------------------------- examining


def test_doctor_hears_what_server_and_tables_are(postgres_schema: str) -> None:
    findings = ADAPTER.examine(postgres_schema, [])

    assert {finding.verdict for finding in findings} <= {"ok", "warn"}
    assert any("tables of version 1" in finding.text for finding in findings)
    assert any("survives the death of the server" in finding.text for finding in findings)


def test_doctor_hears_that_there_are_no_tables(postgres_url: str) -> None:
    findings = ADAPTER.examine(f"{postgres_url}?schema={new_schema()}", [])

    assert [(f.text, f.step) for f in findings if f.verdict == "fail"] == [
        ("tables are not there", "run: longshore init")
    ]


async def test_an_account_whose_commits_are_not_waited_for_is_said_to_lose_the_last(
    account: str, postgres_schema: str, server: psycopg.Connection[Any]
) -> None:
    role = sql.Identifier(account.partition("//")[2].partition("@")[0])
    server.execute(sql.SQL("ALTER ROLE {} SET synchronous_commit = off").format(role))
    schema = sql.Identifier(parse_url(postgres_schema).schema)
    server.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
    url = f"{account}?schema={parse_url(postgres_schema).schema}"

    async with ADAPTER.open(url, SystemClock()) as backend:
        assert backend.task_log is not None
        survives = backend.task_log.capabilities.survives
    findings = ADAPTER.examine(url, [])

    assert "may undo the last moments" in survives
    assert any("synchronous_commit" in f.step for f in findings if f.verdict == "warn")


# --------------------------------------------------------------------------------------- processes


async def test_a_backend_is_not_used_behind_a_fork(
    postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ADAPTER.open(postgres_schema, SystemClock()) as backend:
        assert backend.store is not None
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: -1)
            with pytest.raises(ConfigurationError, match="open the URL in each process"):
                await backend.store.get(["a"])

        assert await backend.store.get(["a"]) == [None]


def test_either_side_of_a_fork_enqueues(
    postgres_schema: str, server: psycopg.Connection[Any]
) -> None:
    with ADAPTER.open_sync(postgres_schema, SystemClock()) as producer:
        producer.enqueue([record()])
        child = os.fork()
        if child == 0:
            try:
                producer.enqueue([record()])
            except LongshoreError:
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        producer.enqueue([record()])
    messages = sql.Identifier(parse_url(postgres_schema).schema, "message")
    (counted,) = server.execute(sql.SQL("SELECT count(*) FROM {}").format(messages)).fetchall()

    assert os.waitstatus_to_exitcode(status) == 0
    assert counted == (3,)
