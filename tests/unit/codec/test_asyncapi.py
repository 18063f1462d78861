"""The AsyncAPI document says what an application takes, and what it says is what is read."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from pydantic import BaseModel

from longshore import Context, Longshore
from longshore.asyncapi import asyncapi
from longshore.codec import encode
from longshore.message import Message
from longshore.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator


class Line(BaseModel):
    article: str
    count: int = 1


class Strange:
    """Nothing that JSON has a word for."""


@pytest.fixture
def app() -> Iterator[Longshore]:
    with Longshore(url="memory://") as opened:
        yield opened


def document(app: Longshore, **routes: str) -> dict[str, Any]:
    policy = Policy(routes={name.replace("_", "."): queue for name, queue in routes.items()})
    made = asyncapi(app.registry, policy, title="shop", version="2")
    json.dumps(made)
    return made


def resolved(whole: Any, reference: str) -> Any:
    found = whole
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(inside: Any) -> Iterator[str]:
    if isinstance(inside, dict):
        for name, one in inside.items():
            if name == "$ref":
                yield one
            else:
                yield from references(one)
    elif isinstance(inside, list):
        for one in inside:
            yield from references(one)


def test_each_queue_is_a_channel_with_the_messages_of_its_tasks(app: Longshore) -> None:
    @app.task(name="invoice.render", title="Render an invoice")
    def render(order: int) -> None:
        """Write the invoice of an order.

        And more.
        """

    @app.task(queue="mails")
    def mail(to: str) -> None: ...

    made = document(app, invoice_render="slow")

    assert made["asyncapi"] == "3.0.0"
    assert made["info"] == {"title": "shop", "version": "2"}
    assert {name: list(one["messages"]) for name, one in made["channels"].items()} == {
        "mails": ["mail"],
        "slow": ["invoice.render"],
    }
    message = made["components"]["messages"]["invoice.render"]
    assert (message["title"], message["summary"]) == (
        "Render an invoice",
        "Write the invoice of an order.",
    )
    assert {one["action"] for one in made["operations"].values()} == {"receive"}


def test_every_reference_leads_somewhere(app: Longshore) -> None:
    @app.task(name="module:function")
    def order(lines: list[Line], first: Line, due: date | None = None) -> None: ...

    @app.task(name="module/function")
    def other(line: Line) -> None: ...

    made = document(app)

    found = list(references(made))
    assert len(found) > 6
    assert all(resolved(made, one) is not None for one in found)


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        ({"lines": [{"article": "a"}], "due": "2026-11-22"}, True),
        ({"lines": []}, True),
        ({"lines": [{"count": 1}]}, False),
        ({}, False),
        ({"lines": [], "more": 1}, False),
    ],
)
def test_what_fits_the_document_is_what_the_task_takes(
    app: Longshore, data: Any, *, fits: bool
) -> None:
    @app.task
    def order(ctx: Context, lines: list[Line], due: date | None = None) -> None: ...

    made = document(app)
    payload = made["components"]["messages"]["order"]["payload"]
    event = json.loads(encode(Message(id="1", source="/shop", type="order", data=data)))

    # References are those of the whole document, so it has to be at hand.
    validator: Any = jsonschema.Draft202012Validator({**made, **payload})
    assert validator.is_valid(event) is fits


def test_a_task_whose_arguments_have_no_schema_takes_anything(app: Longshore) -> None:
    class Work:
        def __init__(self, number: int, strange: Any = None, **rest: object) -> None: ...

        def run(self) -> None: ...

    app.task(Work)

    data = document(app)["components"]["messages"]["Work"]["payload"]["properties"]["data"]

    assert data["properties"]["number"] == {"type": "integer"}
    assert (data["required"], data["additionalProperties"]) == (["number"], True)


def test_a_type_that_json_has_no_word_for_may_be_anything(app: Longshore) -> None:
    @app.task
    def odd(strange: Strange) -> None: ...

    data = document(app)["components"]["messages"]["odd"]["payload"]["properties"]["data"]

    assert data["properties"] == {"strange": {}}
