from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from longshore.client import PLANS, Preparer
from longshore.codec import decode
from longshore.definition import TaskOptions, define
from longshore.draft import Draft, EnqueueOptions
from longshore.errors import ArgumentsError, ConfigurationError, ScheduleError
from longshore.identity import TaskIds
from longshore.policy import Policy, QueuePolicy
from longshore.protocol import Record
from longshore.retry import Retry
from longshore.task import TaskState

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def handler(number: int = 0) -> None: ...


def record(
    options: EnqueueOptions | None = None,
    own: TaskOptions | None = None,
    policy: Policy | None = None,
    *,
    zone: str = "UTC",
    now: datetime = NOW,
) -> Record:
    draft = Draft(define(handler, options=own), {"number": 1}, options or EnqueueOptions())
    (one,) = Preparer(TaskIds(), policy, ZoneInfo(zone)).records([draft], now)
    return one


def queue(**defaults: Any) -> Policy:
    return Policy(default=QueuePolicy(**defaults))


# ------------------------------------------------------------------------------------ precedence


@pytest.mark.parametrize(
    ("called", "defined", "of_queue", "expected"),
    [
        (None, None, 5, 5),
        (None, None, 7, 7),
        (None, 8, 7, 8),
        (9, 8, 7, 9),
        (0, 8, 7, 0),
        (None, 0, 7, 0),
        ("urgent", 8, 7, 15),
        ("LOW", None, 7, 1),
    ],
)
def test_the_call_decides_the_priority_then_the_definition_then_the_queue(
    called: int | str | None, defined: int | None, of_queue: int, expected: int
) -> None:
    made = record(
        EnqueueOptions(priority=called), TaskOptions(priority=defined), queue(priority=of_queue)
    )

    assert made.spec.priority == expected


@pytest.mark.parametrize(
    ("called", "defined", "of_queue", "expected"),
    [(None, None, 3, 3), (None, 4, 3, 4), (5, 4, 3, 5), (1, None, 3, 1), (None, None, None, None)],
)
def test_the_call_decides_the_attempts_then_the_definition_then_the_queue(
    called: int | None, defined: int | None, of_queue: int | None, expected: int | None
) -> None:
    retry = None if defined is None else Retry(attempts=defined)

    made = record(
        EnqueueOptions(attempts=called),
        TaskOptions(retry=retry),
        queue(retry=Retry(attempts=of_queue)),
    )

    assert made.spec.max_attempts == expected
    assert decode(made.spec.body).taskattempts == called


@pytest.mark.parametrize(
    ("called", "defined", "routed", "expected"),
    [
        (None, None, {}, "default"),
        (None, None, {"handler": "r"}, "r"),
        (None, None, {"hand*": "p"}, "p"),
        (None, "d", {"handler": "r"}, "d"),
        ("c", "d", {"handler": "r"}, "c"),
    ],
)
def test_the_call_decides_the_queue_then_the_definition_then_the_routes(
    called: str | None, defined: str | None, routed: dict[str, str], expected: str
) -> None:
    made = record(EnqueueOptions(queue=called), TaskOptions(queue=defined), Policy(routes=routed))

    assert made.spec.queue == expected


@pytest.mark.parametrize(
    ("called", "defined", "of_queue", "minutes"),
    [
        (None, None, None, None),
        (None, None, 1, 1),
        (None, 2, 1, 2),
        ("3 minutes", 2, 1, 3),
        (180, 2, 1, 3),
        ("180.0", 2, 1, 3),
        (timedelta(minutes=3), None, None, 3),
        (NOW + 3 * MINUTE, None, None, 3),
        ("2026-01-01T12:03", None, None, 3),
    ],
)
def test_expiry_counts_from_now_in_every_form(
    called: Any, defined: int | None, of_queue: int | None, minutes: int | None
) -> None:
    made = record(
        EnqueueOptions(expires=called),
        TaskOptions(expires=None if defined is None else defined * MINUTE),
        queue(expires=None if of_queue is None else of_queue * MINUTE),
    )

    assert made.spec.expires_at == (None if minutes is None else NOW + minutes * MINUTE)
    assert decode(made.spec.body).expirytime == made.spec.expires_at


@pytest.mark.parametrize(
    ("called", "defined", "of_queue", "expected"),
    [
        (None, False, False, False),
        (None, False, True, True),
        (None, True, False, True),
        (False, True, True, False),
        (True, False, False, True),
    ],
)
def test_the_call_decides_whether_a_finished_row_is_stripped(
    called: bool | None,  # noqa: FBT001 - a table of them
    defined: bool,  # noqa: FBT001 - a table of them
    of_queue: bool,  # noqa: FBT001 - a table of them
    expected: bool,  # noqa: FBT001 - a table of them
) -> None:
    made = record(
        EnqueueOptions(delete_on_complete=called),
        TaskOptions(delete_on_complete=defined),
        queue(delete_on_complete=of_queue),
    )

    assert made.spec.delete_on_complete is expected


