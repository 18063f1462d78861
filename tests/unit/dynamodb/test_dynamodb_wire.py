"""Rows to items and back, without a server."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from longshore.identity import TaskIds
from longshore.task import Attempt, LogLine, Task, TaskError, TaskSpec, TaskState
from longshore_adapters.dynamodb import attempts
from longshore_adapters.dynamodb.drafting import Draft, Place, draft
from longshore_adapters.dynamodb.limits import CHUNK, UNIT
from longshore_adapters.dynamodb.parts import Part, dropped, filled, keys_of, new_part, size_of
from longshore_adapters.dynamodb.scalars import dumps, loads, sortable, text, unsorted
from longshore_adapters.dynamodb.statements import inserting, request, statement, updating
from longshore_adapters.dynamodb.wire import ABSENT, Seen, pk, to_task

if TYPE_CHECKING:
    from longshore_adapters.dynamodb.scalars import Item

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = TaskIds()()
PLACE = Place("L#20260101#0", sortable(0), 4)

moments = st.datetimes(timezones=st.just(UTC))
texts = st.text(st.characters(), max_size=30)
maybe_texts = st.none() | texts
maybe_moments = st.none() | moments
blobs = st.none() | st.binary(max_size=6000)
counts = st.integers(0, 10**6)
errors = st.none() | st.builds(TaskError, type=texts, message=texts, traceback=texts)


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    body = draw(blobs)
    spec = TaskSpec(
        id=ID,
        name=draw(texts),
        queue=draw(texts),
        body=body or b"",
        created_at=draw(moments),
        priority=draw(st.integers(0, 100)),
        max_attempts=draw(st.none() | counts),
        expires_at=draw(maybe_moments),
        tags=tuple(draw(st.lists(texts, max_size=3))),
        category=draw(maybe_texts),
        tenant=draw(maybe_texts),
        owner=draw(maybe_texts),
        label=draw(maybe_texts),
        key=draw(maybe_texts),
        delete_on_complete=draw(st.booleans()),
    )
    return Task(
        spec=spec,
        state=draw(st.sampled_from(TaskState)),
        due_at=draw(moments),
        updated_at=draw(moments),
        expires_at=draw(maybe_moments),
        body=body,
        reason=draw(maybe_texts),
        token=draw(counts),
        claim_id=draw(maybe_texts),
        worker=draw(maybe_texts),
        lease_until=draw(maybe_moments),
        attempts=draw(counts),
        rescues=draw(counts),
        run=draw(counts),
        wake_at=draw(maybe_moments),
        wake_no=draw(counts),
        audits=draw(counts),
        started_at=draw(maybe_moments),
        finished_at=draw(maybe_moments),
        cancel_requested_at=draw(maybe_moments),
        archived_at=draw(maybe_moments),
        deleted_at=draw(maybe_moments),
        result=draw(blobs),
        report=draw(blobs),
        error=draw(errors),
        progress=draw(st.none() | st.floats(0, 1)),
        progress_note=draw(maybe_texts),
    )


def spec() -> TaskSpec:
    return TaskSpec(id=ID, name="render", queue="default", body=b"{}", created_at=NOW)


def row(**changed: object) -> Task:
    task = Task(spec=spec(), state=TaskState.QUEUED, due_at=NOW, updated_at=NOW, body=b"{}")
    return replace(task, **changed)  # type: ignore[arg-type] # fields of a task


def attempt(number: int, error: TaskError | None = None) -> Attempt:
    return Attempt(
        task_id=ID,
        run=0,
        number=number,
        token=number,
        worker="worker",
        outcome="retrying",
        started_at=NOW,
        ended_at=NOW + timedelta(seconds=number),
        error=error,
        lines=(LogLine(at=NOW, level="info", text="half \ud800"),),
    )


def stored(made: Draft) -> dict[str, Item]:
    """The partition after a draft was written, by sort key."""
    items = [item for part in made.parts for item in part.items(pk(ID))]
    return {item["s"]["S"]: item for item in [*items, made.item]}


@given(tasks())
def test_any_row_comes_back_as_it_was(task: Task) -> None:
    made = draft(ABSENT, task, None, PLACE)

    whole = filled(made.item, stored(made))

    assert whole is not None
    again = to_task(whole)
    assert [f.name for f in fields(Task) if getattr(again, f.name) != getattr(task, f.name)] == []


@given(tasks(), tasks())
def test_a_row_written_over_another_comes_back_as_it_was(before: Task, after: Task) -> None:
    after = replace(after, spec=replace(before.spec, body=after.body or b""))
    first = draft(ABSENT, before, None, PLACE)

    second = draft(Seen(before, first.item), after, None, PLACE)

    whole = filled(second.item, stored(first) | stored(second))
    assert whole is not None
    assert to_task(whole) == after


def test_what_stays_elsewhere_is_not_written_again() -> None:
    first = draft(ABSENT, row(body=b"x" * 9000), None, PLACE)
    seen = Seen(to_task(first.item), first.item)
    assert seen.task is not None

    second = draft(seen, replace(seen.task, state=TaskState.RUNNING), None, PLACE)

    assert len(first.parts) == 1
    assert second.parts == []
    assert second.item["b"] == first.item["b"]
    assert dropped(first.item, second.item) == []


def test_a_value_let_go_of_names_its_items() -> None:
    data = b"x" * (CHUNK * 2 + 1)
    first = draft(ABSENT, row(body=data), None, PLACE)
    seen = Seen(to_task(first.item), first.item)
    assert seen.task is not None

    second = draft(seen, replace(seen.task, body=None), None, PLACE)

    keys = dropped(first.item, second.item)
    assert keys == keys_of(first.parts[0].reference)
    assert len(keys) == 3


def test_a_small_row_with_a_body_of_300_bytes_stays_within_a_write_unit() -> None:
    full = replace(spec(), body=b"x" * 300, max_attempts=5, name="shop.orders.send_receipt")
    first = draft(ABSENT, row(spec=full, body=full.body), None, PLACE)
    seen = Seen(row(spec=full, body=full.body), first.item)
    ended = row(
        spec=full,
        body=full.body,
        state=TaskState.SUCCEEDED,
        token=1,
        attempts=1,
        claim_id=f"{ID}.123456",
        worker="worker-7d9c5b6f4-x2x9z.4242.3",
        started_at=NOW,
        finished_at=NOW,
        result=b"null",
    )

    second = draft(seen, ended, replace(attempt(1), lines=()), PLACE)

    assert second.parts == []
    assert size_of(second.item.items()) <= UNIT


def test_an_unknown_field_of_another_version_is_carried() -> None:
    item = draft(ABSENT, row(), None, PLACE).item
    item["a"] = text(dumps({**loads(item["a"]["S"]), "new": [1]}))

    after = draft(Seen(to_task(item), item), row(state=TaskState.PAUSED), None, PLACE).item

    assert loads(after["a"]["S"])["new"] == [1]


def test_attempts_come_back_however_many_there_were() -> None:
    error = TaskError(type="ValueError", message="no", traceback="line\n" * 100)
    made = [attempt(number, error if number % 3 == 0 else None) for number in range(1, 60)]
    items: dict[str, Item] = {}
    seen = Seen(row(), draft(ABSENT, row(), None, PLACE).item)

    for one in made:
        written = draft(seen, row(token=one.token), one, PLACE)
        items |= stored(written)
        seen = Seen(row(token=one.token), written.item)

    assert attempts.read(ID, items, seen.item) == made
    assert len(seen.item["t"]["L"]) <= attempts.MOST + 1


def test_an_error_kept_apart_is_kept_once() -> None:
    error = TaskError(type="ValueError", message="no", traceback="line\n" * 2000)

    made = draft(ABSENT, row(error=error), attempt(1, error), PLACE)

    whole = filled(made.item, stored(made))
    assert len(made.parts) == 1
    assert whole is not None
    assert to_task(whole).error == error


@given(st.integers(-(10**16), 10**17), st.integers(-(10**16), 10**17))
def test_times_sort_as_texts(one: int, other: int) -> None:
    assert (sortable(one) < sortable(other)) is (one < other)
    assert unsorted(sortable(one)) == one


@given(st.binary(max_size=50))
def test_a_part_is_put_together_from_its_items(data: bytes) -> None:
    part = new_part("r", data)
    whole = filled(
        {"r": text(part.reference)}, {item["s"]["S"]: item for item in part.items(pk(ID))}
    )

    assert whole == {"r": {"B": data}}
    assert Part(part.key, data) == part


def test_a_statement_and_a_call_say_the_same() -> None:
    before: Item = {
        "p": text("T#1"),
        "s": text("#"),
        "v": {"N": "1"},
        "a": text("x"),
        "y": text("W"),
    }
    after: Item = {"p": text("T#1"), "s": text("#"), "v": {"N": "2"}, "a": text("y")}

    write = updating(before, after, {"v": before["v"]})

    assert statement("t", write)["Statement"] == (
        'UPDATE "t" SET "v"=? SET "a"=? REMOVE "y" WHERE "p"=? AND "s"=? AND "v"=?'
    )
    asked = request("t", write)
    assert asked["UpdateExpression"] == "SET #v=:v, #a=:a REMOVE #y"
    assert asked["ConditionExpression"] == "#v=:wv"
    assert asked["ExpressionAttributeValues"][":wv"] == {"N": "1"}


def test_an_insert_wants_no_item() -> None:
    item: Item = {"p": text("T#1"), "s": text("#")}

    assert statement("t", inserting(item))["Statement"] == "INSERT INTO \"t\" VALUE {'p':?,'s':?}"
    assert request("t", inserting(item))["ConditionExpression"] == "attribute_not_exists(p)"
