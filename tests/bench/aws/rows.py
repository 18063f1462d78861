"""The table: what is measured, and what it is to reach."""

from __future__ import annotations

from typing import Final

from tests.bench.aws import budgets, spending
from tests.bench.contender import names
from tests.bench.figures import Figure, Row

_NAMES: Final = names(spending.CONTENDERS)

ROWS: Final = (
    Row(
        name="calls",
        title="requests to SQS per task, enqueue_many and one worker at full load",
        figures=(
            Figure("calls", "all requests", at_most=0.35),
            Figure("send", "SendMessageBatch"),
            Figure("receive", "ReceiveMessage"),
            Figure("delete", "DeleteMessageBatch"),
            Figure("short", "short polls, in all", at_most=0),
        ),
        measure=budgets.calls,
        tasks=2000,
        quick=200,
    ),
    Row(
        name="idle",
        title="requests of one worker on one empty queue; its 'tasks' are seconds",
        figures=(
            Figure("rate", "requests per second", at_most=0.06),
            Figure("short", "short polls, in all", at_most=0),
        ),
        measure=budgets.idle,
        tasks=60,
        quick=5,
    ),
    Row(
        name="units",
        title="write units of DynamoDB per task, sent, claimed and finished by a worker",
        figures=(
            Figure("full", "log = full: write units", at_most=4),
            Figure("claims", "log = claims: write units", at_most=3),
            Figure("full_reads", "log = full: read units"),
            Figure("claims_reads", "log = claims: read units"),
        ),
        measure=budgets.units,
        tasks=200,
        quick=40,
    ),
    Row(
        name="cpu",
        title="CPU per task of a producer and of a worker on SQS",
        figures=(
            Figure("sent_share", "sending, of the best neighbour's", at_most=0.5),
            Figure("one_share", "sending one by one, of the best neighbour's", at_most=0.5),
            Figure("run_share", "running with no log, of the best neighbour's", at_most=0.5),
            Figure("memory_share", "running with the log in memory, of the same", at_most=0.5),
            Figure("sent_floor", "sending, times bare boto3"),
            Figure("run_floor", "running with no log, times bare boto3"),
            *(Figure(f"sent_{name}", f"sent by {text}", "µs") for name, text in _NAMES),
            *(Figure(f"run_{name}", f"run by {text}", "µs") for name, text in _NAMES),
            *(Figure(f"calls_{name}", f"requests of {text}") for name, text in _NAMES),
            *(Figure(f"rate_{name}", f"run a second by {text}", "/s") for name, text in _NAMES),
        ),
        measure=spending.beside,
        tasks=900,
        quick=40,
    ),
    Row(
        name="logged",
        title="CPU per task of a worker with its log in DynamoDB",
        figures=(
            Figure("full_times", "log = full, times the log in memory", at_most=2),
            Figure("claims_times", "log = claims, times the log in memory", at_most=2),
            Figure("run_memory", "run, log in memory", "µs"),
            Figure("run_full", "run, log = full", "µs"),
            Figure("run_claims", "run, log = claims", "µs"),
            Figure("sent_memory", "sent, log in memory", "µs"),
            Figure("sent_full", "sent, log = full", "µs"),
            Figure("sent_claims", "sent, log = claims", "µs"),
        ),
        measure=spending.logged,
        tasks=1500,
        quick=40,
    ),
)