def test_tags_add_up_each_once() -> None:
    made = record(
        EnqueueOptions(tags=("c", "a")), TaskOptions(tags=("b", "a")), queue(tags=("a", "q"))
    )

    assert made.spec.tags == ("a", "q", "b", "c")
    assert decode(made.spec.body).tasktags == made.spec.tags


def test_the_queue_of_the_call_brings_its_own_defaults() -> None:
    policy = Policy(queues={"slow": QueuePolicy(priority=1, tags=("slow",))})

    made = record(EnqueueOptions(queue="slow"), policy=policy)

    assert (made.spec.priority, made.spec.tags) == (1, ("slow",))


# ------------------------------------------------------------------------------------------ when


@pytest.mark.parametrize(
    "delay",
    [
        *(90, 90.0, "90", " 90.0 ", "90s", "1m30s", "+1 minute 30 seconds", timedelta(seconds=90)),
        *(NOW + timedelta(seconds=90), "2026-01-01T12:01:30Z"),
    ],
    ids=repr,
)
def test_a_delay_counts_from_now_in_every_form(delay: Any) -> None:
    made = record(EnqueueOptions(delay=delay))

    assert made.due_at == NOW + timedelta(seconds=90)
    assert made.state is TaskState.SCHEDULED
    assert decode(made.spec.body).notbefore == made.due_at


@pytest.mark.parametrize(
    ("schedule", "zone", "due"),
    [
        ("+90s", "UTC", NOW + timedelta(seconds=90)),
        (NOW.timestamp() + 90, "UTC", NOW + timedelta(seconds=90)),
        ("2026-06-01T10:00", "Europe/Berlin", datetime(2026, 6, 1, 8, tzinfo=UTC)),
        ("2026-06-01T10:00+00:00", "Europe/Berlin", datetime(2026, 6, 1, 10, tzinfo=UTC)),
        ("2026-06-01", "UTC", datetime(2026, 6, 1, tzinfo=UTC)),
    ],
    ids=repr,
)
def test_a_schedule_is_an_instant_in_the_applications_zone(
    schedule: Any, zone: str, due: datetime
) -> None:
    made = record(EnqueueOptions(schedule=schedule), zone=zone)

    assert made.due_at == due
    assert made.state is TaskState.SCHEDULED


@pytest.mark.parametrize("delay", [0, "0s", timedelta(0), "2020-01-01"], ids=repr)
def test_a_delay_of_nothing_undoes_the_definitions(delay: Any) -> None:
    made = record(EnqueueOptions(delay=delay), TaskOptions(delay=MINUTE))

    assert made.state is TaskState.QUEUED
    assert made.due_at <= NOW
    assert decode(made.spec.body).notbefore is None


def test_the_definitions_delay_counts_from_each_enqueue() -> None:
    preparer = Preparer(TaskIds())
    draft = Draft(define(handler, options=TaskOptions(delay=MINUTE)), None)

    (first,), (second,) = (preparer.records([draft], NOW + hours) for hours in (0 * MINUTE, MINUTE))

    assert first.due_at == NOW + MINUTE
    assert second.due_at == NOW + 2 * MINUTE
    assert decode(second.spec.body).time == NOW + MINUTE


def test_a_schedule_of_the_call_wins_over_the_delay_of_the_definition() -> None:
    made = record(EnqueueOptions(schedule="+5 minutes"), TaskOptions(delay=MINUTE))

    assert made.due_at == NOW + 5 * MINUTE


def test_delay_and_schedule_together_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="give one"):
        record(EnqueueOptions(delay=1, schedule="+1s"))


@pytest.mark.parametrize(
    "options",
    [
        {"delay": True},
        {"delay": float("nan")},
        {"delay": float("inf")},
        {"delay": -1},
        {"delay": "-1s"},
        {"delay": "soon"},
        {"delay": "1e3"},
        {"schedule": True},
        {"schedule": float("nan")},
        {"schedule": "20260101"},
        {"schedule": -5},
        {"expires": True},
        {"expires": float("nan")},
        {"expires": "later"},
        {"timeout": True},
        {"timeout": 0},
        {"timeout": "0s"},
        {"timeout": -1},
        {"timeout": "366 days"},
        {"attempts": 0},
        {"attempts": -1},
        {"attempts": True},
        {"attempts": 2.5},
        {"attempts": "3"},
        {"attempts": 1_000_001},
        {"priority": 101},
        {"priority": -1},
        {"priority": "huge"},
        {"priority": True},
        {"priority": 1.5},
        {"queue": "two words"},
        {"queue": "é"},
        {"queue": "a" * 81},
        {"queue": "a/b"},
        {"tags": ("a,b",)},
        {"tags": (" a",)},
        {"tags": ("",)},
        {"tags": "abc"},
        {"key": ""},
        {"key": "k" * 129},
        {"tenant": ""},
    ],
    ids=repr,
)
def test_an_option_that_cannot_work_is_refused_before_anything_is_sent(
    options: dict[str, Any],
) -> None:
    with pytest.raises((ConfigurationError, ScheduleError)):
        record(EnqueueOptions(**options))


