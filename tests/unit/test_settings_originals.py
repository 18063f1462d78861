"""The variable names of the originals still say what they said (E13, E14, P01)."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.errors import ConfigurationError
from longshore.settings import Settings, explain, ignored

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without variables: which of them are names of an original is what is tested."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        monkeypatch.delenv(name)


def setenv(monkeypatch: pytest.MonkeyPatch, variables: str) -> None:
    for pair in variables.split():
        monkeypatch.setenv(*pair.split("=", 1))


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ("JOB_ENGINE=sync", "memory://?sync=true"),
        ("JOB_ENGINE=null", "null://"),
        ("JOB_ENGINE=NULL DB_CONNECTION=mysql", "null://"),
        ("JOB_ENGINE=redis", "redis://127.0.0.1/0"),
        (
            (
                "JOB_ENGINE=redis REDIS_HOST=r REDIS_PORT=6380 REDIS_PASSWORD=a/b REDIS_JOB_DB=2"
                " REDIS_JOB_PREFIX=jobs:"
            ),
            "redis://:a%2Fb@r:6380/2?prefix=jobs%3A",
        ),
        ("DB_CONNECTION=sqlite DB_PATH=storage/queue.db", "sqlite:///storage/queue.db"),
        ("DB_CONNECTION=sqlite DB_DATABASE=/var/queue.db", "sqlite:////var/queue.db"),
        (
            (
                "DB_CONNECTION=mysql DB_HOST=db DB_PORT=3306 DB_DATABASE=task_queue"
                " DB_USERNAME=root DB_PASSWORD=p@ss:w/rd"
            ),
            "mysql://root:p%40ss%3Aw%2Frd@db:3306/task_queue",
        ),
        ("DB_CONNECTION=pgsql DB_DATABASE=q DB_HOST=::1", "postgresql://[::1]/q"),
        ("DB_CONNECTION=postgres DB_DATABASE=q DB_USER=me", "postgresql://me@localhost/q"),
        (
            "JOB_ENGINE=database DB_DRIVER=mariadb DB_NAME=q DB_USER=me DB_PSWD=x",
            "mysql://me:x@localhost/q",
        ),
    ],
)
def test_the_engine_and_its_connection_become_a_url(
    monkeypatch: pytest.MonkeyPatch, variables: str, url: str
) -> None:
    setenv(monkeypatch, variables)

    settings = Settings()

    assert settings.url == url


def test_the_workers_variables_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(
        monkeypatch,
        "WORKER_MEMORY_LIMIT=52428800 WORKER_MAX_JOBS=1000 WORKER_TIMEOUT=3600 MAX_WORKERS=10",
    )

    settings = Settings()

    assert (settings.memory_limit, settings.max_tasks) == (50, 1000)
    assert (settings.max_time, settings.processes) == (timedelta(hours=1), 10)
    assert settings.timeout is None


def test_the_names_are_read_from_the_dotenv_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("WORKER_MAX_JOBS=5 # a comment\nMAX_WORKERS=2\n")
    setenv(monkeypatch, "MAX_WORKERS=3")

    settings = Settings()

    assert (settings.max_tasks, settings.processes) == (5, 3)


@pytest.mark.parametrize("variables", ["DB_HOST=db DB_DATABASE=shop", "REDIS_HOST=cache"])
def test_a_database_of_something_else_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, variables: str
) -> None:
    setenv(monkeypatch, variables)

    settings = Settings()

    assert settings.url == "sqlite:///longshore.db"
    assert ignored(settings) == []


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ("JOB_ENGINE=kafka", "JOB_ENGINE = 'kafka' (alias); accepted: database, redis, sync or"),
        ("JOB_ENGINE=database", "JOB_ENGINE = 'database' (alias); it needs DB_CONNECTION as well"),
        ("DB_CONNECTION=oracle", "DB_CONNECTION = 'oracle' (alias); accepted: sqlite, mysql"),
        ("DB_CONNECTION=mysql", "DB_CONNECTION = 'mysql' (alias); it needs DB_DATABASE as well"),
        ("DB_CONNECTION=sqlite", "DB_CONNECTION = 'sqlite' (alias); it needs DB_PATH as well"),
        ("WORKER_MEMORY_LIMIT=50", "WORKER_MEMORY_LIMIT = '50' (alias); it counts bytes"),
        ("WORKER_MEMORY_LIMIT=50M", "WORKER_MEMORY_LIMIT = '50M' (alias); accepted: a number"),
        ("WORKER_TIMEOUT=soon", "max_time = 'soon' (alias WORKER_TIMEOUT); accepted: "),
    ],
)
def test_a_name_that_cannot_be_followed_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: str, says: str
) -> None:
    setenv(monkeypatch, variables)

    with pytest.raises(ConfigurationError) as caught:
        Settings()

    assert says in str(caught.value)


def test_nothing_is_asked_of_a_name_whose_setting_is_decided_and_it_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setenv(monkeypatch, "LONGSHORE_URL=memory:// DB_CONNECTION=oracle WORKER_MEMORY_LIMIT=5")

    settings = Settings(memory_limit=100)

    assert {one.name: one.reason for one in ignored(settings)} == {
        "DB_CONNECTION": "url is decided by a stronger source: environment LONGSHORE_URL",
        "WORKER_MEMORY_LIMIT": "memory_limit is decided by a stronger source: given",
    }


def test_an_encryption_key_is_not_ignored_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "ENCRYPTION_KEY=0123456789abcdef0123456789abcdef")

    (found,) = ignored(Settings())

    assert found.name == "ENCRYPTION_KEY"
    assert "does not encrypt" in found.reason


def test_a_composed_url_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "DB_CONNECTION=mysql DB_DATABASE=q DB_USERNAME=u DB_PASSWORD=s3cret")

    row = next(row for row in explain(Settings()) if row.name == "url")

    assert (row.value, row.source) == ("mysql://u:***@localhost/q", "alias DB_CONNECTION")
