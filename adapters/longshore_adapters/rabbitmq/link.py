"""One connection to RabbitMQ: made by kombu, used without blocking.

kombu and py-amqp make the connection (hosts, TLS, login, tuning), keep its heartbeat and end it.
What goes through it meanwhile is read and written here in bursts: py-amqp makes several system
calls of each message, and waits in the middle of them.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import ConfigurationError
from longshore_adapters.rabbitmq import frames, sdk
from longshore_adapters.rabbitmq.limits import FRAME_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore_adapters.rabbitmq.frames import Incoming
    from longshore_adapters.rabbitmq.options import Host, Options
    from longshore_adapters.rabbitmq.sdk import Untyped

CONNECT: Final = 5.0
"""Seconds for a host to answer."""
_AT_ONCE: Final = 262_144
_LAST_WORDS: Final = 2.0
_AGAIN: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError, InterruptedError)
_NODELAY_MS: Final = 1000


class Outbox:
    """Where py-amqp writes frames: to the socket until the link is open, then into its buffer."""

    def __init__(self, transport: Untyped) -> None:
        self.link: Link | None = None
        self._transport = transport

    def write(self, data: bytes | memoryview) -> None:
        """Write one frame."""
        if self.link is None:
            self._transport.write(data)
        else:
            self.link.write(bytes(data))


def connect(
    options: Options, host: Host, *, purpose: str, heartbeat: int, **more: object
) -> Untyped:
    """Connect by kombu; its connection to a server. Blocks up to `CONNECT` seconds and more."""
    options_of_transport: dict[str, object] = {
        "client_properties": {"connection_name": f"longshore {purpose}"},
        "socket_settings": _settings(options),
        **more,
    }
    return sdk.dial(
        options_of_transport,
        hostname=host.name,
        port=host.port,
        userid=options.user,
        password=options.password,
        virtual_host=options.vhost,
        ssl=_tls(options, host),
        heartbeat=heartbeat,
        connect_timeout=CONNECT,
    )


def _tls(options: Options, host: Host) -> dict[str, Any] | bool:
    if not options.tls:
        return False
    given: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED if options.verify else ssl.CERT_NONE}
    if options.verify:
        given["server_hostname"] = host.name.strip("[]")
    named = {
        "ca_certs": options.ca_file,
        "certfile": options.cert_file,
        "keyfile": options.key_file,
    }
    return given | {name: path for name, path in named.items() if path is not None}


def _settings(options: Options) -> dict[int, int]:
    """Let TCP give up with the heartbeat: py-amqp's own second is too short for a full server."""
    user_timeout = getattr(socket, "TCP_USER_TIMEOUT", None)
    return {} if user_timeout is None else {user_timeout: 2 * options.heartbeat * _NODELAY_MS}


class Link:
    """An open connection. One thread reads; any thread may write."""

    def __init__(self, options: Options, host: Host, *, purpose: str, heartbeat: int) -> None:
        """Connect; raises what kombu, py-amqp and the network raise."""
        self.host = host
        self.blocked = False
        self._reader = frames.Reader()
        self._lock = threading.Lock()
        self._out = bytearray()
        outbox: list[Outbox] = []

        def writer(connection: Untyped, transport: Untyped) -> Callable[..., None]:
            outbox.append(Outbox(transport))
            return sdk.frame_writer(connection, outbox[0])

        self._amqp = connect(
            options,
            host,
            purpose=purpose,
            heartbeat=heartbeat,
            frame_writer=writer,
            on_blocked=self._block,
            on_unblocked=self._unblock,
        )
        self._secure = options.tls
        self._sock: socket.socket = self._amqp.sock
        self._sock.settimeout(0)
        if not self._secure:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        outbox[0].link = self
        self.version = str(self._amqp.server_properties.get("version", ""))
        self.beat = self._amqp.heartbeat / 4 if self._amqp.heartbeat else None
        self._beat_at = monotonic()
        if 0 < self._amqp.frame_max < FRAME_MAX:
            self.collect()
            message = (
                f"RabbitMQ at {host} takes frames of {self._amqp.frame_max} bytes; set its "
                f"frame_max to {FRAME_MAX}, the default, or more"
            )
            raise ConfigurationError(message)

    def fileno(self) -> int:
        """The socket's number; -1 when it is closed."""
        return self._sock.fileno()

    @property
    def waits_to_write(self) -> bool:
        """Whether something is left that the socket did not take yet."""
        return bool(self._out)

    def write(self, data: bytes) -> bool:
        """Write frames, now as far as the socket takes them; whether all went. Any thread.

        TLS is read and written by one thread only, so there they wait for `flush`.
        """
        with self._lock:
            self._amqp.bytes_sent += 1
            if self._out or self._secure:
                self._out += data
                return False
            try:
                sent = self._sock.send(data)
            except _AGAIN:
                sent = 0
            except OSError:
                # The reader learns of it too, and ends the link.
                self._out += data
                return False
            if sent < len(data):
                self._out += memoryview(data)[sent:]
            return not self._out

    def flush(self) -> None:
        """Write what is left. Raises `OSError` where the connection is gone."""
        with self._lock:
            while self._out:
                try:
                    # A copy, because TLS wants the same bytes again when it could not send them.
                    sent = self._sock.send(bytes(self._out[:_AT_ONCE]))
                except _AGAIN:
                    return
                del self._out[:sent]

    def read(self, out: list[Incoming]) -> None:
        """Read what has come into `out`. Raises where the connection is gone or was closed."""
        while True:
            try:
                data = self._sock.recv(_AT_ONCE)
            except _AGAIN:
                return
            if not data:
                message = "the broker closed the connection"
                raise ConnectionResetError(message)
            self._amqp.bytes_recv += 1
            for frame in self._reader.feed(data, out):
                self._amqp.on_inbound_frame(frame)
            if not isinstance(self._sock, ssl.SSLSocket) or not self._sock.pending():
                return

    def tick(self, now: float) -> None:
        """Send a heartbeat where one is due. Raises where none has come for too long."""
        if self.beat is not None and now >= self._beat_at:
            self._beat_at = now + self.beat
            self._amqp.heartbeat_tick(rate=2)

    def close(self) -> None:
        """Say goodbye and wait a moment for the answer: all that was written has been done then."""
        with contextlib.suppress(Exception):  # whatever it was, it ends here
            self._amqp.is_closing = True
            self._amqp.send_method(sdk.close_method(), "BsBB", (0, "", 0, 0))
            end = monotonic() + _LAST_WORDS
            poll = select.poll()
            while self._amqp.connected and (left := end - monotonic()) > 0:
                self.flush()
                poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._out else 0))
                poll.poll(left * 1000)
                self.read([])
        self.collect()

    def drop(self) -> None:
        """Let the connection break, for who reads it. Any thread."""
        with contextlib.suppress(OSError):  # it is broken already
            self._sock.shutdown(socket.SHUT_RDWR)

    def collect(self) -> None:
        """Close the socket. Idempotent."""
        with contextlib.suppress(Exception):  # it is gone, in whatever state it was
            self._amqp.collect()

    def _block(self, reason: str) -> None:
        del reason
        self.blocked = True

    def _unblock(self) -> None:
        self.blocked = False
