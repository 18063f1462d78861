"""Records as columns: what `statements.RECORD` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.task import OPEN
from longshore_adapters.postgres import statements
from longshore_adapters.postgres.limits import FIT
from longshore_adapters.postgres.scalars import tags_text, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.protocol import Record


class Draft(NamedTuple):
    """A statement, its values, and the queues that get a message."""

    statement: str
    values: dict[str, Any]
    queues: set[str]


def draft_of(records: Sequence[Record], *, sends: bool) -> Draft:
    """Write records of different ids; with `sends`, each with a message that is open and not armed.

    Raises for one with a message whose body is too long.
    """
    messages = [sends and not record.armed and record.state in OPEN for record in records]
    for record, message in zip(records, messages, strict=True):
        if error := FIT.record(record, sends=message):
            raise error
    queues = {record.spec.queue for record, sent in zip(records, messages, strict=True) if sent}
    columns = _columns(records)
    many, one = statements.RECORD_PLAIN, statements.RECORD_ONE_PLAIN
    if not all(record.is_plain for record in records):
        columns |= _rest(records)
        many, one = statements.RECORD, statements.RECORD_ONE
    if len(records) != 1:
        return Draft(many, {**columns, "sends": sends}, queues)
    values = {name: column[0] for name, column in columns.items()}
    return Draft(one, {**values, "sends": sends}, queues)


def _columns(records: Sequence[Record]) -> dict[str, list[Any]]:
    specs = [record.spec for record in records]
    return {
        "ids": [spec.id for spec in specs],
        "queues": [text(spec.queue) for spec in specs],
        "names": [text(spec.name) for spec in specs],
        "priorities": [spec.priority for spec in specs],
        "max_attempts": [spec.max_attempts for spec in specs],
        "created": [spec.created_at for spec in specs],
        "states": [record.state.value for record in records],
        "due": [record.due_at for record in records],
        "bodies": [spec.body for spec in specs],
    }


def _rest(records: Sequence[Record]) -> dict[str, list[Any]]:
    specs = [record.spec for record in records]
    return {
        "expires": [spec.expires_at for spec in specs],
        "categories": [text(spec.category) for spec in specs],
        "tenants": [text(spec.tenant) for spec in specs],
        "owners": [text(spec.owner) for spec in specs],
        "labels": [text(spec.label) for spec in specs],
        "parents": [spec.parent_id for spec in specs],
        "keys": [text(spec.key) for spec in specs],
        "tags": [tags_text(spec.tags) for spec in specs],
        "wakes": [_wake_at(record) for record in records],
        "deletes": [spec.delete_on_complete for spec in specs],
    }


def _wake_at(record: Record) -> datetime | None:
    if not record.armed:
        return None
    return record.due_at if record.wake_at is None else record.wake_at
