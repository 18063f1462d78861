"""What RabbitMQ takes: its limits as constants, each with where it is documented."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from longshore.errors import TooLargeError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BODY: Final = 16 * 1_048_576
"""Bytes of a body of ours: `max_message_size` of RabbitMQ 4.0; before that it was 128 MiB."""

MAX_BATCH: Final = 1000
"""Messages in one call of ours."""

FRAME_MAX: Final = 131_072
"""Bytes of a frame, RabbitMQ's default (configuration, `frame_max`)."""

MAX_PROPERTIES: Final = FRAME_MAX - 22
"""Bytes of properties and headers: they travel in one frame (AMQP 0-9-1, 4.2.6.1)."""

MAX_SHORT: Final = 255
"""Bytes of a short string, as names of headers are (AMQP 0-9-1, 4.2.5.3)."""

MAX_LADDER: Final = timedelta(seconds=2**28 - 1)
"""The longest delay of kombu's ladder of 28 queues."""

DELIVERY_LIMIT: Final = 100
"""Deliveries before RabbitMQ gives a message up: only a backstop (protocol.md §11)."""

ROUTED: Final = frozenset({"CC", "BCC"})
"""Headers by which RabbitMQ sends a message elsewhere (sender-selected distribution)."""


def unsupported(option: str, instead: str) -> UnsupportedError:
    """Make the error for what RabbitMQ does not have, or not in that size."""
    adapter = "rabbitmq"
    return UnsupportedError(adapter, option, instead)


def is_short(text: str) -> bool:
    """Whether a text can be a short string."""
    return len(text.encode("utf-8", "surrogatepass")) <= MAX_SHORT


def is_name(text: str) -> bool:
    """Whether a header can be called so."""
    return bool(text) and is_short(text)


def check_headers(names: Iterable[str]) -> None:
    """Refuse names that no header can have."""
    for name in names:
        if name in ROUTED:
            option = f"an attribute named {name!r}"
            raise unsupported(option, "RabbitMQ would route by it; give it another name")
        if not is_name(name):
            option = f"an attribute named {name!r:.60}"
            raise unsupported(option, f"use 1 to {MAX_SHORT} bytes (AMQP 0-9-1, short strings)")


def check_size(body: int, properties: int) -> None:
    """Refuse a body or headers that are too long."""
    if body > MAX_BODY:
        what = "the message"
        raise TooLargeError(what, body, MAX_BODY, "RabbitMQ's limit (max_message_size)")
    if properties > MAX_PROPERTIES:
        what = "what travels beside the body"
        raise TooLargeError(what, properties, MAX_PROPERTIES, "RabbitMQ's limit (frame_max)")
