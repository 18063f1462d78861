"""Where the admin server listens: an address of the host's, or a socket between processes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_BACKLOG: Final = 256
LOOPBACK: Final = "127.0.0.1"


def split(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[::1]:PORT`, or a port alone, which means loopback."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


def listen(address: str) -> socket.socket:
    """Listen at an address; port 0 takes a free one. `ConfigurationError` where it cannot be."""
    host, port = split(address)
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigurationError(_refused(address, error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(_refused(address, error)) from error
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listener


def listen_at(path: Path) -> socket.socket:
    """Listen at a path, for other processes of ours."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(_BACKLOG)
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a listener of `listen` is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refused(address: str, error: OSError) -> str:
    return (
        f"the admin server cannot listen at {address}: {error.strerror or error}; give another "
        "address with --admin or LONGSHORE_ADMIN (port 0 takes a free one, none serves nothing)"
    )
