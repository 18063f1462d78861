"""Who is measured: each a module of `apps`."""

from __future__ import annotations

from typing import Final

from tests.bench.contender import Contender

_APPS: Final = "tests.bench.aws.apps"
_LONGSHORE: Final = f"{_APPS}.longshore_app"
_WORK: Final = ("-m", "longshore", "work")


def longshore(name: str, text: str, url: str, **given: str) -> Contender:
    """Longshore with its log at `url`, and SQS as its queue."""
    settings = {"LONGSHORE_URL": url, "LONGSHORE_APP": f"{_LONGSHORE}:app", **given}
    return Contender(name=name, text=text, module=_LONGSHORE, work=_WORK, given=settings)


OURS: Final = longshore("longshore", "Longshore, no log", "null://")
MEMORY: Final = longshore("memory", "Longshore, log in memory", "memory://")
ONE_BY_ONE: Final = longshore("one", "Longshore, no log, one by one", "null://", BENCH_HOW="one")
RAW: Final = Contender(
    name="raw",
    text="bare boto3, batches of ten",
    module=f"{_APPS}.boto3_app",
    work=("-m", f"{_APPS}.boto3_app"),
)
NEIGHBOURS: Final = (
    Contender(
        name="dramatiq",
        text="dramatiq_sqs",
        module=f"{_APPS}.dramatiq_app",
        work=("-m", "dramatiq", f"{_APPS}.dramatiq_app"),
        needs=("dramatiq", "dramatiq_sqs"),
    ),
    Contender(
        name="taskiq",
        text="taskiq-aio-sqs",
        module=f"{_APPS}.taskiq_app",
        work=("-m", "taskiq", "worker", f"{_APPS}.taskiq_app:broker"),
        needs=("taskiq", "taskiq_aio_sqs"),
    ),
    Contender(
        name="taskiq_ten",
        text="taskiq-aio-sqs, told to receive ten",
        module=f"{_APPS}.taskiq_app",
        work=("-m", "taskiq", "worker", f"{_APPS}.taskiq_app:broker"),
        needs=("taskiq", "taskiq_aio_sqs"),
        given={"BENCH_HOW": "ten"},
    ),
    Contender(
        name="celery",
        text="Celery on SQS",
        module=f"{_APPS}.celery_app",
        work=("-m", "celery", "-A", f"{_APPS}.celery_app", "worker", "--loglevel", "WARNING"),
        needs=("celery", "pycurl"),
    ),
)
