"""What stands in the Store under which key: strict JSON, each with the version of its form.

| key | value | kept |
|---|---|---|
| `worker/<id>` | `WorkerEntry`, written by the worker with each beat | a few beats |
| `control/worker/<id>` | `OrderBook`: what operators ordered of it, oldest first | an hour |
| `control/queue/<name>` | `QueueRecord`: there while the queue is paused | until it is resumed |

A field that a reader does not know is ignored; a form it does not know counts as unreadable.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal, TypeVar

ENTRIES: Final = "worker/"
ORDERS: Final = "control/worker/"
QUEUES: Final = "control/queue/"

ORDERS_KEPT: Final = timedelta(hours=1)
"""Orders of a worker that went without hearing them go by themselves."""

MOST_ORDERS: Final = 20
"""Orders that wait for one worker; older ones make room."""

MOST_RUNNING: Final = 20
"""Running tasks that an entry names; it counts all."""

_log = logging.getLogger("longshore.control")
_ADAPTERS: Final[dict[object, Any]] = {}
_FORM: Final = {"extra": "ignore", "strict": True, "allow_inf_nan": False}

T = TypeVar("T")


class WorkerVerb(StrEnum):
    """What an operator may order of a worker."""

    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    STOP = "stop"
    RESIZE = "resize"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """A queue is paused: no worker takes from it until the record is gone, whatever it says."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {**_FORM}

    at: datetime
    paused: Literal[True] = True
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order. Numbers grow, so that each is carried out once; `concurrency` is for resize."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {**_FORM}

    number: int
    verb: WorkerVerb
    at: datetime
    concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """The orders of one worker, oldest first."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {**_FORM}

    orders: tuple[Order, ...] = ()
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A task that a worker runs, and since when."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {**_FORM}

    id: str
    task: str
    queue: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEntry:
    """What a worker says of itself with each beat.

    `id` is new with each start, `name` (host and process id) may return. `every` is the seconds
    between two beats, `beat_at` the time of this one by the worker's own clock. `state` is
    `running`, `paused` or `draining`. `tasks` names the first of those that run.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {**_FORM}

    id: str
    name: str
    host: str
    pid: int
    version: str
    state: str
    queues: tuple[str, ...]
    paused_queues: tuple[str, ...]
    concurrency: int
    running: int
    held: int
    done: int
    failed: int
    tasks: tuple[Running, ...]
    started_at: datetime
    beat_at: datetime
    every: float
    v: Literal[1] = 1


def write_record(record: object) -> bytes:
    """A record as the JSON that stands in the Store."""
    written: bytes = _adapter(type(record)).dump_json(record)
    return written


def read_record(kind: type[T], value: bytes, key: str) -> T | None:
    """Read a record; None where it is of a form this version does not know, which is logged."""
    try:
        record: T = _adapter(kind).validate_json(value)
    except ValueError as error:
        _log.warning("the record %s cannot be read, and is passed over: %s", key, error)
        return None
    return record


def _adapter(kind: type[Any]) -> Any:  # noqa: ANN401 - pydantic's, which is imported late
    if kind not in _ADAPTERS:
        from pydantic import TypeAdapter  # noqa: PLC0415 - kept off the import path

        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
