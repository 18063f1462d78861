"""A call that was checked and not sent: the task, its arguments, its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from longshore.quick import quick

if TYPE_CHECKING:
    from longshore.definition import TaskDefinition
    from longshore.message import JsonValue
    from longshore.when import Duration, When


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueueOptions:
    """What a caller may say of one task; None leaves it to the definition, then the queue.

    `delay` and `schedule` are two words for when to start (see `longshore.when`). `timeout` is
    per attempt, `attempts` counts all tries, `expires` is when it may no longer start. `key`
    makes a second enqueue under the same queue, task and key answer the first one's task.
    """

    queue: str | None = None
    delay: When | None = None
    schedule: When | None = None
    priority: int | str | None = None
    key: str | None = None
    attempts: int | None = None
    timeout: Duration | None = None
    expires: When | None = None
    tags: tuple[str, ...] = ()
    category: str | None = None
    tenant: str | None = None
    owner: str | None = None
    label: str | None = None
    parent: str | None = None
    delete_on_complete: bool | None = None


NO_OPTIONS = EnqueueOptions()


@quick
@dataclass(frozen=True, slots=True)
class Draft:
    """A task that has not been sent: its definition, its checked arguments and its options."""

    definition: TaskDefinition
    data: JsonValue
    options: EnqueueOptions = NO_OPTIONS
