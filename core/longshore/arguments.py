"""A task's arguments: checked by its signature before they are sent, and again on receipt."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from longshore.context import is_context
from longshore.errors import ArgumentsError, TaskDefinitionError
from longshore.message import JsonValue, Message, pack_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import TypeAdapter
    from pydantic_core import ArgsKwargs

_UNREADABLE = (NameError, AttributeError, TypeError, SyntaxError)
_NAMED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Checker(NamedTuple):
    """What a check needs of pydantic, imported once and not at each call."""

    validate: Callable[[object], object]
    pair: type[ArgsKwargs]
    refused: type[Exception]


class Arguments:
    """The validator of one callable's parameters, built at first use.

    Annotations are enforced by pydantic in its lax mode, so that what JSON made of a date, a
    UUID or a model is read back as such.
    """

    def __init__(self, task: str, function: Callable[..., object], *, skip_context: bool) -> None:
        """Read the signature; a first `Context` parameter is not an argument."""
        self._task = task
        self._function = function
        self._signature = _signature(task, function, skip_context=skip_context)
        parameters = self._signature.parameters.values()
        self._names = [one.name for one in parameters if one.kind in _NAMED]
        self._by_name = all(
            one.kind not in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
            for one in parameters
        )
        self._checker: Checker | None = None

    @property
    def signature(self) -> inspect.Signature:
        """The parameters a caller gives."""
        return self._signature

    def pack(self, args: Sequence[object], kwargs: Mapping[str, object]) -> JsonValue:
        """Validate, and write as `data`: by name where the signature allows it.

        Defaults are not written: the consumer's own apply. Raises `ArgumentsError`.
        """
        checked_args, checked_kwargs = self.check(args, kwargs)
        if not self._by_name:
            return pack_arguments(checked_args[: len(args)], _only(checked_kwargs, kwargs))
        named = dict(zip(self._names, checked_args[: len(args)], strict=False))
        if kwargs:
            named |= _only(checked_kwargs, kwargs)
        return pack_arguments((), named)

    def unpack(self, message: Message) -> tuple[tuple[object, ...], dict[str, object]]:
        """Read a message's arguments and validate them; `ArgumentsError` where they do not fit."""
        args, kwargs = message.arguments()
        return self._checked(tuple(args), kwargs)

    def check(
        self, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        """Validate arguments; answer them converted, with defaults filled in."""
        return self._checked(tuple(args), dict(kwargs))

    def _checked(
        self, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        checker = self._checker or self.build()
        try:
            checked = checker.validate(checker.pair(args, kwargs))
        except checker.refused as error:
            raise ArgumentsError(self._task, _problems(error, self._names)) from error
        return cast("tuple[tuple[object, ...], dict[str, object]]", checked)

    def build(self) -> Checker:
        """Build the validator now; `TaskDefinitionError` where an annotation has no meaning."""
        from pydantic import PydanticUserError, TypeAdapter, ValidationError  # noqa: PLC0415 - import cost
        from pydantic.errors import PydanticUndefinedAnnotation  # noqa: PLC0415 - import cost
        from pydantic_core import ArgsKwargs  # noqa: PLC0415 - kept off the import path

        try:
            adapter: TypeAdapter[Any] = TypeAdapter(cast("Any", self._stand_in()))
        except (PydanticUndefinedAnnotation, PydanticUserError, *_UNREADABLE) as error:
            message = (
                f"the annotations of task {self._task!r} cannot be used: {error}; "
                "define the types at module level, not under TYPE_CHECKING"
            )
            raise TaskDefinitionError(message) from error
        self._checker = Checker(adapter.validate_python, ArgsKwargs, ValidationError)
        return self._checker

    def _stand_in(self) -> Callable[..., object]:
        """Make a function with the task's signature that answers its validated arguments."""

        def stand_in(*args: object, **kwargs: object) -> object:
            return args, kwargs

        source = self._function.__init__ if inspect.isclass(self._function) else self._function
        # From the signature, because not everything that has one has annotations of its own.
        stand_in.__annotations__ = {
            one.name: one.annotation
            for one in self._signature.parameters.values()
            if one.annotation is not inspect.Parameter.empty
        }
        stand_in.__module__ = getattr(source_of(source), "__module__", None) or __name__
        stand_in.__name__ = stand_in.__qualname__ = self._task
        stand_in.__signature__ = self._signature  # type: ignore[attr-defined]  # pydantic reads it
        return stand_in


def source_of(target: object) -> object:
    """Find the function whose module knows the names in a callable's annotations."""
    while isinstance(target, partial):
        target = cast("partial[object]", target).func
    target = inspect.unwrap(cast("Callable[..., object]", target))
    called = inspect.isroutine(target) or inspect.isclass(target)
    return target if called else type(target).__call__


def _signature(
    task: str, function: Callable[..., object], *, skip_context: bool
) -> inspect.Signature:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        message = f"task {task!r} has no readable signature: {error}"
        raise TaskDefinitionError(message) from error
    parameters = list(signature.parameters.values())
    if skip_context and parameters and is_context(parameters[0]):
        parameters = parameters[1:]
    return inspect.Signature(parameters)


def _only(checked: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in checked.items() if name in given}


def _problems(error: Any, names: Sequence[str]) -> str:  # noqa: ANN401 - pydantic's error, imported late
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{_place(one['loc'], names)}: {one['msg']}" for one in problems[:10])


def _place(path: Sequence[int | str], names: Sequence[str]) -> str:
    """Name where it is; a positional argument by its parameter."""
    if not path:
        return "arguments"
    first, *rest = path
    if isinstance(first, int) and first < len(names):
        first = names[first]
    return ".".join(str(part) for part in (first, *rest))
