"""Pointers of the extended SQS clients: the body lies in S3, and the message says where."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from longshore.codec.raw import Pointer
from longshore.errors import MessageError

if TYPE_CHECKING:
    from longshore.codec.raw import Found, Raw

CLASSES: Final = frozenset(
    {
        "software.amazon.payloadoffloading.PayloadS3Pointer",
        "com.amazon.sqs.javamessaging.MessageS3Pointer",
    }
)
MARKERS: Final = frozenset({"extendedpayloadsize", "sqslargepayloadsize"})
_PARTS: Final = 2


def read_pointer(raw: Raw, document: object) -> Found:
    """Read where the body is; known by the class it names, or by an attribute."""
    parts = cast("list[object]", document) if isinstance(document, list) else []
    # Compared as text: what stands there may be anything, and need not be hashable.
    named = len(parts) == _PARTS and isinstance(parts[0], str) and parts[0] in CLASSES
    if not named and not MARKERS.intersection(raw.attributes):
        return None
    place = parts[1] if len(parts) == _PARTS else None
    bucket, key = _place(cast("dict[str, object]", place) if isinstance(place, dict) else {})
    rest = {name: one for name, one in raw.attributes.items() if name not in MARKERS}
    # What lies there comes without the mark, or it would be taken for a pointer in its turn.
    return Pointer(url=f"s3://{bucket}/{key}", around=replace(raw, attributes=rest))


def _place(fields: dict[str, object]) -> tuple[str, str]:
    bucket, key = fields.get("s3BucketName"), fields.get("s3Key")
    if isinstance(bucket, str) and isinstance(key, str) and bucket and key and "/" not in bucket:
        return bucket, key
    problem = "it is a pointer into S3 that does not say where"
    raise MessageError(problem)
