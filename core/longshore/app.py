"""The application: tasks declared on it, settings it reads, the session it opens when needed."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload
from urllib.parse import urlsplit

from longshore.clock import Clock, SystemClock
from longshore.declare import (
    Declaration,
    Runnable,
    RunnableInContext,
    TaskFunction,
    options_of,
)
from longshore.definition import TaskRegistry
from longshore.draft import NO_OPTIONS, Draft, EnqueueOptions
from longshore.handle import Handle
from longshore.identity import TaskId, TaskIds

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from types import TracebackType
    from typing import Protocol, Self

    from longshore.client import Enqueued
    from longshore.context import Context
    from longshore.definition import Executor, Hook
    from longshore.retry import Retry
    from longshore.session import Session
    from longshore.settings import Settings
    from longshore.size import Size
    from longshore.when import Duration

    P = ParamSpec("P")
    R = TypeVar("R")

    class TaskDecorator(Protocol):
        """What `app.task(…)` answers: it makes a task of a function or class."""

        @overload
        def __call__(
            self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
        ) -> TaskFunction[P, R, Coroutine[Any, Any, R]]: ...
        @overload
        def __call__(
            self, function: Callable[Concatenate[Context, P], R], /
        ) -> TaskFunction[P, R, R]: ...
        @overload
        def __call__(
            self, function: Callable[P, Coroutine[Any, Any, R]], /
        ) -> TaskFunction[P, R, Coroutine[Any, Any, R]]: ...
        @overload
        def __call__(
            self, function: Callable[P, Runnable[Coroutine[Any, Any, R]]], /
        ) -> TaskFunction[P, R, Runnable[Coroutine[Any, Any, R]]]: ...
        @overload
        def __call__(
            self, function: Callable[P, RunnableInContext[Coroutine[Any, Any, R]]], /
        ) -> TaskFunction[P, R, RunnableInContext[Coroutine[Any, Any, R]]]: ...
        @overload
        def __call__(
            self, function: Callable[P, Runnable[R]], /
        ) -> TaskFunction[P, R, Runnable[R]]: ...
        @overload
        def __call__(
            self, function: Callable[P, RunnableInContext[R]], /
        ) -> TaskFunction[P, R, RunnableInContext[R]]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> TaskFunction[P, R, R]: ...


CHUNK = 1000
"""Tasks per round trip of `enqueue_many`."""


class Longshore:
    """An application. Making one reads nothing and connects to nothing.

    `given` are settings by name (see docs/settings.md); they win over every other source. A
    context manager: leaving it closes the connections.
    """

    def __init__(self, *, clock: Clock | None = None, **given: object) -> None:
        """Keep what was given; settings are read at first use."""
        self.registry = TaskRegistry()
        self.staged: list[Draft] = []
        self._given = given
        self._clock = clock or SystemClock()
        self._ids = TaskIds()
        self._settings: Settings | None = None
        self._session: Session | None = None
        self._lock = RLock()

    @property
    def settings(self) -> Settings:
        """The effective settings; `ConfigurationError` where one cannot be used."""
        if self._settings is None:
            with self._lock:
                self._settings = self._settings or self._load()
        return self._settings

    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> TaskFunction[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def task(self, function: Callable[Concatenate[Context, P], R], /) -> TaskFunction[P, R, R]: ...
    @overload
    def task(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> TaskFunction[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def task(
        self, function: Callable[P, Runnable[Coroutine[Any, Any, R]]], /
    ) -> TaskFunction[P, R, Runnable[Coroutine[Any, Any, R]]]: ...
    @overload
    def task(
        self, function: Callable[P, RunnableInContext[Coroutine[Any, Any, R]]], /
    ) -> TaskFunction[P, R, RunnableInContext[Coroutine[Any, Any, R]]]: ...
    @overload
    def task(self, function: Callable[P, Runnable[R]], /) -> TaskFunction[P, R, Runnable[R]]: ...
    @overload
    def task(
        self, function: Callable[P, RunnableInContext[R]], /
    ) -> TaskFunction[P, R, RunnableInContext[R]]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> TaskFunction[P, R, R]: ...
    @overload
    def task(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        executor: Executor | None = None,
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
    ) -> TaskDecorator: ...
    def task(self, function: Any = None, /, **options: Any) -> Any:
        """Declare a task: a function, method, callable object or class.

        A function may be async (run on the loop) or not (run on a thread; in a child process
        with `executor="process"`, where `memory_limit` and `cpu_limit` hold for each attempt).
        A first parameter annotated `Context`, or named `ctx`, gets the context. `on_lost="fail"`
        is for work that must not run twice: a task whose worker was lost fails at once.
        `TaskDefinitionError` for a name that is taken or an option that cannot work.
        """
        declaration = Declaration(
            session=lambda: self.session,
            register=self.registry.add,
            name=options.pop("name", None),
            executor=options.pop("executor", None),
            options=options_of(**options),
        )
        return declaration.declare if function is None else declaration.declare(function)

    def on(self, event: str, /, *, source: str | None = None) -> TaskDecorator:
        """Bind a task to events of other producers: those of this type, and of this source.

        Both may be patterns with `*`, `?` and `[]`. What is bound is a task, or a function or class
        that becomes one with no options; for options, put `@app.task(…)` below. Several may be
        bound to one type: each is then a task of its own. The event's data are the arguments.
        """

        def bind(function: Any) -> Any:  # noqa: ANN401 - typed by TaskDecorator, for a task as for its function
            declare: Any = self.task
            task: Any = function
            if not isinstance(function, TaskFunction):
                task = declare(function)
            self.registry.bind(event, source, task.name)
            return task

        return bind

    def stage(self, *messages: Draft) -> None:
        """Keep tasks that `longshore enqueue` sends when it is given no name.

        They are sent together, up to 1,000, each time anew; a delay counts from the sending.
        """
        self.staged.extend(messages)

    def enqueue_many(self, messages: Iterable[Draft]) -> list[Handle[Any]]:
        """Enqueue drafts (`task.message(…)`), one round trip per 1,000, and answer handles.

        Each round trip is all or nothing where queue and log are one store; elsewhere
        `EnqueueError` says which of it were not sent.
        """
        handles: list[Handle[Any]] = []
        for chunk in _chunks(messages):
            handles += self._handles(chunk, self.session.enqueue(chunk))
        return handles

    async def aenqueue_many(self, messages: Iterable[Draft]) -> list[Handle[Any]]:
        """Do as `enqueue_many`, without blocking the loop."""
        handles: list[Handle[Any]] = []
        for chunk in _chunks(messages):
            enqueued = await self.session.aenqueue(chunk)
            handles += self._handles(chunk, enqueued)
        return handles

    def enqueue(
        self, name: str, /, *args: object, options: EnqueueOptions | None = None, **kwargs: object
    ) -> Handle[Any]:
        """Enqueue a task by its registered name, or by `module:function` of allowed imports.

        `UnknownTaskError` for any other name. `options` is ours: a task with a parameter of that
        name is enqueued by itself.
        """
        (handle,) = self.enqueue_many([self._draft(name, args, kwargs, options)])
        return handle

    async def aenqueue(
        self, name: str, /, *args: object, options: EnqueueOptions | None = None, **kwargs: object
    ) -> Handle[Any]:
        """Do as `enqueue`, without blocking the loop."""
        (handle,) = await self.aenqueue_many([self._draft(name, args, kwargs, options)])
        return handle

    def handle(self, task_id: str) -> Handle[Any]:
        """A handle on a task that was enqueued elsewhere; `TaskNotFoundError` without a row."""
        from longshore.client import Enqueued  # noqa: PLC0415 - kept off the import path

        task = self.session.call(lambda live: live.client.get(TaskId(task_id)))
        enqueued = Enqueued(
            id=task.id, name=task.spec.name, queue=task.spec.queue, state=task.state
        )
        known = task.spec.name in self.registry
        definition = self.registry.get(task.spec.name) if known else None
        return Handle(enqueued, lambda: self.session, definition)

    @property
    def session(self) -> Session:
        """The live connection, opened by its first use."""
        session = self._session
        if session is None:
            from longshore.session import Session  # noqa: PLC0415 - kept off the import path

            with self._lock:
                session = self._session
                if session is None:
                    session = Session(self.settings, self._clock, self._ids, self.registry)
                    self._session = session
        return session

    def use(self, session: Session | None) -> Session | None:
        """Put another session in place, and answer the one before; for tests."""
        before, self._session = self._session, session
        return before

    def close(self) -> None:
        """Close the connections. Idempotent; the next use opens new ones."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        """Leaving the context closes the connections."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def _load(self) -> Settings:
        from longshore.settings import Settings  # noqa: PLC0415 - kept off the import path

        settings = _private_memory(Settings.load(**self._given), self._ids)
        self.registry.allow_imports(settings.imports)
        return settings

    def _draft(
        self,
        name: str,
        args: tuple[object, ...],
        kwargs: dict[str, object],
        options: EnqueueOptions | None,
    ) -> Draft:
        _ = self.settings  # they say what may be imported by its name
        definition = self.registry.get(name)
        return Draft(definition, definition.arguments.pack(args, kwargs), options or NO_OPTIONS)

    def _current(self) -> Session:
        return self.session

    def _handles(self, drafts: Sequence[Draft], enqueued: Sequence[Enqueued]) -> list[Handle[Any]]:
        session = self._current
        return [
            Handle(one, session, draft.definition)
            for draft, one in zip(drafts, enqueued, strict=True)
        ]


def _chunks(messages: Iterable[Draft]) -> Iterable[list[Draft]]:
    chunk: list[Draft] = []
    for message in messages:
        chunk.append(message)
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _private_memory(settings: Settings, ids: TaskIds) -> Settings:
    """Name unnamed memory servers, so that all of one application shares one."""
    name = f"app-{ids()}"
    named: dict[str, str] = {}
    for setting in ("url", "queue_url", "log_url", "store_url"):
        url: str | None = getattr(settings, setting)
        parts = urlsplit(url or "")
        if parts.scheme == "memory" and not parts.netloc:
            query = f"?{parts.query}" if parts.query else ""
            named[setting] = f"memory://{name}{parts.path}{query}"
    return settings.model_copy(update=named)
