"""redis-py: all that is used of it, in one place. It is loaded when it is first used."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from longshore_adapters.redis.errors import missing_sdk

if TYPE_CHECKING:
    from longshore_adapters.redis.options import Options

Untyped: TypeAlias = Any
"""A connection or a client of redis-py's, whose types say little."""


def loaded(name: str) -> Untyped:
    """Load a module of theirs; `ConfigurationError` without it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise missing_sdk(error) from error


def connection(options: Options) -> Untyped:
    """Prepare a connection for an event loop; it connects when it is told to."""
    kinds = loaded("redis.asyncio.connection")
    if options.socket:
        return kinds.UnixDomainSocketConnection(path=options.socket, **_given(options))
    address = {"host": options.host, "port": options.port, **_given(options)}
    if options.tls:
        return kinds.SSLConnection(**address, **_tls(options))
    return kinds.Connection(socket_keepalive=True, **address)


async def is_quiet(link: Untyped) -> bool:
    """Whether nothing came unasked on a connection, such as its end.

    Of an end by a reset redis-py does not tell, only its stream does.
    """
    if link._writer is None or link._writer.is_closing():  # noqa: SLF001 - see above
        return False
    look = getattr(link, "can_read", None) or link.can_read_destructive  # so it was before 8
    with suppress(Exception):
        return not await look()
    return False


def client(options: Options) -> Untyped:
    """Prepare a client for plain threads, with connections of its own."""
    redis = loaded("redis")
    address = {"host": options.host, "port": options.port}
    if options.socket:
        address = {"unix_socket_path": options.socket}
    tls = {"ssl": True, **_tls(options)} if options.tls else {}
    return redis.Redis(**address, **_given(options), **tls, max_connections=options.connections)


def _given(options: Options) -> dict[str, Any]:
    # Nothing is repeated behind our back: a message that was taken, say, would be taken twice.
    no_retry = loaded("redis.retry").Retry(loaded("redis.backoff").NoBackoff(), 0)
    return {
        "db": options.db,
        "username": options.user,
        "password": options.password,
        "socket_timeout": options.timeout,
        "socket_connect_timeout": options.timeout,
        "protocol": 2,
        "retry": no_retry,
    }


def _tls(options: Options) -> dict[str, Any]:
    return {
        "ssl_ca_certs": options.ca_file,
        "ssl_certfile": options.cert_file,
        "ssl_keyfile": options.key_file,
        "ssl_cert_reqs": "required" if options.verify else "none",
        "ssl_check_hostname": options.verify,
    }
