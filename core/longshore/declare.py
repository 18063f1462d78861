"""Declaring tasks: what `@app.task` makes of a function or class, with its types kept."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, cast

from longshore.definition import Executor, Hook, TaskOptions, define
from longshore.draft import Draft, EnqueueOptions
from longshore.errors import TaskDefinitionError
from longshore.handle import Handle
from longshore.plan import queue_name, tag_list
from longshore.priority import parse_priority
from longshore.retry import Retry
from longshore.size import parse_size
from longshore.when import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from longshore.context import Context
    from longshore.definition import TaskDefinition
    from longshore.session import Session
    from longshore.size import Size
    from longshore.when import Duration, When

_SAID = (
    *("queue", "priority", "delay", "timeout", "expires", "tags", "category"),
    *("delete_on_complete", "title"),
)
"""The options a class may set as attributes, beside `attempts` and `retry_after`."""

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")
R_co = TypeVar("R_co", covariant=True)


class Runnable(Protocol[R_co]):
    """A class task: made from the task's arguments, run once."""

    def run(self) -> R_co:
        """Do the work."""
        ...


class RunnableInContext(Protocol[R_co]):
    """A class task whose `run` takes the context."""

    def run(self, ctx: Context, /) -> R_co:
        """Do the work."""
        ...


class TaskFunction(Generic[P, R, C]):
    """A task: still callable, and enqueued with the same arguments.

    `R` is what the task's result is, `C` what a direct call answers (for an async function the
    coroutine). Immutable: `using` answers another one.
    """

    def __init__(
        self,
        definition: TaskDefinition,
        session: Callable[[], Session],
        options: EnqueueOptions | None = None,
    ) -> None:
        """Bind a definition to an application's session, which is opened at first use."""
        self.definition = definition
        self._session = session
        self._options = options or EnqueueOptions()
        self.__name__ = definition.name
        self.__doc__ = definition.function.__doc__
        self.__wrapped__ = definition.function

    @property
    def name(self) -> str:
        """The name the task is registered under."""
        return self.definition.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C:
        """Call the function itself, here and now; nothing is queued. A class answers an instance.

        A function that takes a context gets one that leads nowhere.
        """
        definition = self.definition
        if definition.is_class or not definition.takes_context:
            return cast("C", definition.function(*args, **kwargs))
        return cast("C", definition.bind(_detached(definition.name), args, kwargs).run())

    def using(  # noqa: PLR0913 - one keyword for each option
        self,
        *,
        queue: str | None = None,
        delay: When | None = None,
        schedule: When | None = None,
        priority: int | str | None = None,
        key: str | None = None,
        attempts: int | None = None,
        timeout: Duration | None = None,
        expires: When | None = None,
        tags: Sequence[str] = (),
        category: str | None = None,
        tenant: str | None = None,
        owner: str | None = None,
        label: str | None = None,
        parent: str | None = None,
        delete_on_complete: bool | None = None,
    ) -> TaskFunction[P, R, C]:
        """Answer this task with options for its next enqueues (see `EnqueueOptions`).

        What was said before by another `using` stays, unless it is said anew.
        """
        said = {
            "queue": queue,
            "delay": delay,
            "schedule": schedule,
            "priority": priority,
            "key": key,
            "attempts": attempts,
            "timeout": timeout,
            "expires": expires,
            "tags": tag_list(tags) or None,
            "category": category,
            "tenant": tenant,
            "owner": owner,
            "label": label,
            "parent": parent,
            "delete_on_complete": delete_on_complete,
        }
        given: dict[str, Any] = {name: one for name, one in said.items() if one is not None}
        if "delay" in given or "schedule" in given:  # two words for one thing: the last counts
            given = {"delay": delay, "schedule": schedule} | given
        return TaskFunction(self.definition, self._session, replace(self._options, **given))

    def message(self, *args: P.args, **kwargs: P.kwargs) -> Draft:
        """Check the arguments and answer a draft, for `enqueue_many`. `ArgumentsError`."""
        return Draft(self.definition, self.definition.arguments.pack(args, kwargs), self._options)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Enqueue a task and answer its handle; it is durable when this returns.

        Raises `ArgumentsError` before anything is sent, `UnavailableError` where the broker
        does not answer (repeat it with a `key` to be sure of one task). Not for use on an
        event loop: it blocks; there `aenqueue`.
        """
        (enqueued,) = self._session().enqueue([self.message(*args, **kwargs)])
        return Handle(enqueued, self._session, self.definition)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Do as `enqueue`, without blocking the loop."""
        draft = self.message(*args, **kwargs)
        (enqueued,) = await self._session().aenqueue([draft])
        return Handle(enqueued, self._session, self.definition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What `@app.task(…)` was given; called with the function, it makes the task."""

    session: Callable[[], Session]
    register: Callable[[TaskDefinition], None]
    name: str | None
    executor: Executor | None
    options: TaskOptions

    def declare(self, function: Callable[..., Any]) -> TaskFunction[..., Any, Any]:
        """Define, register and wrap a function or class."""
        options = _of_class(function, self.options) if inspect.isclass(function) else self.options
        definition = define(function, name=self.name, executor=self.executor, options=options)
        self.register(definition)
        return TaskFunction(definition, self.session)


def options_of(  # noqa: PLR0913 - one keyword for each option
    *,
    queue: str | None = None,
    priority: int | str | None = None,
    delay: Duration | None = None,
    retry: Retry | int | None = None,
    timeout: Duration | None = None,
    expires: Duration | None = None,
    memory_limit: Size | None = None,
    cpu_limit: Duration | None = None,
    tags: Sequence[str] = (),
    category: str | None = None,
    on_lost: str = "rescue",
    delete_on_complete: bool = False,
    on_success: Hook | None = None,
    on_failure: Hook | None = None,
    title: str | None = None,
) -> TaskOptions:
    """Read the options of a definition; a number for `retry` is the attempts allowed."""
    if on_lost not in {"rescue", "fail"}:
        message = f"on_lost={on_lost!r}; give 'rescue' (run again) or 'fail'"
        raise TaskDefinitionError(message)
    return TaskOptions(
        queue=None if queue is None else queue_name(queue),
        priority=None if priority is None else parse_priority(priority),
        delay=_span(delay),
        retry=retry if retry is None or isinstance(retry, Retry) else Retry(attempts=retry),
        timeout=_limit("timeout", timeout),
        expires=_limit("expires", expires),
        memory_limit=None if memory_limit is None else parse_size(memory_limit),
        cpu_limit=_limit("cpu_limit", cpu_limit),
        tags=tag_list(tags),
        category=category,
        lost_fails=on_lost == "fail",
        delete_on_complete=delete_on_complete,
        on_success=on_success,
        on_failure=on_failure,
        title=title,
    )


def _of_class(cls: type[Any], options: TaskOptions) -> TaskOptions:
    """Fill in what the class says of itself and the decorator did not."""
    said: dict[str, Any] = {name: getattr(cls, name) for name in _SAID if _is_plain(cls, name)}
    if _is_plain(cls, "attempts") or _is_plain(cls, "retry_after"):
        said["retry"] = _retry_of(cls)
    own = options_of(**said)
    changed = {
        name: getattr(own, name)
        for name in (*_SAID, "retry")
        if getattr(options, name) is None or getattr(options, name) is False
    }
    return replace(options, **{**changed, "tags": tag_list((*own.tags, *options.tags))})


def _retry_of(cls: type[Any]) -> Retry:
    attempts = getattr(cls, "attempts", Retry().attempts)
    if not _is_plain(cls, "retry_after"):
        return Retry(attempts=attempts)
    return Retry(attempts=attempts, backoff=cls.retry_after)


def _is_plain(cls: type[Any], name: str) -> bool:
    """Whether the class sets an option of that name: no method, property or parameter is one."""
    value: object = inspect.getattr_static(cls, name, None)
    is_option = value is not None and not callable(value) and not hasattr(value, "__get__")
    return is_option and name not in inspect.signature(cls).parameters


def _span(value: Duration | None) -> timedelta | None:
    return None if value is None else parse_duration(value)


def _limit(name: str, value: Duration | None) -> timedelta | None:
    limit = _span(value)
    if limit is not None and not limit:
        message = f"{name}={value!r} leaves no time at all; give a longer one, or none"
        raise TaskDefinitionError(message)
    return limit


def _detached(name: str) -> Context:
    from longshore.clock import SystemClock  # noqa: PLC0415 - only for direct calls
    from longshore.context import Context  # noqa: PLC0415 - only for direct calls
    from longshore.identity import TaskIds  # noqa: PLC0415 - only for direct calls

    return Context(
        task_id=TaskIds()(), task_name=name, queue="", attempt=1, fence=0, clock=SystemClock()
    )
