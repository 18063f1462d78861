"""The worker's own log: a line for people, an object for programs."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from longshore.cli.logs import JsonFormatter, TextFormatter, configure

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def unconfigured() -> Generator[None]:
    """Take pytest's own handlers away, as in a process where nobody has configured logging."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers = []
    try:
        yield
    finally:
        root.handlers, root.level = before, level


def record(text: str, level: int = logging.INFO, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("shop", level, __file__, 1, text, None, None)
    made.__dict__.update(extra)
    made.created = 1_795_341_600.25
    return made


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (record("hello"), "2026-11-22 10:00:00.250Z hello"),
        (record("careful", logging.WARNING), "2026-11-22 10:00:00.250Z WARNING shop: careful"),
        (record("[FAILED] x", logging.WARNING, event={"kind": "failed"}), "…Z [FAILED] x"),
        (record("\x1b[2Jgone"), "…Z \\x1b[2Jgone"),
    ],
    ids=["info", "warning", "event", "escape"],
)
def test_a_line_has_the_time_and_what_happened(made: logging.LogRecord, line: str) -> None:
    text = TextFormatter(colored=False).format(made)

    assert text == line.replace("…", "2026-11-22 10:00:00.250")


@pytest.mark.parametrize(
    ("event", "color"), [("failed", "\x1b[31m"), ("processed", "\x1b[32m"), (None, "")]
)
def test_colour_is_by_kind_and_only_where_asked(event: str | None, color: str) -> None:
    made = record("x", event=None if event is None else {"kind": event})

    colored = TextFormatter(colored=True).format(made)

    assert color in colored
    assert ("\x1b" in colored) == bool(color)


def test_an_object_has_the_facts_of_an_event_and_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        sys.exit("no")
    except SystemExit:
        logging.getLogger("shop").exception("it broke", extra={"event": {"kind": "lost"}})

    said = json.loads(JsonFormatter().format(caplog.records[-1]))

    assert (said["level"], said["logger"], said["text"], said["kind"]) == (
        ("error", "shop", "it broke", "lost")
    )
    assert said["traceback"].endswith("SystemExit: no")


def test_where_nobody_configured_logging_every_logger_is_heard(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with unconfigured():
        configure(level="INFO", json=False, output=None)

        logging.getLogger("shop").info("of the application")
        logging.getLogger("longshore.worker").info("of the worker")
        logging.getLogger("shop").debug("too quiet")

    assert [line.split("Z ")[1] for line in capsys.readouterr().err.splitlines()] == (
        ["of the application", "of the worker"]
    )


def test_an_application_that_configured_logging_keeps_its_own(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    # pytest's handlers on the root logger stand for the application's.
    configure(level="INFO", json=False, output=None)

    logging.getLogger("shop").warning("of the application")
    logging.getLogger("longshore.worker").info("of the worker")

    assert "of the worker" in capsys.readouterr().err
    assert [record.getMessage() for record in caplog.records] == ["of the application"]


@pytest.mark.parametrize("output", ["debug", "DEBUG"])
def test_a_level_named_by_output_wins(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(level="ERROR", json=False, output=output)

    logging.getLogger("longshore.worker").debug("fine")

    assert "fine" in capsys.readouterr().err
