"""POSTs to one address over connections that are kept, in the caller's thread.

Of a request through the SDK's session for HTTP two thirds go to layers that find out the same each
time. Here it goes by the standard library alone, under the SDK's TLS, and where there is a proxy
the session itself sends. This module loads the SDK: import it when that is needed.
"""

from __future__ import annotations

import socket
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ssl import CERT_REQUIRED
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session, create_urllib3_context, get_cert_path
from botocore.utils import get_environ_proxies
from urllib3.util import wait_for_read

from longshore_adapters.sqs.purpose import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

OK: Final = 200
_SOCKETS: Final[Any] = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]
_CONNECTED: Final = 5
"""Seconds that making a connection may take, as a client's may."""
_LONGEST, _, _POOL = Purpose.SEND.value


class Posts(Protocol):
    """Sends to one address. Safe for use by several threads; of one process."""

    def send(self, headers: Mapping[str, str], body: bytes) -> bytes | None:
        """Answer what came with a 200; None for all else, whether it was carried out or not."""

    def close(self) -> None:
        """Close the connections. Idempotent."""


def posts_to(url: str, verify: Any) -> Posts:  # noqa: ANN401 - a path or True, as the SDK has it
    """Send to `url`, through a proxy where the environment names one for it."""
    proxies = get_environ_proxies(url)
    if proxies.get(urlsplit(url).scheme):
        return ProxiedPosts(url, verify, proxies)
    return DirectPosts(url, verify)


class DirectPosts:
    """Takes the connection that was used last: the server ends those that idle."""

    def __init__(self, url: str, verify: Any, longest: float = _LONGEST) -> None:  # noqa: ANN401 - as above
        """Connect to nothing yet. `longest` are the seconds between two pieces of an answer."""
        self._url = urlsplit(url)
        self._context = _context(verify) if self._url.scheme == "https" else None
        self._longest = longest
        self._idle: list[HTTPConnection] = []
        self._most = _POOL

    def send(self, headers: Mapping[str, str], body: bytes) -> bytes | None:
        """Send over a connection that is kept, or a new one."""
        try:
            return self._sent(headers, body)
        except (HTTPException, OSError, ValueError):
            return None

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self._most = 0
        while (connection := self._idler(0)) is not None:
            connection.close()

    def _sent(self, headers: Mapping[str, str], body: bytes) -> bytes | None:
        connection = self._taken()
        try:
            connection.request("POST", self._url.path or "/", body, headers)
            with connection.getresponse() as answer:
                content = answer.read()
        except BaseException:
            connection.close()
            raise
        self._given_back(connection)
        return content if answer.status == OK else None

    def _taken(self) -> HTTPConnection:
        while (connection := self._idler(-1)) is not None:
            if not wait_for_read(connection.sock, timeout=0):  # there would be its end to read
                return connection
            connection.close()
        return self._connected()

    def _given_back(self, connection: HTTPConnection) -> None:
        if connection.sock is None:  # the answer was its last
            return
        self._idle.append(connection)
        if len(self._idle) > self._most and (oldest := self._idler(0)) is not None:
            oldest.close()

    def _idler(self, at: int) -> HTTPConnection | None:
        """Take the last one or the oldest, unless other threads took them all meanwhile."""
        try:
            return self._idle.pop(at)
        except IndexError:
            return None

    def _connected(self) -> HTTPConnection:
        host, port, context = self._url.hostname or "", self._url.port, self._context
        if context is None:
            made = HTTPConnection(host, port, timeout=_CONNECTED)
        else:
            made = HTTPSConnection(host, port, timeout=_CONNECTED, context=context)
        made.connect()
        for option in _SOCKETS:
            made.sock.setsockopt(*option)
        made.sock.settimeout(self._longest)
        return made


def _context(verify: Any) -> SSLContext:  # noqa: ANN401 - as above
    """TLS as the SDK has it; names are for us to have checked, which urllib3 does by itself."""
    context: SSLContext = create_urllib3_context()
    context.verify_mode, context.check_hostname = CERT_REQUIRED, True
    context.load_verify_locations(get_cert_path(verify))
    return context


class ProxiedPosts:
    """Leaves it to the SDK, which knows what proxies ask for."""

    def __init__(self, url: str, verify: Any, proxies: Mapping[str, str]) -> None:  # noqa: ANN401 - as above
        """Connect to nothing yet."""
        timeouts: Any = (_CONNECTED, _LONGEST)
        self._url = url
        self._http: Any = URLLib3Session(
            verify=verify,
            proxies=proxies,
            timeout=timeouts,
            max_pool_connections=_POOL,
            socket_options=_SOCKETS,
        )

    def send(self, headers: Mapping[str, str], body: bytes) -> bytes | None:
        """Send through the proxy."""
        given: Any = dict(headers)
        request: Any = AWSPreparedRequest("POST", self._url, given, body, stream_output=False)
        try:
            response = self._http.send(request)
        except (BotoCoreError, OSError):
            return None
        content: bytes = response.content
        return content if response.status_code == OK else None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
