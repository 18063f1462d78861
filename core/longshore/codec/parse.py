"""A body's JSON, parsed once for all who want to look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeGuard, cast

from longshore.codec.strict_json import read_json
from longshore.errors import MessageError
from longshore.message import OWN_SOURCE

MAX_BODY: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class NotJson:
    """Stands for the value of a body that is not JSON."""

    why: str

    def error(self) -> MessageError:
        """Say so, as an error."""
        return MessageError(f"it is not JSON ({self.why})")


def parse(body: bytes) -> object:
    """Answer the value that a body's JSON is, or a `NotJson`; `MessageError` above the limit."""
    if len(body) > MAX_BODY:
        problem = f"{len(body):,} bytes are above the limit of {MAX_BODY:,}"
        raise MessageError(problem)
    try:
        return read_json(body)
    except ValueError as error:
        return NotJson(str(error)[:200])


def is_own(document: object) -> TypeGuard[dict[str, object]]:
    """Whether a parsed body is a message of Longshore's own, which every queue reads."""
    if type(document) is not dict:
        return False
    event = cast("dict[str, object]", document)
    return event.get("source") == OWN_SOURCE and event.get("specversion") == "1.0"
