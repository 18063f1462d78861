# ruff: noqa: ASYNC240 - files of some kilobytes, and nobody else in the loop
from __future__ import annotations

import asyncio
import resource
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from longshore.clock import ManualClock, SystemClock
from longshore.errors import (
    ClosedError,
    ConfigurationError,
    LongshoreError,
    StorageError,
    UnavailableError,
)
from longshore.identity import TaskIds
from longshore.protocol import Record
from longshore.queue import Outgoing
from longshore.store import Add, Put
from longshore.task import FINAL, TaskSpec, TaskState
from longshore_adapters.sqlite import ADAPTER, statements
from longshore_adapters.sqlite.connection import check_library
from longshore_adapters.sqlite.errors import APPLICATION_ID, translate
from longshore_adapters.sqlite.file import File
from longshore_adapters.sqlite.limits import MAX_GROUP
from longshore_adapters.sqlite.migrations import is_current, migrate, steps
from longshore_adapters.sqlite.options import Options, parse_url
from longshore_adapters.sqlite.queue import SqliteQueue

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from longshore.queue import Queue
    from longshore.registry import Backend
    from longshore.store import Store
    from longshore.task_log import TaskLog

LEASE = timedelta(seconds=30)
NO_TIME = timedelta(0)
MANY = MAX_GROUP + 50  # more than are committed together


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "longshore.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def queue_of(backend: Backend) -> Queue:
    assert backend.queue is not None
    return backend.queue("default")


def store_of(backend: Backend) -> Store:
    assert backend.store is not None
    return backend.store


def log_of(backend: Backend) -> TaskLog:
    assert backend.task_log is not None
    return backend.task_log


def message(body: bytes = b"{}") -> Outgoing:
    return Outgoing(key=TaskIds()(), body=body)


def record(body: bytes = b"{}") -> Record:
    now = SystemClock().now()
    spec = TaskSpec(id=TaskIds()(), name="render", queue="default", body=body, created_at=now)
    return Record(spec=spec, state=TaskState.QUEUED, due_at=now)


async def problem(url: str) -> LongshoreError:
    """What opening the URL raises."""
    with pytest.raises(LongshoreError) as raised:
        async with ADAPTER.open(url, ManualClock()):
            pass
    return raised.value


# --------------------------------------------------------------------------------------- URLs


def test_three_slashes_name_a_relative_path_and_four_an_absolute_one() -> None:
    assert parse_url("sqlite:///jobs.db").path == "jobs.db"
    assert parse_url("sqlite:////var/lib/jobs.db").path == "/var/lib/jobs.db"


def test_a_path_may_be_percent_encoded() -> None:
    assert parse_url("sqlite:////tmp/a%20b%3Fc.db").path == "/tmp/a b?c.db"  # noqa: S108 - never opened


def test_options_are_read() -> None:
    query = "synchronous=FULL&busy_timeout=0.5&poll=10&watch=off"

    assert parse_url(f"sqlite:///jobs.db?{query}") == Options(
        path="jobs.db", synchronous="full", busy_timeout=0.5, poll=10, watch=False
    )


@pytest.mark.parametrize(
    "query",
    [
        *("synchronous=maybe", "synchronous=", "busy_timeout=soon", "busy_timeout=-1"),
        *(
            "busy_timeout=nan",
            "watch=maybe",
            "poll=0",
            "poll=0.5",
            "poll=5000",
            "journal=off",
            "poll=4&poll=5",
        ),
    ],
)
def test_an_option_that_is_unknown_or_wrong_is_refused(query: str) -> None:
    with pytest.raises(ConfigurationError, match="; "):
        parse_url(f"sqlite:///jobs.db?{query}")


@pytest.mark.parametrize(
    "url", ["sqlite://:memory:", "sqlite:///:memory:", "sqlite://", "sqlite:///"]
)
def test_a_url_without_a_file_points_at_the_memory_adapter(url: str) -> None:
    with pytest.raises(ConfigurationError, match="memory://"):
        parse_url(url)


def test_a_url_with_a_host_says_how_many_slashes_to_write() -> None:
    with pytest.raises(ConfigurationError, match="sqlite:////absolute"):
        parse_url("sqlite://jobs.db")


# ------------------------------------------------------------------------------ opening a file


