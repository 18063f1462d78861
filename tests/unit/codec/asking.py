"""How tests ask the decoders: a body and its attributes in, events out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from longshore.codec.detect import Detector
from longshore.codec.formats import FORMATS
from longshore.codec.parse import parse
from longshore.codec.raw import Event, Pointer, Raw
from longshore.errors import MessageError
from longshore.message import Message

SENT = datetime(2026, 11, 22, 10, tzinfo=UTC)
EVERY = Detector(FORMATS)
SPLIT = Detector(FORMATS, split=True)


def raw_of(body: bytes, **attributes: str) -> Raw:
    named = {name.lower(): value for name, value in attributes.items()}
    return Raw(body=body, queue="q", id="b-1", sent_at=SENT, group="acme", attributes=named)


def ask(raw: Raw, detector: Detector = EVERY) -> tuple[Event, ...] | Pointer:
    return detector.read(raw, parse(raw.body))


def events(body: bytes, detector: Detector = EVERY, /, **attributes: str) -> tuple[Event, ...]:
    found = ask(raw_of(body, **attributes), detector)
    assert not isinstance(found, Pointer)
    return found


def one(body: bytes, **attributes: str) -> Message:
    (event,) = events(body, **attributes)
    return event.message


def refusal(body: bytes, detector: Detector = EVERY, /, **attributes: Any) -> str:
    with pytest.raises(MessageError) as caught:
        ask(raw_of(body, **attributes), detector)
    assert caught.value.reason == "decode"
    assert 0 < len(caught.value.problem) < 300
    return caught.value.problem
