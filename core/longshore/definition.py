"""Task definitions: what a name means, and the registry of them. No I/O, no broker."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args, get_type_hints

from longshore.arguments import Arguments, source_of
from longshore.context import is_context
from longshore.errors import TaskDefinitionError, UnknownTaskError
from longshore.message import NAME_PATTERN
from longshore.quick import quick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta

    from longshore.retry import Retry

Executor: TypeAlias = Literal["loop", "thread", "process"]
Hook: TypeAlias = "Callable[..., object]"

_RUN_METHODS = ("run", "handle", "__call__")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """What a definition says of its tasks; None leaves it to the queue's settings.

    `timeout` is per attempt, and so are `memory_limit` (bytes) and `cpu_limit`, which only an
    executor in a process of its own can keep. `lost_fails` ends a task whose worker died instead
    of running it again. `on_success(ctx, result)` and `on_failure(ctx, error)` run after the last
    attempt.
    """

    queue: str | None = None
    priority: int | None = None
    delay: timedelta | None = None
    retry: Retry | None = None
    timeout: timedelta | None = None
    expires: timedelta | None = None
    memory_limit: int | None = None
    cpu_limit: timedelta | None = None
    tags: tuple[str, ...] = ()
    category: str | None = None
    lost_fails: bool = False
    delete_on_complete: bool = False
    on_success: Hook | None = None
    on_failure: Hook | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskDefinition:
    """A name, the callable behind it, and how to run it.

    `function` takes the task's arguments, after a `Context` where `takes_context`. A class is
    made anew for each attempt: no state is shared between runs.
    """

    name: str
    function: Callable[..., object]
    arguments: Arguments
    executor: Executor
    takes_context: bool
    options: TaskOptions
    is_class: bool = False
    is_async: bool = False

    @property
    def returns(self) -> object:
        """The annotation of the result; None where there is none, or none that can be read."""
        target = _run_method(self.function) if self.is_class else self.function
        annotation: object = inspect.signature(target).return_annotation
        if annotation is inspect.Signature.empty:
            return None
        # Alone: what the parameters are called may be known to type checkers only.
        names: dict[str, Any] = getattr(source_of(target), "__globals__", {})
        try:
            return get_type_hints(_Annotated({"return": annotation}), names)["return"]
        except Exception:  # noqa: BLE001 - evaluating an annotation runs the author's code
            return None

    def bind(self, ctx: object, args: Sequence[object], kwargs: dict[str, object]) -> Call:
        """Bind the arguments, ready to be called once."""
        if self.is_class:
            return _bind_class(self, ctx, args, kwargs)
        if self.takes_context:
            return Call(partial(self.function, ctx, *args, **kwargs), self.options)
        return Call(partial(self.function, *args, **kwargs), self.options)


@quick
@dataclass(frozen=True, slots=True)
class Call:
    """A callable without arguments, with the hooks that belong to it."""

    run: Callable[[], object]
    options: TaskOptions
    instance: object = None

    @property
    def has_hooks(self) -> bool:
        """Whether anything is to be told of the end."""
        options = self.options
        return not (
            self.instance is None and options.on_success is None and options.on_failure is None
        )

    def succeeded(self, ctx: object, result: object) -> object:
        """Call the success hook: the class's own, else the options'."""
        own = cast("Hook | None", getattr(self.instance, "on_success", None))
        if own is not None:
            return own(result)
        return None if self.options.on_success is None else self.options.on_success(ctx, result)

    def failed(self, ctx: object, error: BaseException) -> object:
        """Call the failure hook: the class's own, else the options'."""
        own = cast("Hook | None", getattr(self.instance, "on_failure", None))
        if own is not None:
            return own(error)
        return None if self.options.on_failure is None else self.options.on_failure(ctx, error)


def define(
    function: Callable[..., object],
    *,
    name: str | None = None,
    executor: Executor | None = None,
    options: TaskOptions | None = None,
) -> TaskDefinition:
    """Read a function, method, callable object or class into a definition.

    The name defaults to the function's own, without its module, so that it is the same
    whichever way the module is run. Raises `TaskDefinitionError` where it cannot work.
    """
    is_class = inspect.isclass(function)
    target = _run_method(function) if is_class else function
    given = name or str(getattr(function, "__name__", type(function).__name__))
    if NAME_PATTERN.fullmatch(given) is None:
        message = f"{given!r} is not a task name; use letters, digits and _.:@/- (at most 200)"
        raise TaskDefinitionError(message)
    is_async = _is(inspect.iscoroutinefunction, target)
    if _is(inspect.isgeneratorfunction, target) or _is(inspect.isasyncgenfunction, target):
        message = f"task {given!r} is a generator, and nobody would iterate it; return a value"
        raise TaskDefinitionError(message)
    options = options or TaskOptions()
    if not is_async:
        _refuse_async_hooks(given, function, options)
    chosen = _executor(given, executor, is_async=is_async)
    _refuse_limits(given, chosen, options)
    return TaskDefinition(
        name=given,
        function=function,
        arguments=Arguments(given, function, skip_context=not is_class),
        executor=chosen,
        takes_context=_takes_context(given, function, is_class=is_class),
        options=options,
        is_class=is_class,
        is_async=is_async,
    )


@dataclass(frozen=True, slots=True)
class Binding:
    """Which events a task is for: patterns of their type and, unless it is None, their source."""

    kind: str
    source: str | None
    task: str

    def fits(self, kind: str, source: str) -> bool:
        """Whether an event is one of them; letter case counts."""
        if self.source is not None and not fnmatchcase(source, self.source):
            return False
        return fnmatchcase(kind, self.kind)


class TaskRegistry:
    """Definitions by name. Filled at import time; read by client and worker."""

    def __init__(self, imports: Sequence[str] = ()) -> None:
        """`imports` are the modules whose `module:function` names may be resolved."""
        self._by_name: dict[str, TaskDefinition] = {}
        self._imports = frozenset(imports)
        self._bindings: list[Binding] = []

    def add(self, definition: TaskDefinition) -> None:
        """Register; the same name for another function is refused."""
        known = self._by_name.get(definition.name)
        if known is not None and known.function != definition.function:
            function = known.function
            where = (
                f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', '?')}"
            )
            message = (
                f"a task named {definition.name!r} is already registered (it is {where}); "
                "give one of them another name: @app.task(name=…)"
            )
            raise TaskDefinitionError(message)
        self._by_name[definition.name] = definition

    def get(self, name: str) -> TaskDefinition:
        """Find by name; `UnknownTaskError` where nothing allowed answers to it."""
        found = self._by_name.get(name) or self._resolve(name)
        if found is None:
            raise UnknownTaskError(name, list(self._by_name))
        return found

    def __iter__(self) -> Iterator[TaskDefinition]:
        """List definitions in the order of their names."""
        return iter([self._by_name[name] for name in sorted(self._by_name)])

    def __contains__(self, name: str) -> bool:
        """Whether the name is registered."""
        return name in self._by_name

    def bind(self, kind: str, source: str | None, task: str) -> None:
        """Let a task handle the events of other producers whose type fits `kind`.

        `kind` and `source` may be patterns with * ? []; without a source it may be any.
        """
        self._bindings.append(Binding(kind, source, task))

    def bound_to(self, kind: str, source: str) -> list[str]:
        """List the tasks bound to a type of event, each once, in the order they were bound."""
        fitting = (one.task for one in self._bindings if one.fits(kind, source))
        return list(dict.fromkeys(fitting))

    def allow_imports(self, modules: Sequence[str]) -> None:
        """Let `module:function` names of these modules be resolved."""
        self._imports |= frozenset(modules)

    def _resolve(self, name: str) -> TaskDefinition | None:
        """Import `module:function`, `module:Class.method` or `module:Class@method`.

        Only from allowed modules: a name from the wire must not choose what is imported.
        """
        module, colon, path = name.partition(":")
        if not colon or module not in self._imports:
            return None
        try:
            function = walk(import_module(module), path)
        except (ImportError, AttributeError) as error:
            message = f"{name!r} cannot be resolved: {error}"
            raise TaskDefinitionError(message) from error
        definition = define(function, name=name)
        self._by_name[name] = definition
        return definition


def walk(found: object, path: str) -> Callable[..., object]:
    """Follow `a.b`, and `Class@method` through a new instance; `AttributeError` where it ends."""
    owner, at, method = path.partition("@")
    for part in owner.split("."):
        found = cast("object", getattr(found, part))
    if at:
        found = _instantiating(cast("type[Any]", found), method)
    if not callable(found):
        message = f"{path!r} is not callable"
        raise AttributeError(message)  # noqa: TRY004 - a path that leads nowhere, as its parts
    return found


def _instantiating(cls: type[Any], method: str) -> Callable[..., object]:
    """Make a function that calls a method on a new instance each time."""
    signature = inspect.signature(getattr(cls, method))
    parameters = list(signature.parameters.values())[_own_parameters(cls, method) :]

    def call(*args: object, **kwargs: object) -> object:
        return getattr(cls(), method)(*args, **kwargs)

    async def acall(*args: object, **kwargs: object) -> object:
        return await getattr(cls(), method)(*args, **kwargs)

    made = acall if inspect.iscoroutinefunction(getattr(cls, method)) else call
    made.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # what inspect reads
    made.__module__ = cls.__module__
    made.__name__ = f"{cls.__name__}@{method}"
    made.__qualname__ = f"{cls.__qualname__}@{method}"
    return made


def _bind_class(
    definition: TaskDefinition, ctx: object, args: Sequence[object], kwargs: dict[str, object]
) -> Call:
    instance = definition.function(*args, **kwargs)
    method = cast("Callable[..., object]", getattr(instance, _run_name(definition.function)))
    run = partial(method, ctx) if definition.takes_context else method
    return Call(run, definition.options, instance)


def _run_name(cls: object) -> str:
    for name in _RUN_METHODS:
        if callable(getattr(cls, name, None)) and hasattr(cast("type[Any]", cls), name):
            if name == "__call__" and "__call__" not in _defined(cls):
                continue
            return name
    message = f"{cls!r} has none of the methods {', '.join(_RUN_METHODS)}; add run()"
    raise TaskDefinitionError(message)


def _defined(cls: object) -> set[str]:
    return {name for base in cast("type[Any]", cls).__mro__ for name in vars(base)}


def _run_method(cls: object) -> Callable[..., object]:
    return cast("Callable[..., object]", getattr(cls, _run_name(cls)))


def _executor(task: str, wanted: str | None, *, is_async: bool) -> Executor:
    """Choose where it runs; refuse a choice that would block the loop, or that nobody knows."""
    if wanted not in {None, *get_args(Executor)}:
        message = f"task {task!r} has executor={wanted!r}; give 'thread', 'process', or none"
        raise TaskDefinitionError(message)
    if is_async and wanted == "thread":
        message = f"task {task!r} is async and runs on the loop; drop executor='thread'"
        raise TaskDefinitionError(message)
    if not is_async and wanted == "loop":
        message = f"task {task!r} is not async and would block the loop; drop executor='loop'"
        raise TaskDefinitionError(message)
    return cast("Executor", wanted or ("loop" if is_async else "thread"))


def _refuse_limits(task: str, executor: Executor, options: TaskOptions) -> None:
    """Refuse limits that hold for a whole process where other tasks run in it too."""
    said = {"memory_limit": options.memory_limit, "cpu_limit": options.cpu_limit}
    given = [name for name, limit in said.items() if limit is not None]
    if given and executor != "process":
        message = (
            f"task {task!r} has a {given[0]}, which only a process of its own can keep; "
            "add executor='process'"
        )
        raise TaskDefinitionError(message)


def _refuse_async_hooks(task: str, function: object, options: TaskOptions) -> None:
    own = (getattr(function, name, None) for name in ("on_success", "on_failure"))
    hooks = (options.on_success, options.on_failure, *(own if inspect.isclass(function) else ()))
    if any(hook is not None and _is(inspect.iscoroutinefunction, hook) for hook in hooks):
        message = f"task {task!r} is not async and cannot await its hook; make the hook a def"
        raise TaskDefinitionError(message)


def _is(kind: Callable[[Any], bool], target: object) -> bool:
    """Whether a callable, or the `__call__` of an object, is a function of a kind."""
    return kind(target) or kind(getattr(type(target), "__call__", None))  # noqa: B004 - looked at, not tested


def _takes_context(task: str, function: object, *, is_class: bool) -> bool:
    """Whether the first parameter asks for the context; refuse one that asks too late."""
    name = _run_name(function) if is_class else ""
    target = cast("Callable[..., object]", getattr(function, name) if is_class else function)
    parameters = list(inspect.signature(target).parameters.values())
    if is_class:
        parameters = parameters[_own_parameters(cast("type[Any]", function), name) :]
    annotated = [one for one in parameters[1:] if one.annotation is not inspect.Parameter.empty]
    if any(map(is_context, annotated)):
        message = f"task {task!r} takes its Context too late; make it the first parameter"
        raise TaskDefinitionError(message)
    return bool(parameters) and is_context(parameters[0])


def _own_parameters(cls: type[Any], method: str) -> int:
    """How many parameters the instance takes up: `self`, unless the method has none."""
    return int(not isinstance(inspect.getattr_static(cls, method), (staticmethod, classmethod)))


class _Annotated:
    """Something with annotations, for `get_type_hints`."""

    def __init__(self, annotations: dict[str, object]) -> None:
        self.__annotations__ = annotations
