"""Every error Longshore raises, under one base.

An error is a fact with fields: the constructor takes the facts and makes the sentence, and
the sentence names the next step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class LongshoreError(Exception):
    """Anything Longshore raises on purpose."""


class ConfigurationError(LongshoreError):
    """A setting, an option or a definition cannot be used as given."""


class UnsupportedError(ConfigurationError):
    """An option was asked for that the adapter does not have."""

    def __init__(self, adapter: str, option: str, instead: str) -> None:
        """Name the adapter, what it lacks, and what to do about it."""
        super().__init__(f"{adapter} does not support {option}; {instead}")
        self.adapter = adapter
        self.option = option


class AdapterNotFoundError(ConfigurationError):
    """No installed adapter serves the URL's scheme."""

    def __init__(self, scheme: str, known: Sequence[str]) -> None:
        """Say how to install it, because entry points are read at install."""
        super().__init__(
            f"no adapter for {scheme!r}; known here: {', '.join(known) or 'none'}. "
            f"Run: pip install 'longshore[{scheme}]' (in a checkout: pip install -e . again)"
        )
        self.scheme = scheme


class TaskDefinitionError(ConfigurationError):
    """A task is declared in a way that cannot work: a name twice, a bad name, bad options."""


class UnknownTaskError(LongshoreError):
    """A name was enqueued or received that no task is registered under."""

    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        """List what is registered: the usual cause is a module that was not imported."""
        listed = ", ".join(sorted(known)[:10]) or "none"
        super().__init__(
            f"no task is registered as {name!r}; registered: {listed}. "
            "Import the module that defines it, or name the app with --app module:object"
        )
        self.name = name


class ArgumentsError(LongshoreError):
    """Arguments do not fit the task's signature, or cannot be written as JSON."""

    def __init__(self, task: str, problems: str) -> None:
        """`problems` is one line for each argument that failed."""
        super().__init__(f"arguments of {task!r} do not fit its signature: {problems}")
        self.task = task
        self.problems = problems


class ScheduleError(LongshoreError):
    """A text, number or date does not say when; the message lists the accepted forms."""


class MessageError(LongshoreError):
    """A body cannot be read as a task message.

    `reason` is the code the dead letter carries: `decode` or `unknown_task`.
    """

    def __init__(self, problem: str, *, reason: str = "decode") -> None:
        """`problem` completes the sentence `the message cannot be read: …`."""
        super().__init__(f"the message cannot be read: {problem}")
        self.problem = problem
        self.reason = reason


class TooLargeError(LongshoreError):
    """A body, a result or a record is above a stated limit."""

    def __init__(self, what: str, size: int, limit: int, source: str) -> None:
        """Sizes are bytes; `source` says whose limit it is."""
        super().__init__(
            f"{what} is {size:,} bytes and the limit is {limit:,} ({source}); "
            "store the data elsewhere and pass a reference"
        )
        self.size = size
        self.limit = limit


class LeaseLostError(LongshoreError):
    """A lease ended before its holder was done, and another may hold it now."""

    def __init__(self, what: str) -> None:
        """`what` names the task or the delivery."""
        super().__init__(
            f"the lease on {what} was lost; leave the message alone, its next owner settles it"
        )
        self.what = what


class EnqueueError(LongshoreError):
    """Some messages of a batch were not sent; the others were, and will run.

    `failed` maps the place in the batch to its error; `sent` are the ids of the others.
    """

    def __init__(self, failed: Mapping[int, LongshoreError], sent: Sequence[str]) -> None:
        """Say how many, and the first reason."""
        place, first = next(iter(failed.items()))
        super().__init__(
            f"{len(failed)} of {len(failed) + len(sent)} tasks were not sent; number {place}: "
            f"{first}; send those again, the others are queued"
        )
        self.failed = failed
        self.sent = sent


class TransitionError(LongshoreError):
    """An operator asked for a change that the task's state does not allow."""

    def __init__(self, task_id: str, verb: str, state: str, allowed: Sequence[str]) -> None:
        """Say the state it is in and the states the verb starts from."""
        super().__init__(
            f"cannot {verb} task {task_id}: it is {state}; {verb} needs {' or '.join(allowed)}"
        )
        self.task_id = task_id
        self.verb = verb
        self.state = state


class TaskNotFoundError(LongshoreError):
    """No task has this id in the log."""

    def __init__(self, task_id: str) -> None:
        """Point at the listing."""
        super().__init__(f"no task {task_id} in the log; see: longshore list")
        self.task_id = task_id


class TaskFailedError(LongshoreError):
    """The task whose result was asked for ended without one."""

    def __init__(self, task_id: str, state: str, problem: str) -> None:
        """`problem` is the recorded error, or the reason."""
        super().__init__(f"task {task_id} is {state}: {problem}; see: longshore show {task_id}")
        self.task_id = task_id
        self.state = state


class WaitTimeoutError(LongshoreError):
    """The task did not end within the time the caller gave."""

    def __init__(self, task_id: str, state: str, until: datetime) -> None:
        """Name the state it was last seen in."""
        super().__init__(
            f"task {task_id} is still {state} at {until.isoformat()}; wait longer, or see "
            "whether a worker serves its queue: longshore stats"
        )
        self.task_id = task_id
        self.state = state


class StorageError(LongshoreError):
    """A store cannot be used as it is: wrong path, corrupt, full, or of a newer version."""


class UnavailableError(LongshoreError):
    """A broker or store did not answer; the call may or may not have been carried out."""


class ClosedError(LongshoreError):
    """A port was used after it was closed."""

    def __init__(self, what: str) -> None:
        """`what` names the port."""
        super().__init__(f"{what} is closed; open it again with its URL")
