"""The frames of AMQP 0-9-1 that sending and receiving need, as bytes. Pure; nothing is connected.

py-amqp makes and breaks connections; what goes through one all the time is written here, because
a frame at a time in calls of their own costs several times as much.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from longshore_adapters.rabbitmq.fields import arguments, short
from longshore_adapters.rabbitmq.limits import FRAME_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

_METHOD: Final = 1
_HEADER: Final = 2
_BODY: Final = 3
_END: Final = b"\xce"
_HEAD: Final = Struct(">BHI")
_SIGNATURE: Final = Struct(">I")
_CONTENT: Final = Struct(">HHQ")
_TAG: Final = Struct(">Q")
_CHUNK: Final = FRAME_MAX - 8
_BASIC: Final = 60

CHANNEL_OPEN: Final = 20 << 16 | 10
CHANNEL_OPEN_OK: Final = 20 << 16 | 11
CHANNEL_CLOSE: Final = 20 << 16 | 40
CHANNEL_CLOSE_OK: Final = 20 << 16 | 41
CONFIRM_SELECT: Final = 85 << 16 | 10
DECLARE: Final = 50 << 16 | 10
DECLARE_OK: Final = 50 << 16 | 11
QOS: Final = 60 << 16 | 10
CONSUME: Final = 60 << 16 | 20
CONSUME_OK: Final = 60 << 16 | 21
CANCEL: Final = 60 << 16 | 30
PUBLISH: Final = 60 << 16 | 40
RETURN: Final = 60 << 16 | 50
DELIVER: Final = 60 << 16 | 60
ACK: Final = 60 << 16 | 80
NACK: Final = 60 << 16 | 120
_WITH_CONTENT: Final = frozenset({RETURN, DELIVER})


class ProtocolError(ConnectionError):
    """The broker sent what is no frame."""


class Incoming(NamedTuple):
    """A method that came on a channel, with its content where it has one."""

    channel: int
    method: int
    arguments: bytes
    properties: bytes = b""
    body: bytes = b""


def method(channel: int, signature: int, payload: bytes = b"") -> bytes:
    """Write a method."""
    head = _HEAD.pack(_METHOD, channel, 4 + len(payload))
    return head + _SIGNATURE.pack(signature) + payload + _END


def open_channel(channel: int) -> bytes:
    """Open a channel."""
    return method(channel, CHANNEL_OPEN, short(""))


def close_channel(channel: int) -> bytes:
    """Close a channel; what it held goes back."""
    return method(channel, CHANNEL_CLOSE, b"\0\0\0\0\0\0\0")


def confirm_close(channel: int) -> bytes:
    """Agree that a channel is closed."""
    return method(channel, CHANNEL_CLOSE_OK)


def select_confirms(channel: int) -> bytes:
    """Ask for confirmation of all that is published on a channel."""
    return method(channel, CONFIRM_SELECT, b"\0")


def consume(
    channel: int, queue: str, tag: str, *, prefetch: int, given: Mapping[str, object]
) -> bytes:
    """Begin to take messages, so many of them unacknowledged at a time."""
    limit = method(channel, QOS, b"\0\0\0\0" + prefetch.to_bytes(2) + b"\0")
    payload = b"\0\0" + short(queue) + short(tag) + b"\0" + arguments(given)
    return limit + method(channel, CONSUME, payload)


def count(channel: int, queue: str) -> bytes:
    """Ask how many messages of a queue are ready: a passive declare."""
    return method(channel, DECLARE, b"\0\0" + short(queue) + b"\1" + arguments({}))


def cancel(channel: int, tag: str) -> bytes:
    """Take no more messages; no answer is asked for."""
    return method(channel, CANCEL, short(tag) + b"\1")


def ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Acknowledge one message, or all up to it."""
    return method(channel, ACK, _TAG.pack(tag) + (b"\1" if multiple else b"\0"))


def give_back(channel: int, tag: int) -> bytes:
    """Put a message back where it was: nack, which newer brokers do not count as a failure."""
    return method(channel, NACK, _TAG.pack(tag) + b"\2")


def publish_head(channel: int, exchange: str, key: str) -> bytes:
    """Begin a message that must reach a queue, or comes back."""
    return method(channel, PUBLISH, b"\0\0" + short(exchange) + short(key) + b"\1")


