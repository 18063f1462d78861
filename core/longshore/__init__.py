"""Longshore: background tasks from any message queue.

The names below are the public API. They are loaded when first used, so that importing the
package costs little and dials nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.app import Longshore
    from longshore.context import Context
    from longshore.declare import TaskFunction
    from longshore.draft import EnqueueOptions
    from longshore.errors import LongshoreError
    from longshore.handle import Handle
    from longshore.message import Message
    from longshore.priority import HIGH, LOW, NORMAL, URGENT
    from longshore.report import Report
    from longshore.retry import (
        Cancel,
        Exponential,
        PermanentError,
        Reject,
        Retry,
        RetryLater,
        Snooze,
    )
    from longshore.settings import Settings
    from longshore.task import Task, TaskState
    from longshore.worker import Worker, WorkerOptions

__version__ = "0.1.0"

__all__ = [
    "HIGH",
    "LOW",
    "NORMAL",
    "URGENT",
    "Cancel",
    "Context",
    "EnqueueOptions",
    "Exponential",
    "Handle",
    "Longshore",
    "LongshoreError",
    "Message",
    "PermanentError",
    "Reject",
    "Report",
    "Retry",
    "RetryLater",
    "Settings",
    "Snooze",
    "Task",
    "TaskFunction",
    "TaskState",
    "Worker",
    "WorkerOptions",
    "__version__",
]

_HOMES = {
    "app": ("Longshore",),
    "context": ("Context",),
    "declare": ("TaskFunction",),
    "draft": ("EnqueueOptions",),
    "errors": ("LongshoreError",),
    "handle": ("Handle",),
    "message": ("Message",),
    "priority": ("HIGH", "LOW", "NORMAL", "URGENT"),
    "report": ("Report",),
    "retry": (
        "Cancel",
        "Exponential",
        "PermanentError",
        "Reject",
        "Retry",
        "RetryLater",
        "Snooze",
    ),
    "settings": ("Settings",),
    "task": ("Task", "TaskState"),
    "worker": ("Worker", "WorkerOptions"),
}
_MODULES = {name: f"longshore.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name from its module, once."""
    module = _MODULES.get(name)
    if module is None:
        message = f"module 'longshore' has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
