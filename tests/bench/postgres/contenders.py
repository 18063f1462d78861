"""Who is measured: each a module of `apps`, with the filling that makes its bodies 500 bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, LiteralString

from tests.bench.beside import Beside
from tests.bench.contender import Contender

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "tasks"
LONGSHORE: Final = "tests.bench.longshore_app"
_APPS: Final = "tests.bench.postgres.apps"


@dataclass(frozen=True, slots=True)
class Tables:
    """What counts a contender's tasks that wait, and those that its rows say have succeeded."""

    waiting: LiteralString
    succeeded: LiteralString | None = None


def _contender(
    name: str,
    text: str,
    module: str,
    filling: int,
    *work: str,
    needs: tuple[str, ...],
    **given: str,
) -> Contender:
    return Contender(
        name=name,
        text=text,
        module=f"{_APPS}.{module}",
        work=("-m", *(work or (f"{_APPS}.{module}",))),
        needs=needs,
        given={"BENCH_FILLING": str(filling), **given},
    )


def _longshore(name: str, text: str, log: str) -> Contender:
    queues = json.dumps({NAME: {"log": log}})
    return Contender(
        name=name,
        text=text,
        module=LONGSHORE,
        work=("-m", "longshore", "work"),
        given={"BENCH_FILLING": "305", "LONGSHORE_QUEUES": queues},
    )


def _procrastinate(name: str, text: str, concurrency: int) -> Contender:
    one = _contender(
        *(name, text, "procrastinate_app", 433),
        needs=("procrastinate",),
        BENCH_CONCURRENCY=str(concurrency),
    )
    return replace(one, slower=10)


RAW: Final = _contender("psycopg", "bare psycopg", "psycopg_app", 480, needs=("psycopg",))
OURS: Final = _longshore("longshore", "Longshore", "full")
UNLOGGED: Final = _longshore("unlogged", "Longshore, no log", "off")
PROCRASTINATE: Final = _procrastinate("procrastinate", "procrastinate", 1)
TUNED: Final = _procrastinate("tuned", "procrastinate, concurrency 20", 20)
SAQ: Final = replace(
    _contender(
        *("saq", "SAQ", "saq_app", 250, "saq", f"{_APPS}.saq_app.settings", "--quiet"),
        needs=("saq", "psycopg_pool"),
    ),
    slower=10,
)

SENDING: Final = Beside(floor=RAW, ours=OURS, more=(UNLOGGED,), neighbours=(PROCRASTINATE, SAQ))
WORKING: Final = Beside(
    floor=RAW, ours=OURS, more=(UNLOGGED,), neighbours=(PROCRASTINATE, TUNED, SAQ)
)

_MESSAGES: Final = "SELECT count(*) FROM message"
_JOBS: Final = Tables(
    "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')",
    "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'",
)
TABLES: Final[Mapping[str, Tables]] = {
    "psycopg": Tables(_MESSAGES, "SELECT count(*) FROM task WHERE done IS NOT NULL"),
    "longshore": Tables(_MESSAGES, "SELECT count(*) FROM task WHERE state = 'succeeded'"),
    "unlogged": Tables(_MESSAGES),
    "procrastinate": _JOBS,
    "tuned": _JOBS,
    "saq": Tables(
        "SELECT count(*) FROM saq_jobs WHERE status IN ('new', 'queued', 'active')",
        "SELECT count(*) FROM saq_jobs WHERE status = 'complete'",
    ),
}