async def test_opening_makes_the_file_and_init_and_deinit_say_what_they_did(
    url: str, path: Path
) -> None:
    assert ADAPTER.init(url) == [f"{path}: created"]
    assert ADAPTER.init(url) == [f"{path}: exists"]
    assert ADAPTER.deinit(url) == [f"{path}: removed"]
    assert ADAPTER.deinit(url) == [f"{path}: not there"]

    async with ADAPTER.open(url, ManualClock()):
        assert path.exists()


async def test_deinit_removes_the_log_and_the_shared_memory_as_well(url: str, path: Path) -> None:
    async with ADAPTER.open(url, ManualClock()) as backend:
        await queue_of(backend).send([message()])
        ADAPTER.deinit(url)

        assert list(path.parent.iterdir()) == []


async def test_a_closed_file_leaves_nothing_beside_it(url: str, path: Path) -> None:
    async with ADAPTER.open(url, ManualClock()) as backend:
        await queue_of(backend).send([message()])

    assert list(path.parent.iterdir()) == [path]


async def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    error = await problem(f"sqlite:///{tmp_path}")

    assert isinstance(error, StorageError)
    assert "is a folder; give the path of a file" in str(error)


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    error = await problem(f"sqlite:///{tmp_path}/missing/jobs.db")

    assert isinstance(error, StorageError)
    assert f"there is no folder {tmp_path}/missing; create it" in str(error)


@pytest.mark.parametrize("content", [b"hello", b"hello " * 1000], ids=["short", "long"])
async def test_a_file_that_is_no_database_is_left_as_it_is(
    url: str, path: Path, content: bytes
) -> None:
    path.write_bytes(content)

    error = await problem(url)

    assert isinstance(error, StorageError)
    assert "is not a SQLite database" in str(error)
    assert isinstance(error.__cause__, sqlite3.DatabaseError)
    assert path.read_bytes() == content


async def test_the_database_of_another_program_is_left_as_it_is(url: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE song (name TEXT)")
    content = path.read_bytes()

    error = await problem(url)

    assert isinstance(error, StorageError)
    assert "belongs to another program; give Longshore a file of its own" in str(error)
    assert path.read_bytes() == content


async def test_a_file_of_a_newer_version_asks_for_an_upgrade(url: str, path: Path) -> None:
    ADAPTER.init(url)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    error = await problem(url)

    assert isinstance(error, StorageError)
    assert "written by a newer Longshore (schema 99, this one knows 1); upgrade" in str(error)


def test_an_old_sqlite_library_is_refused() -> None:
    with pytest.raises(StorageError, match=r"has SQLite 3\.34\.1, and Longshore needs 3\.35\.0"):
        check_library((3, 34, 1))


async def test_a_synchronous_producer_raises_when_it_is_opened(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="there is no folder"),
        ADAPTER.open_sync(f"sqlite:///{tmp_path}/missing/jobs.db", ManualClock()),
    ):
        pass


async def test_a_closed_producer_says_so(url: str) -> None:
    with ADAPTER.open_sync(url, ManualClock()) as producer:
        producer.enqueue([record()])

    with pytest.raises(ClosedError):
        producer.enqueue([record()])


