"""Finding out what a message of another producer is: decoders asked in order, envelopes undone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from longshore.codec.foreign.binary import read_binary
from longshore.codec.foreign.celery import read_celery
from longshore.codec.foreign.eventbridge import read_eventbridge
from longshore.codec.foreign.plain import read_plain
from longshore.codec.foreign.pointer import read_pointer
from longshore.codec.foreign.s3 import read_s3, read_s3_records
from longshore.codec.foreign.sns import read_sns
from longshore.codec.foreign.structured import read_structured
from longshore.codec.formats import OPT_IN
from longshore.codec.parse import parse
from longshore.codec.raw import Pointer, Raw
from longshore.codec.trace import traced
from longshore.errors import MessageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from longshore.codec.raw import Event, Events, Found

    Decoder: TypeAlias = Callable[[Raw, object], Found]

MAX_ENVELOPES: Final = 2
"""Envelopes that a message may be in, one inside the other."""


def decoders(formats: Collection[str], *, split: bool = False) -> list[tuple[str, Decoder]]:
    """List the decoders that a queue with these formats asks, in their order.

    Those that must be asked for are asked in any case, so that what they would read is refused
    by its name, and not taken for something else.
    """
    every: list[tuple[str, Decoder]] = [
        ("cloudevents", read_binary),
        ("cloudevents", read_structured),
        ("sns", read_sns),
        ("eventbridge", read_eventbridge),
        ("s3", read_s3_records if split else read_s3),
        ("pointer", read_pointer),
        ("celery", read_celery),
        ("plain", read_plain),
    ]
    return [
        (name, read if name in formats else _refused(name, read))
        for name, read in every
        if name in formats or name in OPT_IN
    ]


class Detector:
    """Reads what other producers send to one queue. Pure: the same message, the same answer."""

    def __init__(self, formats: Collection[str], *, split: bool = False) -> None:
        """`formats` are those that the queue may read, `split` is its setting of that name."""
        self._decoders = decoders(formats, split=split)
        self._formats = ", ".join(formats) or "none"

    def read(self, raw: Raw, document: object, *, envelopes: int = 0) -> Events | Pointer:
        """Answer the events that a message is, or where it lies.

        `document` is the parsed body (see `parse`); `envelopes` were opened before. Raises
        `MessageError` where no format reads it.
        """
        found: Found = raw
        inner = raw
        while isinstance(found, Raw):
            found = self._ask(inner, document)
            if isinstance(found, Raw):
                envelopes += 1
                inner, document = found, parse(found.body)
            if envelopes > MAX_ENVELOPES:
                problem = f"it is in more than {MAX_ENVELOPES} envelopes"
                raise MessageError(problem)
        if found is None:
            problem = f"it is in none of the formats that its queue reads ({self._formats})"
            raise MessageError(problem)
        if isinstance(found, Pointer):
            event = found.event and _finished(found.event, inner, whole=inner is raw)
            return replace(found, event=event, envelopes=envelopes)
        return tuple(_finished(event, inner, whole=inner is raw) for event in found)

    def _ask(self, raw: Raw, document: object) -> Found:
        for _, read in self._decoders:
            found = read(raw, document)
            if found is not None:
                return found
        return None


def _refused(name: str, read: Decoder) -> Decoder:
    def refuse(raw: Raw, document: object) -> Found:
        if read(raw, document) is None:
            return None
        problem = f"it is in the format {name!r}, which its queue does not ask for (formats)"
        raise MessageError(problem)

    return refuse


def _finished(event: Event, raw: Raw, *, whole: bool) -> Event:
    """Add the trace; what differs from the body that came cannot be read from it again."""
    message = traced(event.message, raw.attributes) if raw.attributes else event.message
    if whole and message is event.message:
        return event
    return replace(event, message=message, body=None)