def content(channel: int, properties: bytes, body: bytes) -> bytes:
    """Write what follows a method: properties and body."""
    size = len(body)
    head = _HEAD.pack(_HEADER, channel, 12 + len(properties)) + _CONTENT.pack(_BASIC, 0, size)
    if not size:
        return head + properties + _END
    if size <= _CHUNK:
        return b"".join((head, properties, _END, _HEAD.pack(_BODY, channel, size), body, _END))
    parts = [head, properties, _END]
    for begin in range(0, size, _CHUNK):
        chunk = body[begin : begin + _CHUNK]
        parts += (_HEAD.pack(_BODY, channel, len(chunk)), chunk, _END)
    return b"".join(parts)


class Reader:
    """Makes methods of the bytes that come, in whatever pieces they come."""

    def __init__(self) -> None:
        self._rest = b""
        self._open: dict[int, tuple[int, bytes]] = {}
        self._begun: dict[int, tuple[int, bytes, bytes, int, list[bytes]]] = {}

    def feed(self, data: bytes, out: list[Incoming]) -> list[tuple[int, int, bytes]]:
        """Read what is complete into `out`; answer the frames of the connection itself."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        others: list[tuple[int, int, bytes]] = []
        while end - at >= _HEAD.size:
            kind, channel, size = _HEAD.unpack_from(data, at)
            stop = at + 7 + size
            if stop >= end:
                break
            if data[stop] != _END[0]:
                message = "a frame without its end"
                raise ProtocolError(message)
            if channel == 0:
                others.append((kind, channel, data[at + 7 : stop]))
            else:
                self._frame(kind, channel, data[at + 7 : stop], out)
            at = stop + 1
        self._rest = data[at:]
        return others

    def _frame(self, kind: int, channel: int, payload: bytes, out: list[Incoming]) -> None:
        if kind == _METHOD:
            (signature,) = _SIGNATURE.unpack_from(payload)
            if signature in _WITH_CONTENT:
                self._open[channel] = signature, payload[4:]
            else:
                out.append(Incoming(channel, signature, payload[4:]))
        elif kind == _HEADER:
            signature, given = self._open.pop(channel)
            size = _CONTENT.unpack_from(payload)[2]
            properties = payload[12:]
            if size:
                self._begun[channel] = signature, given, properties, size, []
            else:
                out.append(Incoming(channel, signature, given, properties))
        elif kind == _BODY:
            signature, given, properties, left, chunks = self._begun[channel]
            left -= len(payload)
            if left > 0:
                chunks.append(payload)
                self._begun[channel] = signature, given, properties, left, chunks
                return
            del self._begun[channel]
            body = b"".join((*chunks, payload)) if chunks else payload
            out.append(Incoming(channel, signature, given, properties, body))


def read_deliver(given: bytes) -> tuple[int, bool]:
    """Read the arguments of a delivery: its tag, and whether it was delivered before."""
    at = 1 + given[0]
    return _TAG.unpack_from(given, at)[0], bool(given[at + 8])


def read_settled(given: bytes) -> tuple[int, bool]:
    """Read an acknowledgement of the broker's: the tag, and whether all before are meant."""
    return _TAG.unpack_from(given)[0], bool(given[8] & 1)


def read_close(given: bytes) -> tuple[int, str]:
    """Read why a channel is closed."""
    code = int.from_bytes(given[:2])
    return code, given[3 : 3 + given[2]].decode("utf-8", "replace")


def read_return(given: bytes) -> tuple[str, str]:
    """Read why a message comes back, and the routing key it was sent with."""
    at = 2
    texts: list[str] = []
    for _ in range(3):
        stop = at + 1 + given[at]
        texts.append(given[at + 1 : stop].decode("utf-8", "replace"))
        at = stop
    return texts[0], texts[2]


def read_tag(given: bytes) -> str:
    """Read a consumer's tag."""
    return given[1 : 1 + given[0]].decode("utf-8", "replace")


def read_count(given: bytes) -> int:
    """Read how many messages are ready."""
    at = 1 + given[0]
    return int.from_bytes(given[at : at + 4])