@asynccontextmanager
async def folder_of_others() -> AsyncGenerator[Path]:
    """Make a folder that an unprivileged user can reach; pytest's own are for its user alone."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


async def said_without_rights(url: str, other: Path) -> str:
    """What opening and sending raise for a user without rights (root may write anything)."""
    script = dedent("""
        import asyncio, os, sys
        from longshore.clock import SystemClock
        from longshore.errors import StorageError
        from longshore.queue import Outgoing
        from longshore_adapters.sqlite import ADAPTER

        async def main():
            async with ADAPTER.open(sys.argv[1], SystemClock()) as backend:
                await backend.queue("default").send([Outgoing(key="key", body=b"")])

        ADAPTER.init(sys.argv[2])  # what it reads once, it may not be able to read later
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            asyncio.run(main())
        except StorageError as error:
            print(error)
    """)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, url, f"sqlite:///{other}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert err == b""
    return out.decode()


async def test_a_folder_that_may_not_be_written_is_said(path: Path) -> None:
    async with folder_of_others() as folder:
        folder.chmod(0o555)

        said = await said_without_rights(f"sqlite:///{folder}/jobs.db", path)

    assert "cannot be opened; check its path, that this user may read and write its folder" in said


async def test_a_file_that_may_not_be_written_is_said(path: Path) -> None:
    async with folder_of_others() as folder:
        file = folder / "jobs.db"
        ADAPTER.init(f"sqlite:///{file}")
        file.chmod(0o444)

        said = await said_without_rights(f"sqlite:///{file}", path)

    assert "cannot be written; the user needs to write the file and its folder" in said


# ------------------------------------------------------------------------- while it is in use


async def test_damage_is_said_with_the_next_step(url: str, path: Path) -> None:
    async with ADAPTER.open(url, ManualClock()) as backend:
        await queue_of(backend).send([message()])
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))

    with pytest.raises(StorageError, match="is damaged; stop its workers, and recover it"):
        async with ADAPTER.open(url, ManualClock()) as backend:
            await queue_of(backend).send([message()])


async def test_a_full_disk_is_said_and_leaves_the_file_usable(path: Path) -> None:
    file = File(Options(path=str(path)), SystemClock())
    async with file.opened():
        queue = SqliteQueue(file, "default")
        await queue.send([message(b"first")])
        await file.write(lambda work: work.run("PRAGMA max_page_count = 60").fetchall())

        with pytest.raises(StorageError, match="the disk is full, or a size limit is reached"):
            await queue.send([message(b"x" * 200_000)])

        await queue.send([message(b"small")])
        taken = await queue.receive(limit=9, wait=NO_TIME, lease=LEASE)
        assert [delivery.body for delivery in taken] == [b"first", b"small"]


async def test_a_file_at_the_size_its_process_may_write_is_said_and_left_usable(url: str) -> None:
    async with ADAPTER.open(url, SystemClock()) as backend:
        queue = queue_of(backend)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            with pytest.raises(UnavailableError, match="free space where it is full, see df"):
                await queue.send([message(b"x" * 400_000)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        assert await queue.send([message(b"small")]) == [None]
        taken = await queue.receive(limit=9, wait=NO_TIME, lease=LEASE)
        assert [delivery.body for delivery in taken] == [b"small"]


async def test_a_lock_held_too_long_is_said_and_leaves_the_file_usable(
    url: str, path: Path
) -> None:
    async with ADAPTER.open(f"{url}?busy_timeout=0.05", SystemClock()) as backend:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(UnavailableError, match=r"stayed locked .*\?busy_timeout=SECONDS"):
                await queue_of(backend).send([message()])
            other.execute("ROLLBACK")

        assert await queue_of(backend).send([message()]) == [None]


async def test_a_producer_waits_for_the_lock_and_then_says_so(url: str, path: Path) -> None:
    with (
        ADAPTER.open_sync(f"{url}?busy_timeout=0.05", SystemClock()) as producer,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="stayed locked by another process"):
            producer.enqueue([record()])
        other.execute("ROLLBACK")

        assert producer.enqueue([record()])[0].inserted


async def test_a_receive_that_is_cancelled_ends_so_while_the_file_is_locked(
    url: str, path: Path
) -> None:
    """Were the lock's error raised instead, a worker that stops would go on receiving."""
    async with ADAPTER.open(f"{url}?busy_timeout=0.05", SystemClock()) as backend:
        queue = queue_of(backend)
        await queue.receive(limit=1, wait=NO_TIME, lease=LEASE)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            receiving = asyncio.ensure_future(queue.receive(limit=1, wait=NO_TIME, lease=LEASE))
            await asyncio.sleep(0)
            receiving.cancel()
            await asyncio.wait([receiving])

        assert receiving.cancelled()


async def test_a_verb_that_raises_undoes_itself_and_none_of_its_neighbours(url: str) -> None:
    async with ADAPTER.open(url, ManualClock()) as backend:
        store = store_of(backend)
        await store.put([Put(key="value", value=b"text")])

        answers = await asyncio.gather(
            store.add([Add(key="before")]),
            store.add([Add(key="undone"), Add(key="value")]),
            store.add([Add(key="after")]),
            return_exceptions=True,
        )

        assert [type(answer) for answer in answers] == [list, StorageError, list]
        assert [entry.key for entry in await store.scan("")] == ["after", "before", "value"]


