"""POSTs to one address over connections that are kept, in the caller's thread.

Of a request through the SDK's session for HTTP two thirds go to layers that find out the same each
time. Here connections are made as it makes them, by urllib3 and with its TLS, a request is one
write, and where there is a proxy the session itself sends. This module loads the SDK: import it
when that is needed.
"""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session, create_urllib3_context, get_cert_path
from botocore.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import is_connection_dropped, parse_url

from longshore_adapters.sqs.answers import OK, read_answer
from longshore_adapters.sqs.purpose import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    if proxies.get(parse_url(url).scheme or ""):
        return ProxiedPosts(url, verify, proxies)
    return DirectPosts(url, verify)


class DirectPosts:
    """Takes the connection that was used last: the server ends those that idle."""

    def __init__(self, url: str, verify: Any, longest: float = _LONGEST) -> None:  # noqa: ANN401 - as above
        """Connect to nothing yet. `longest` are the seconds between two pieces of an answer."""
        self._url = parse_url(url)
        self._verify = verify
        self._longest = longest
        self._begin = f"POST {self._url.request_uri} HTTP/1.1\r\nAccept-Encoding: identity"
        self._idle: list[HTTPConnection] = []
        self._most = _POOL

    def send(self, headers: Mapping[str, str], body: bytes) -> bytes | None:
        """Send over a connection that is kept, or a new one."""
        try:
            return self._sent(self._written(headers, body))
        except (HTTPError, HTTPException, OSError, ValueError):
            return None

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self._most = 0
        while (connection := self._idler(0)) is not None:
            connection.close()

    def _written(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Put head and body together, which makes one write of them, and often one packet."""
        given = {**headers, "Content-Length": len(body)}
        head = "\r\n".join([self._begin, *[f"{name}: {text}" for name, text in given.items()]])
        if head.count("\r") != len(given) + 1 or head.count("\n") != len(given) + 1:
            message = "a header of more than one line"
            raise ValueError(message)
        return f"{head}\r\n\r\n".encode("latin-1") + body

    def _sent(self, written: bytes) -> bytes | None:
        connection = self._taken()
        try:
            connection.sock.sendall(written)
            answer = read_answer(connection.sock)
        except BaseException:
            connection.close()
            raise
        self._given_back(connection, may_stay=answer.stays)
        return answer.content if answer.status == OK else None

    def _taken(self) -> HTTPConnection:
        while (connection := self._idler(-1)) is not None:
            if not is_connection_dropped(connection):  # pyright: ignore[reportArgumentType] - its class is of another type than its protocol
                return connection
            connection.close()
        return self._connected()

    def _given_back(self, connection: HTTPConnection, *, may_stay: bool) -> None:
        if not may_stay:
            connection.close()
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
        made = self._made()
        made.connect()
        made.sock.settimeout(self._longest)
        return made

    def _made(self) -> HTTPConnection:
        host, port = self._url.host or "", self._url.port
        given: Any = {"timeout": _CONNECTED, "socket_options": _SOCKETS}
        if self._url.scheme != "https":
            return HTTPConnection(host, port, **given)
        made = HTTPSConnection(host, port, ssl_context=create_urllib3_context(), **given)
        made.assert_hostname = None  # it and those below are parameters only since urllib3 2
        made.cert_reqs, made.ca_certs = ssl.CERT_REQUIRED, get_cert_path(self._verify)
        return made


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
