"""What is in effect and why: for people, with passwords masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from longshore.masking import mask_url
from longshore.settings.kinds import NONE_WORD
from longshore.settings.queues import QueueSettings
from longshore.when import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from longshore.settings.model import Settings
    from longshore.settings.trace import Ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """A value in effect, as text; what is set for one queue is named `queues.NAME.FIELD`.

    `source` is `default`, `given`, `environment LONGSHORE_URL`, `.env`, `longshore.toml` (or
    the file that LONGSHORE_CONFIG names), or `alias WORKER_MAX_JOBS`.
    """

    name: str
    value: str
    source: str
    description: str


def explain(settings: Settings) -> list[Effective]:
    """List every value in effect, in the order of the documentation; passwords are masked."""
    return [row for name in type(settings).model_fields for row in _rows(settings, name)]


def ignored(settings: Settings) -> list[Ignored]:
    """List the variables that are set and change nothing, each with the reason."""
    return list(settings.trace.ignored)


def show(value: object) -> str:
    """Write a setting's value as one would write it in the environment; passwords are masked."""
    if value is None:
        return NONE_WORD
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(show(item) for item in cast("Sequence[object]", value))
    return mask_url(str(value))


def _rows(settings: Settings, name: str) -> Iterator[Effective]:
    description = type(settings).model_fields[name].description or ""
    value = cast("object", getattr(settings, name))
    if not isinstance(value, Mapping):
        yield _row(settings, (name,), value, description)
        return
    table = cast("Mapping[str, object]", value)
    if not table:
        yield _row(settings, (name,), "", description)
    for key, inner in table.items():
        if isinstance(inner, QueueSettings):
            yield from _queue_rows(settings, (name, key), inner)
        else:
            yield _row(settings, (name, key), inner, description)


def _queue_rows(
    settings: Settings, path: tuple[str, str], queue: QueueSettings
) -> Iterator[Effective]:
    for name, field in QueueSettings.model_fields.items():
        if name in queue.model_fields_set:
            value = cast("object", getattr(queue, name))
            yield _row(settings, (*path, name), value, field.description or "")


def _row(settings: Settings, path: tuple[str, ...], value: object, description: str) -> Effective:
    return Effective(
        name=".".join(path),
        value=show(value),
        source=settings.trace.source(path),
        description=description,
    )
