"""Tasks for the events of others: `@app.on`, and the settings of a queue that others fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore import Context, Longshore
from longshore.declare import TaskFunction
from longshore.errors import ConfigurationError, TaskDefinitionError
from longshore.settings import QueueSettings, Settings
from longshore.wiring import policy_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def app() -> Iterator[Longshore]:
    with Longshore(url="memory://") as opened:
        yield opened


def test_a_function_bound_to_a_type_is_a_task(app: Longshore) -> None:
    @app.on("Object Created", source="aws.s3")
    def index(bucket: str) -> str:
        return bucket

    assert isinstance(index, TaskFunction)
    assert index("b") == "b"
    assert app.registry.get("index").function is index.definition.function
    assert app.registry.bound_to("Object Created", "aws.s3") == ["index"]


def test_a_task_bound_to_a_type_keeps_its_options(app: Longshore) -> None:
    @app.on("order.paid")
    @app.on("order.cancelled")
    @app.task(name="orders", timeout="5m", tags=["shop"])
    async def handle(ctx: Context, order: int) -> None: ...

    assert handle.name == "orders"
    assert handle.definition.options.tags == ("shop",)
    assert app.registry.bound_to("order.paid", "/any") == ["orders"]
    assert app.registry.bound_to("order.cancelled", "/any") == ["orders"]


def test_several_tasks_of_one_type_are_listed_in_their_order_each_once(app: Longshore) -> None:
    @app.on("order.*")
    @app.on("order.paid")
    def second() -> None: ...

    @app.on("order.paid")
    def first() -> None: ...

    assert app.registry.bound_to("order.paid", "/any") == ["second", "first"]


@pytest.mark.parametrize(
    ("kind", "source", "found"),
    [
        ("Object Created", "aws.s3", ["bound"]),
        ("Object Removed", "aws.s3", ["bound"]),
        ("object created", "aws.s3", []),
        ("Object Created", "aws.s4", []),
        ("Object", "aws.s3", []),
    ],
)
def test_types_and_sources_may_be_patterns_and_letter_case_counts(
    app: Longshore, kind: str, source: str, found: list[str]
) -> None:
    @app.on("Object *", source="aws.s3")
    def bound() -> None: ...

    assert app.registry.bound_to(kind, source) == found


def test_a_function_that_cannot_be_a_task_cannot_be_bound(app: Longshore) -> None:
    with pytest.raises(TaskDefinitionError, match="generator"):

        @app.on("tick")
        def endless() -> Iterator[int]:
            yield 1

    assert app.registry.bound_to("tick", "") == []


def test_a_queue_says_what_others_may_send_to_it() -> None:
    settings = Settings(
        queues={
            "uploads": QueueSettings(task="index", formats=("sns", "s3"), split=True),
            "emails": QueueSettings(priority=9),
        }
    )

    policy = policy_of(settings)

    uploads, emails = policy.of("uploads"), policy.of("emails")
    assert (uploads.task, uploads.formats, uploads.split) == ("index", ("sns", "s3"), True)
    assert (emails.task, emails.split) == (None, False)
    assert emails.formats == ("cloudevents", "sns", "eventbridge", "s3", "plain")


def test_the_settings_are_read_from_text() -> None:
    table = {"formats": "cloudevents, celery", "task": "none", "split": "true"}

    queue = Settings.load(queues={"q": table}).for_queue("q")

    assert (queue.formats, queue.task, queue.split) == (("cloudevents", "celery"), None, True)


@pytest.mark.parametrize(
    ("table", "accepted"),
    [
        ({"formats": "kafka"}, "one of cloudevents, sns"),
        ({"formats": ["plain", 5]}, "one of cloudevents, sns"),
        ({"task": "two words"}, "a task's name"),
        ({"split": "perhaps"}, "true or false"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_can(
    table: dict[str, object], accepted: str
) -> None:
    with pytest.raises(ConfigurationError, match=accepted):
        Settings.load(queues={"q": table})
