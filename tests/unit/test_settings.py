"""Settings: the order of the sources, what cannot be used, what is in effect (E13, E14, P01)."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from longshore.errors import ConfigurationError
from longshore.settings import QueueSettings, Settings, explain, ignored

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own environment and files out of every test."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("LONGSHORE_", "DB_", "WORKER_", "JOB_", "MAX_WORKERS", "ENCRYPTION_")):
            monkeypatch.delenv(name)


def source_of(settings: Settings, name: str) -> str:
    return next(row.source for row in explain(settings) if row.name == name)


def refusal(**given: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(**given)
    return str(caught.value)


# ---- where values come from


def test_each_source_yields_to_the_next_stronger_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Settings().max_tasks]

    monkeypatch.setenv("WORKER_MAX_JOBS", "1")
    found.append(Settings().max_tasks)
    (tmp_path / "longshore.toml").write_text("max_tasks = 2")
    found.append(Settings().max_tasks)
    (tmp_path / ".env").write_text("LONGSHORE_MAX_TASKS=3")
    found.append(Settings().max_tasks)
    monkeypatch.setenv("LONGSHORE_MAX_TASKS", "4")
    found.append(Settings().max_tasks)
    found.append(Settings().with_flags(max_tasks=5).max_tasks)
    found.append(Settings(max_tasks=6).with_flags(max_tasks=5).max_tasks)

    assert found == [None, 1, 2, 3, 4, 5, 6]


def test_explain_names_the_source_of_each_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "longshore.toml").write_text('lease = "45s"\n[routes]\n"mail.*" = "emails"')
    (tmp_path / ".env").write_text("LONGSHORE_POLL=3")
    monkeypatch.setenv("LONGSHORE_GRACE", "1 minute")
    monkeypatch.setenv("WORKER_MAX_JOBS", "7")

    rows = explain(Settings(concurrency=2))

    assert {row.name: (row.value, row.source) for row in rows if row.source != "default"} == {
        "concurrency": ("2", "given"),
        "lease": ("45s", "longshore.toml"),
        "poll": ("3s", ".env"),
        "grace": ("1m", "environment LONGSHORE_GRACE"),
        "max_tasks": ("7", "alias WORKER_MAX_JOBS"),
        "routes.mail.*": ("emails", "longshore.toml"),
    }
    assert all(row.description for row in rows)


def test_tables_are_merged_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "longshore.toml").write_text("[queues.mail]\npriority = 9\nweight = 2")
    monkeypatch.setenv("LONGSHORE_QUEUES", '{"mail": {"weight": 3}, "slow": {"priority": "low"}}')

    settings = Settings.load(queues={"mail": {"timeout": 60}})

    mail = settings.queues["mail"]
    assert (mail.priority, mail.weight, mail.timeout) == (9, 3, timedelta(minutes=1))
    assert settings.queues["slow"].priority == 1
    assert source_of(settings, "queues.mail.priority") == "longshore.toml"
    assert source_of(settings, "queues.mail.weight") == "environment LONGSHORE_QUEUES"
    assert source_of(settings, "queues.mail.timeout") == "given"


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_APP", "")
    monkeypatch.setenv("LONGSHORE_CONFIG", "")

    settings = Settings()

    assert settings.app is None
    assert source_of(settings, "app") == "default"


def test_none_in_the_environment_undoes_what_the_file_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "longshore.toml").write_text("timeout = 60\nmax_tasks = 5")
    monkeypatch.setenv("LONGSHORE_TIMEOUT", "none")
    monkeypatch.setenv("LONGSHORE_MAX_TASKS", "None")

    settings = Settings()

    assert (settings.timeout, settings.max_tasks) == (None, None)


def test_files_above_the_working_directory_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("LONGSHORE_CONCURRENCY=1")
    (tmp_path / "longshore.toml").write_text("concurrency = 2")
    below = tmp_path / "below"
    below.mkdir()

    monkeypatch.chdir(below)

    assert Settings().concurrency == 20


def test_a_virtual_environment_named_like_the_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()

    assert Settings().concurrency == 20


@pytest.mark.parametrize("place", ["environment", "dotenv"])
def test_the_config_variable_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "longshore.toml").write_text("concurrency = 2")
    (tmp_path / "other.toml").write_text("concurrency = 3")

    if place == "environment":
        monkeypatch.setenv("LONGSHORE_CONFIG", "other.toml")
    else:
        (tmp_path / ".env").write_text("LONGSHORE_CONFIG=other.toml")

    assert source_of(Settings(), "concurrency") == "other.toml"
    assert Settings().concurrency == 3


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("longshore.toml", b"concurrency = ", "longshore.toml cannot be read as TOML"),
        ("longshore.toml", b"\xff", "longshore.toml cannot be read as TOML"),
        (".env", b"A=\xff", ".env cannot be read"),
    ],
    ids=["not toml", "not text", "dotenv not text"],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)

    assert says in refusal()


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_CONFIG", "absent.toml")

    message = refusal()

    assert "absent.toml, named by LONGSHORE_CONFIG, cannot be read" in message


# ---- what cannot be used


def test_a_refusal_has_a_line_with_field_value_source_and_what_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "longshore.toml").write_text("[queues.mail]\nattempts = 0\n[routes]\na = 3")
    monkeypatch.setenv("LONGSHORE_CONCURRENCY", "many")
    monkeypatch.setenv("WORKER_MAX_JOBS", "0")

    lines = refusal(lease=timedelta(0)).splitlines()

    name = "accepted: a queue's name: letters, digits, - _ . (1 to 80)"
    assert lines == [
        "these settings cannot be used:",
        "  queues.mail.attempts = 0 (longshore.toml); accepted: a whole number from 1 to 1,000,000",
        f"  routes.a = 3 (longshore.toml); {name}",
        (
            "  concurrency = 'many' (environment LONGSHORE_CONCURRENCY); "
            "accepted: a whole number from 1 to 100,000"
        ),
        "  lease = datetime.timedelta(0) (given); accepted: a duration, from 1s to 12h",
        "  max_tasks = '0' (alias WORKER_MAX_JOBS); accepted: a whole number, 1 or more; or none",
    ]


def test_an_unknown_name_in_the_file_or_in_code_is_an_error_that_names_the_nearest(
    tmp_path: Path,
) -> None:
    (tmp_path / "longshore.toml").write_text("max-tasks = 5\n[queues.mail]\nprority = 9")

    message = refusal(concurency=5)

    assert "concurency = 5 (given); there is no such setting; did you mean concurrency?" in message
    assert "max-tasks = 5 (longshore.toml); there is no such setting; did you mean max_tasks?" in (
        message
    )
    assert "queues.mail.prority = 9 (longshore.toml)" in message
    assert "did you mean priority?" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "longshore.db"),
        ("url", "sqlite:///a b"),
        ("url", 5),
        ("queue_url", ""),
        ("app", "shop.tasks"),
        ("app", "shop tasks:app"),
        ("queue", "a queue"),
        ("queue", "a" * 81),
        ("queues", "mail"),
        ("queues", {"mail": 5}),
        ("queues", {"a queue": {}}),
        ("queues", {"mail": {"tags": ["a,b"]}}),
        ("queues", {"mail": {"delete_on_complete": "perhaps"}}),
        ("queues", {"mail": {"retry_after": ["1s", "later"]}}),
        ("queues", {"mail": {"priority": 101}}),
        ("routes", "mail"),
        ("routes", {"a name": "mail"}),
        ("routes", {"mail": {"send": "mail"}}),
        ("imports", ["os.path", "not a module"]),
        ("concurrency", 0),
        ("concurrency", True),
        ("concurrency", 1.5),
        ("concurrency", "9" * 30),
        ("lease", "-1s"),
        ("lease", "13 hours"),
        ("timeout", 0),
        ("message_retention", "1 month"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "America"),
        ("timezone", "../UTC"),
        ("timezone", ""),
        ("timezone", 1),
        ("report_limit", 10),
        ("log_level", "LOUD"),
        ("log_format", "xml"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: object) -> None:
    message = refusal(**{name: value})

    assert message.startswith(f"these settings cannot be used:\n  {name}")
    assert "(given); accepted: " in message


def test_a_refusal_masks_passwords_wherever_the_url_was_put() -> None:
    message = refusal(queue="postgresql://me:s3cret@host/db", lease="redis://:s3cret@host")

    assert "s3cret" not in message
    assert "postgresql://me:***@host/db" in message


def test_queue_settings_made_in_code_are_refused_in_the_same_words() -> None:
    with pytest.raises(ConfigurationError, match=r"weight = 0 \(given\); accepted: a whole"):
        QueueSettings(weight=0)


def test_settings_are_frozen_and_do_not_show_passwords() -> None:
    settings = Settings(url="postgresql://me:s3cret@host/db")

    with pytest.raises(ValidationError, match="frozen"):
        settings.url = "memory://"  # type: ignore[misc]  # what is tested

    assert "s3cret" not in repr(settings)
    assert "s3cret" not in repr(explain(settings))


def test_equal_values_make_equal_settings_and_survive_pickling() -> None:
    settings = Settings(concurrency=20)

    copy = pickle.loads(pickle.dumps(settings))  # noqa: S301 - our own bytes

    assert settings == Settings() == copy
    assert source_of(copy, "concurrency") == "given"


# ---- what is ignored, and said


def test_unknown_variables_are_listed_with_the_setting_that_may_be_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_CONCURENCY", "5")
    monkeypatch.setenv("LONGSHORE_PORT", "tcp://10.0.0.1:80")
    (tmp_path / ".env").write_text("LONGSHORE_XYZZY=1\nUNRELATED=1")

    found = {one.name: (one.source, one.reason) for one in ignored(Settings())}

    assert set(found) == {"LONGSHORE_CONCURENCY", "LONGSHORE_PORT", "LONGSHORE_XYZZY"}
    assert "did you mean LONGSHORE_CONCURRENCY?" in found["LONGSHORE_CONCURENCY"][1]
    assert "Kubernetes" in found["LONGSHORE_PORT"][1]
    assert found["LONGSHORE_XYZZY"] == (".env", "there is no such setting")


# ---- lookups


def test_a_queue_takes_what_it_does_not_set_from_the_settings_of_all_queues() -> None:
    settings = Settings(
        attempts=7,
        lease=timedelta(minutes=1),
        queues={"mail": QueueSettings(attempts=2, priority=10)},
    )

    mail, other = settings.for_queue("mail"), settings.for_queue("other")

    assert (mail.attempts, mail.lease, mail.priority) == (2, timedelta(minutes=1), 10)
    assert (other.attempts, other.lease, other.priority) == (7, timedelta(minutes=1), 5)


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("mail.send", "exact"),
        ("mail.read", "mail"),
        ("mail.bulk.send", "bulk"),
        ("Mail.read", None),
        ("other", None),
        ("a1", "first"),
    ],
)
def test_the_most_specific_route_wins(task: str, queue: str | None) -> None:
    settings = Settings(
        routes={
            "mail.*": "mail",
            "mail.send": "exact",
            "mail.bulk.*": "bulk",
            "?1": "first",
            "a?": "second",
        }
    )

    assert settings.route(task) == queue


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("IMPORTS", "shop.tasks, shop.mail", ("shop.tasks", "shop.mail")),
        ("ROUTES", "mail.*=emails, report=slow", {"mail.*": "emails", "report": "slow"}),
        ("ROUTES", '{"mail.*": "emails"}', {"mail.*": "emails"}),
        ("LEASE", "1h30m", timedelta(minutes=90)),
        ("LOG_LEVEL", "debug", "DEBUG"),
    ],
)
def test_text_of_the_environment_is_read_as_its_kind(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    monkeypatch.setenv(f"LONGSHORE_{name}", text)

    settings = Settings()

    assert getattr(settings, name.lower()) == value


@pytest.mark.parametrize("text", ['{"mail": ', "mail", "=mail", "{" * 9999])
def test_a_table_that_cannot_be_read_from_a_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("LONGSHORE_ROUTES", text)

    assert "(environment LONGSHORE_ROUTES); accepted: [routes] in TOML" in refusal()


def test_importing_longshore_does_not_import_the_settings() -> None:
    program = "import sys, longshore; sys.exit('pydantic_settings' in sys.modules)"

    finished = subprocess.run([sys.executable, "-c", program], check=False)

    assert finished.returncode == 0
