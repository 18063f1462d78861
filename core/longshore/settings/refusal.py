"""From pydantic's errors to one sentence for each value that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from longshore.errors import ConfigurationError
from longshore.masking import mask_meant, mask_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_LONGEST_VALUE: Final = 100
_ACCEPTED: Final = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "literal_error": "text or json",
    "model_type": "a table of settings",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A value that cannot be used: where it stands, what it is, and what is accepted."""

    path: tuple[str, ...]
    given: object
    accepted: str

    def under(self, *outer: str) -> Problem:
        """Answer the same problem, seen from the table around it."""
        return replace(self, path=(*outer, *self.path))


class NestedProblems(ValueError):  # noqa: N818 - carries problems through pydantic, never shown
    """What a validator raises for the problems of an inner table."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems; pydantic keeps the exception."""
        super().__init__(f"{len(problems)} values cannot be used")
        self.problems = tuple(problems)


class SettingsError(ConfigurationError):
    """Settings were given that cannot be used; the message has a line for each."""

    def __init__(self, problems: Sequence[Problem], source: Callable[[Problem], str]) -> None:
        """`source` says where a problem's value was read."""
        lines = [_line(problem, source(problem)) for problem in problems]
        super().__init__("\n  ".join(["these settings cannot be used:", *lines]))
        self.problems = tuple(problems)


def problems_of(error: ValidationError, known: Collection[str]) -> list[Problem]:
    """Read pydantic's errors of a table whose keys are `known`."""
    found: list[Problem] = []
    for details in error.errors(include_url=False):
        path = tuple(str(step) for step in details["loc"])
        reason = details.get("ctx", {}).get("error")
        if isinstance(reason, NestedProblems):
            found += [problem.under(*path) for problem in reason.problems]
        else:
            accepted = _accepted(details, reason, known)
            found.append(Problem(path=path, given=details["input"], accepted=accepted))
    return found


def nearest(name: str, known: Collection[str]) -> str | None:
    """Find the known name that is meant, if one is close."""
    close = get_close_matches(name.lower().replace("-", "_"), known, n=1)
    return close[0] if close else None


def _accepted(details: ErrorDetails, reason: object, known: Collection[str]) -> str:
    if details["type"] == "extra_forbidden":
        meant = nearest(str(details["loc"][-1]), known)
        listed = ", ".join(sorted(known))
        return "there is no such setting; " + (
            f"did you mean {meant}?" if meant else f"there are: {listed}"
        )
    if isinstance(reason, Exception):
        return f"accepted: {reason}"
    return f"accepted: {_ACCEPTED.get(details['type'], details['msg'])}"


def _line(problem: Problem, source: str) -> str:
    mask = mask_meant if "".join(problem.path[-1:]).endswith("url") else mask_url
    value = repr(problem.given)
    if isinstance(problem.given, str):
        value = repr(mask(problem.given))
    if len(value) > _LONGEST_VALUE:
        value = f"{value[:_LONGEST_VALUE]}…"
    return mask_url(f"{'.'.join(problem.path)} = {value} ({source}); {problem.accepted}")