async def test_what_was_handed_in_before_closing_is_done(url: str, path: Path) -> None:
    async with ADAPTER.open(url, SystemClock()) as backend:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        sending = [asyncio.create_task(queue_of(backend).send([message()])) for _ in range(MANY)]
        await asyncio.sleep(0)  # each task runs as far as it can by itself
        asyncio.get_running_loop().call_later(0.05, other.close)  # while the file is closing

    answers = await asyncio.gather(*sending)

    assert answers == [[None]] * MANY
    async with ADAPTER.open(url, SystemClock()) as backend:
        assert (await queue_of(backend).depth()).ready == MANY


async def test_a_replaced_table_is_said(url: str, path: Path) -> None:
    async with ADAPTER.open(url, ManualClock()) as backend:
        with closing(sqlite3.connect(path)) as other:
            other.execute("DROP TABLE entry")

        with pytest.raises(StorageError, match="does not hold Longshore's tables"):
            await store_of(backend).get(["key"])


async def test_the_file_is_in_wal_mode_and_as_synchronous_as_asked(path: Path) -> None:
    found = {}
    for number, name in enumerate(["off", "normal", "full", "extra"]):
        file = File(Options(path=str(path), synchronous=name), ManualClock())
        async with file.opened():
            [found[number]] = await file.write(
                lambda work: work.run("PRAGMA synchronous").fetchone()
            )
            [mode] = await file.write(lambda work: work.run("PRAGMA journal_mode").fetchone())
            assert mode == "wal"

    assert found == {0: 0, 1: 1, 2: 2, 3: 3}


async def test_the_log_beside_the_file_does_not_grow_with_what_is_written(
    url: str, path: Path
) -> None:
    async with ADAPTER.open(f"{url}?synchronous=off", SystemClock()) as backend:
        queue = queue_of(backend)
        for _ in range(30):
            await queue.send([message(b"x" * 1_000_000)] * 2)
            taken = await queue.receive(limit=2, wait=NO_TIME, lease=LEASE)
            await queue.ack(taken)

        assert Path(f"{path}-wal").stat().st_size < 20_000_000


async def test_rows_whose_message_stands_are_not_pruned(url: str) -> None:
    clock = ManualClock()
    async with ADAPTER.open(url, clock) as backend:
        log, queue = log_of(backend), queue_of(backend)
        entries = [
            Record(spec=record().spec, state=TaskState.CANCELLED, due_at=clock.now())
            for _ in range(3)
        ]
        await log.record(entries)
        await queue.send([Outgoing(key=entries[0].spec.id, body=b"still on its way")])

        pruned = await log.prune(states=FINAL, before=clock.now() + LEASE, limit=2)

        left = await log.get([entry.spec.id for entry in entries])
        assert pruned == 2
        assert [task is not None for task in left] == [True, False, False]


# -------------------------------------------------------------------------------- migrations

SECOND = """
-- a later version
ALTER TABLE entry ADD COLUMN colour TEXT;
UPDATE entry SET colour = 'red; green';
"""
BROKEN = "ALTER TABLE entry ADD COLUMN size INTEGER; SELECT * FROM nowhere;"


async def with_an_entry(url: str) -> None:
    async with ADAPTER.open(url, ManualClock()) as backend:
        await store_of(backend).put([Put(key="key", value=b"value")])


async def test_an_older_file_is_brought_up_to_date_and_keeps_what_it_holds(
    url: str, path: Path
) -> None:
    await with_an_entry(url)
    scripts = (*steps(), SECOND)

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        before = is_current(connection, str(path), scripts)
        migrate(connection, str(path), scripts)
        after = is_current(connection, str(path), scripts)
        rows = connection.execute("SELECT value, colour FROM entry").fetchall()

    assert (before, after, rows) == (False, True, [(b"value", "red; green")])


async def test_an_empty_file_is_taken_through_every_version(path: Path) -> None:
    path.touch()
    scripts = (*steps(), SECOND)

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, str(path), scripts)
        version = connection.execute("PRAGMA user_version").fetchone()
        application = connection.execute("PRAGMA application_id").fetchone()

    assert (version, application) == ((2,), (APPLICATION_ID,))


