"""Frozen values that are made, and made anew with changes, as fast as others.

A frozen dataclass refuses assignment, so its own `__init__` sets each field by a call. That was a
fifth of what a task costs on its way through a worker. `dataclasses.replace` reads the description
of every field first: 20 µs for a row of the log, which a worker without one did nine times a task.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

if TYPE_CHECKING:
    from dataclasses import Field
    from types import FunctionType

__all__ = ["quick", "replace"]

T = TypeVar("T")

if TYPE_CHECKING:
    # So that the checkers know which fields there are, as they do of nothing else.
    from dataclasses import replace
else:

    def replace(value: T, /, **changes: object) -> T:
        """Answer a `quick` value that differs in the given fields."""
        return cast("Any", value).__replace__(**changes)


_METHODS: Final = """
def __init__({parameters}):
    thaw(self, "__class__", thawed)
    {assignments}
    self.__class__ = kind


def __replace__(self, /, **changes):
    new = make(thawed)
    {copies}
    for name in changes:
        if name not in names:
            raise TypeError(f"{{kind.__name__}} has no field {{name!r}}")
        put(new, name, changes[name])
    new.__class__ = kind
    return new
"""


def quick(kind: type[T]) -> type[T]:
    """Give a frozen dataclass with slots an `__init__` that assigns its fields, and `__replace__`.

    Meanwhile the value, which nobody else has seen yet, is of a class with the same slots that
    allows it. All else stays: signature, defaults, and that it cannot be changed once it is made.
    A class that inherits from it cannot be instantiated: it has other slots.
    """
    slow = cast("FunctionType", kind.__init__)
    slots = {"__slots__": cast("tuple[str, ...]", vars(kind)["__slots__"])}
    scope: dict[str, Any] = {
        "kind": kind,
        "thaw": object.__setattr__,
        "thawed": type(kind.__name__, kind.__bases__, slots),
        "make": object.__new__,
        "put": setattr,
        "names": frozenset(one.name for one in fields(cast("Any", kind))),
    }
    defaults = slow.__kwdefaults__ or {}
    assignments = [_assignment(one, defaults, scope) for one in fields(cast("Any", kind))]
    copies = [f"new.{one.name} = self.{one.name}" for one in fields(cast("Any", kind))]
    source = _METHODS.format(
        parameters=_parameters(slow),
        assignments="\n    ".join(assignments),
        copies="\n    ".join(copies),
    )
    exec(source, scope)  # noqa: S102 - names of fields alone, as dataclasses does it
    init = cast("FunctionType", scope["__init__"])
    for name in ("__defaults__", "__kwdefaults__", "__annotations__", "__module__", "__qualname__"):
        setattr(init, name, getattr(slow, name))
    kind.__init__ = init  # type: ignore[method-assign]  # it has the same signature
    cast("Any", kind).__replace__ = scope["__replace__"]
    return kind


def _assignment(one: Field[Any], defaults: dict[str, Any], scope: dict[str, Any]) -> str:
    name = one.name
    if one.default_factory is MISSING:
        return f"self.{name} = {name}"
    scope[f"make_{name}"], scope[f"no_{name}"] = one.default_factory, defaults[name]
    return f"self.{name} = make_{name}() if {name} is no_{name} else {name}"


def _parameters(init: FunctionType) -> str:
    code = init.__code__
    positional, count = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames
    star = ["*"] if code.co_kwonlyargcount else []
    return ", ".join([*names[:positional], *star, *names[positional:count]])