@pytest.mark.parametrize("name", ["a", "A-b_c.9", "9", "-", "a" * 80, "_x", "mail.high"])
def test_a_queue_name_may_be_what_every_broker_takes(name: str) -> None:
    assert record(EnqueueOptions(queue=name)).spec.queue == name


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(1, 1), (0.25, 1), ("1m", 60), (1.5, 2), (timedelta(days=365), 31536000)],
)
def test_a_timeout_travels_in_whole_seconds_and_never_comes_early(
    timeout: Any, seconds: int
) -> None:
    assert decode(record(EnqueueOptions(timeout=timeout)).spec.body).tasktimeout == seconds


# ------------------------------------------------------------------------------------------ keys


def test_a_task_without_a_key_has_an_id_of_its_own() -> None:
    assert record().spec.id != record().spec.id


def test_one_key_is_one_task() -> None:
    options = EnqueueOptions(key="invoice-7")

    first, again = record(options), record(replace(options, priority=9), now=NOW + MINUTE)

    assert first.spec.id == again.spec.id
    assert first.spec.key == decode(first.spec.body).taskkey == "invoice-7"


def test_a_key_is_unique_to_its_queue_and_task() -> None:
    options = EnqueueOptions(key="7")
    draft = Draft(define(handler, name="other"), None, options)
    (other_task,) = Preparer(TaskIds()).records([draft], NOW)

    ids = {
        record(options).spec.id,
        record(replace(options, key="8")).spec.id,
        record(replace(options, queue="q")).spec.id,
        other_task.spec.id,
    }

    assert len(ids) == 4


# ------------------------------------------------------------------------------------------ body


def test_everything_a_worker_needs_is_in_the_message() -> None:
    made = record(
        EnqueueOptions(
            key="k", attempts=4, timeout=60, tenant="acme", owner="ann", label="monthly",
            parent="0198f3aa-0000-7000-8000-000000000000", category="export", tags=("t",),
            priority=9, delete_on_complete=True, delay=60, expires=120,
        )
    )  # fmt: skip

    message = decode(made.spec.body)

    assert message.key("any queue") == made.spec.id
    assert message.type == made.spec.name == "handler"
    assert message.time == made.spec.created_at == NOW
    assert message.arguments() == ([], {"number": 1})
    assert message.taskpriority == made.spec.priority == 9
    assert message.taskattempts == made.spec.max_attempts == 4
    assert message.tasktimeout == 60
    assert message.partitionkey == made.spec.tenant == "acme"
    assert message.causationid == made.spec.parent_id
    assert message.notbefore == NOW + MINUTE
    assert message.expirytime == NOW + 2 * MINUTE
    assert message.extensions == {
        "taskcategory": "export",
        "taskowner": "ann",
        "tasklabel": "monthly",
        "taskdelete": True,
    }


def test_only_what_differs_from_the_defaults_travels() -> None:
    body = record().spec.body

    assert set(decode_json(body)) == {"specversion", "id", "source", "type", "time", "data"}


def decode_json(body: bytes) -> dict[str, Any]:
    from json import loads  # noqa: PLC0415 - to look at the bytes themselves, here alone

    found: dict[str, Any] = loads(body)
    return found


def test_what_cannot_be_written_is_refused_for_the_whole_batch() -> None:
    good = Draft(define(handler), {"number": 1})
    bad = Draft(define(handler), {"number": float("nan")})

    with pytest.raises(ArgumentsError):
        Preparer(TaskIds()).records([good, bad], NOW)


def test_plans_are_forgotten_before_they_fill_the_memory() -> None:
    preparer = Preparer(TaskIds())
    definition = define(handler)

    made = [
        preparer.records([Draft(definition, None, EnqueueOptions(priority=n % 100))], NOW)[0]
        for n in range(PLANS * 2 + 5)
    ]

    assert [one.spec.priority for one in made] == [n % 100 for n in range(PLANS * 2 + 5)]
