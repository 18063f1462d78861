"""Bodies: text as it is, other bytes beside a dash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from longshore_adapters.sqs.limits import is_text

if TYPE_CHECKING:
    from collections.abc import Mapping

BODY: Final = "longshore-body"
"""The attribute of a body that is no text: its bytes, or the word for none."""
_EMPTY: Final = "empty"
_PLACEHOLDER: Final = "-"


def body_of(body: bytes) -> dict[str, Any]:
    """Write a body: as it is where SQS takes it, else as a binary attribute beside a dash."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if text and is_text(text):
        return {"MessageBody": text}
    value: dict[str, Any] = {"DataType": "Binary", "BinaryValue": body}
    if not body:
        value = {"DataType": "String", "StringValue": _EMPTY}
    return {"MessageBody": _PLACEHOLDER, "MessageAttributes": {BODY: value}}


def read_body(message: Mapping[str, Any]) -> bytes:
    """Read a body as it was before `body_of`."""
    own = message.get("MessageAttributes", {}).get(BODY, {})
    if "BinaryValue" in own:
        data: bytes = own["BinaryValue"]
        return data
    text: str = message["Body"]
    return b"" if own.get("StringValue") == _EMPTY else text.encode()