async def test_a_migration_that_fails_changes_nothing(url: str, path: Path) -> None:
    await with_an_entry(url)

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            migrate(connection, str(path), (*steps(), SECOND, BROKEN))
        version = connection.execute("PRAGMA user_version").fetchone()

    assert version == (1,)
    async with ADAPTER.open(url, ManualClock()) as backend:
        [entry] = await store_of(backend).get(["key"])
        assert entry is not None


# ------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("statement", "words"),
    [("SELECT nonsense", "no such column"), ("PRAGMA user_version = 1", "cannot be written")],
    ids=["error", "read-only"],
)
def test_what_sqlite_raises_is_said_in_our_words(
    url: str, path: Path, statement: str, words: str
) -> None:
    ADAPTER.init(url)
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection,
        pytest.raises(StorageError, match=words) as raised,
        translate(str(path)),
    ):
        connection.execute(statement)

    assert str(path) in str(raised.value)
    assert isinstance(raised.value.__cause__, sqlite3.Error)


# -------------------------------------------------------------------------------------- plans

PLANS = {
    "receive": (statements.BEST, "message_ready (queue=?)"),
    "promote": (statements.PROMOTE, "message_waiting (queue=? AND visible_at<?)"),
    "wait": (statements.SOONEST, "message_waiting (queue=?)"),
    "ack": (statements.FORGET, "INTEGER PRIMARY KEY (rowid=?)"),
    "extend": (statements.MOVE, "INTEGER PRIMARY KEY (rowid=?)"),
    "dead letters": (statements.DEAD_LETTERS, "dead_letter_queue (queue=? AND seq>?)"),
    "claim": (statements.STARTABLE, "sqlite_autoindex_task_1 (id=?)"),
    "start": (statements.START, "INTEGER PRIMARY KEY (rowid=?)"),
    "renew": (statements.RENEW, "sqlite_autoindex_task_1 (id=?)"),
    "finish": (statements.ENDING, "sqlite_autoindex_task_1 (id=?)"),
    "succeed": (statements.SUCCEED[4], "INTEGER PRIMARY KEY (rowid=?)"),
    "get": (statements.TASKS_BY_ID, "sqlite_autoindex_task_1 (id=?)"),
    "attempts": (statements.ATTEMPTS, "PRIMARY KEY (task=?)"),
    "list": (statements.NEWEST.format(""), "INTEGER PRIMARY KEY (rowid<?)"),
    "list by state": (
        statements.NEWEST_OF.format(" AND name = ?"),
        "task_state (state=? AND queue=? AND archived_at=? AND rowid<?)",
    ),
    "list by parent": (
        statements.NEWEST.format(" AND parent_id = ? AND deleted_at IS NULL"),
        "task_parent (parent_id=? AND rowid<?)",
    ),
    "count by state": (
        statements.COUNT_OF.format(""),
        "task_state (state=? AND queue=? AND archived_at=? AND rowid<?)",
    ),
    "queues": (statements.QUEUES_OF, "task_state (state=? AND queue>?)"),
    "stats": (statements.STATS, "task_state"),
    "due": (statements.DUE, "task_wake (wake_at<?)"),
    "prune, looking": (statements.OLD, "task_final (state=? AND updated_at>? AND updated_at<?)"),
    "prune, removing": (statements.PRUNE, "INTEGER PRIMARY KEY (rowid=?)"),
    "prune, letters": (statements.DROP_LETTERS, "dead_letter_key (key=?)"),
    "scan": (statements.SCAN, "sqlite_autoindex_entry_1 (key>? AND key<?)"),
    "sweep": (statements.SWEEP, "entry_expiry (expires_at<?)"),
}


@pytest.mark.parametrize("verb", sorted(PLANS))
def test_a_statement_finds_its_rows_by_an_index_and_in_their_order(
    url: str, path: Path, verb: str
) -> None:  # E34
    statement, index = PLANS[verb]
    ADAPTER.init(url)
    with closing(sqlite3.connect(path)) as connection:
        numbered = statement.count("?1") > 0
        values = [None] * (1 if numbered else statement.count("?"))

        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()

    details = [str(row[3]) for row in plan]
    assert any(detail.endswith(index) for detail in details), details
    assert not any("TEMP B-TREE" in detail for detail in details), details
    assert not any(detail in {"SCAN task", "SCAN message"} for detail in details), details
