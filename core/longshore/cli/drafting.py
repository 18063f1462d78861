"""From what the command line says to drafts of tasks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from longshore.cli.exit import InputError
from longshore.cli.kinds import as_list, as_object, as_texts
from longshore.definition import define
from longshore.draft import Draft, EnqueueOptions
from longshore.errors import UnknownTaskError
from longshore.message import NAME_PATTERN, pack_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from longshore.definition import TaskDefinition, TaskRegistry

OPTION_NAMES: Final = tuple(each.name for each in fields(EnqueueOptions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafting:
    """Makes drafts of names and arguments.

    `unchecked` allows names that no task is registered under here: another service's worker
    checks them.
    """

    registry: TaskRegistry
    unchecked: bool = False

    def draft(
        self,
        name: str,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        options: EnqueueOptions,
    ) -> Draft:
        """Make one; `UnknownTaskError` or `ArgumentsError` where it cannot be."""
        try:
            definition = self.registry.get(name)
        except UnknownTaskError as error:
            if not self.unchecked:
                hint = f"{error}; to send it to another service's worker, add --unchecked"
                raise InputError(hint) from error
            return Draft(_stand_in(name), pack_arguments(args, kwargs), options)
        return Draft(definition, definition.arguments.pack(args, kwargs), options)

    def of_line(self, line: Mapping[str, Any]) -> Draft:
        """Make one of a batch line: an object with `task`, `args`, `kwargs`, and options."""
        known = {"task", "args", "kwargs", *OPTION_NAMES}
        unknown = sorted(set(line) - known)
        if unknown:
            message = (
                f"there is no {', '.join(unknown)}; a line may have: {', '.join(sorted(known))}"
            )
            raise InputError(message)
        name = line.get("task")
        if not isinstance(name, str):
            message = '"task" is missing; a line is {"task": "send_email", "args": {"to": "a@b.c"}}'
            raise InputError(message)
        args, kwargs = arguments_of(line.get("args"), line.get("kwargs"))
        options = {key: line[key] for key in OPTION_NAMES if line.get(key) is not None}
        return self.draft(name, args, kwargs, _options(options))


def arguments_of(
    args: object, kwargs: object, pairs: Iterable[tuple[str, object]] = ()
) -> tuple[list[object], dict[str, object]]:
    """Put together a list or object of arguments, an object, and single ones by name."""
    positional: list[object] = []
    named: dict[str, object] = {}
    by_name, in_order = as_object(args), as_list(args)
    if by_name is not None:
        named |= by_name
    elif in_order is not None:
        positional += in_order
    elif args is not None:
        message = '"args" is a list of arguments or an object of them by name'
        raise InputError(message)
    for given in (kwargs, dict(pairs)):
        if given is None:
            continue
        more = as_object(given)
        if more is None:
            message = '"kwargs" is an object of arguments by name'
            raise InputError(message)
        twice = sorted(named.keys() & more.keys())
        if twice:
            message = f"given twice: {', '.join(twice)}"
            raise InputError(message)
        named |= more
    return positional, named


def _options(given: dict[str, Any]) -> EnqueueOptions:
    """Read a line's options; each text where text belongs."""
    tags = as_texts(given.pop("tags", []))
    if tags is None:
        message = '"tags" is a list of texts'
        raise InputError(message)
    for name in _TEXTS:
        if not isinstance(given.get(name, ""), str):
            message = f'"{name}" is a text'
            raise InputError(message)
    if not isinstance(given.get("delete_on_complete", False), bool):
        message = '"delete_on_complete" is true or false'
        raise InputError(message)
    return EnqueueOptions(**given, tags=tags)


_TEXTS: Final = ("queue", "key", "category", "tenant", "owner", "label", "parent")


def _stand_in(name: str) -> TaskDefinition:
    """A definition of a task that this application does not have."""
    if NAME_PATTERN.fullmatch(name) is None:
        message = f"{name!r} is not a task name; use letters, digits and _.:@/- (at most 200)"
        raise InputError(message)
    return define(_elsewhere, name=name)


def _elsewhere(*args: object, **kwargs: object) -> None:
    """Stand for the function of another service; never called here."""
