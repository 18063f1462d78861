"""A body that is data alone, read as its content type says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from longshore.codec.parse import NotJson
from longshore.codec.payload import unwrapped
from longshore.errors import MessageError

if TYPE_CHECKING:
    from longshore.codec.raw import Raw
    from longshore.message import JsonValue

CONTENT_TYPE_ATTRIBUTE: Final = "content-type"


def content_type(raw: Raw) -> str:
    """The media type that came beside a body, without its parameters; empty where none did."""
    return raw.attributes.get(CONTENT_TYPE_ATTRIBUTE, "").partition(";")[0].strip().lower()


def data_of(raw: Raw, document: object) -> JsonValue:
    """Read the data: JSON, or text as one positional argument where the content type says so.

    No body is no data. `MessageError` for anything else.
    """
    if not raw.body:
        return None
    if content_type(raw).startswith("text/"):
        try:
            return [raw.body.decode()]
        except UnicodeDecodeError as error:
            problem = f"its text is not UTF-8 ({error})"
            raise MessageError(problem) from error
    if isinstance(document, NotJson):
        raise document.error()
    return unwrapped(cast("JsonValue", document))
