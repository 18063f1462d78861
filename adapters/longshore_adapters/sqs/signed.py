"""Requests of code without an event loop: signed and sent, without a client's machinery.

A request through boto3 takes 1.4 ms of CPU, most of it in hooks, rules and models that say the
same each time; signing and sending take a third of that. Whatever is not plainly answered is left
to the client, with its retries, its clock correction and its errors: an extra copy of a message is
one task by the log.
"""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from longshore_adapters.sqs.purpose import Purpose
from longshore_adapters.sqs.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Mapping

TARGET: Final = "AmazonSQS."
_OK: Final = 200
_SOCKETS: Final[Any] = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),  # head and body are two writes: 40 ms without it
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]
_CONNECTED: Final = 5
"""Seconds that making a connection may take, as a client's may."""


class Signed:
    """A service's signed POST of JSON. Safe for use by several threads; of one process."""

    def __init__(self, session: Any, client: Any) -> None:  # noqa: ANN401 - the SDK's own classes
        """Send where `client` does, with the credentials of `session`."""
        from botocore.httpsession import URLLib3Session  # noqa: PLC0415 - by now it is loaded
        from botocore.utils import get_environ_proxies  # noqa: PLC0415 - by now it is loaded

        longest, _, pool = Purpose.SEND.value
        timeouts: Any = (_CONNECTED, longest)
        self._url = f"{client.meta.endpoint_url.rstrip('/')}/"
        self._signature = Signature(self._url, client.meta.region_name)
        self._session = session
        self._http: Any = URLLib3Session(
            verify=session.get_config_variable("ca_bundle") or True,
            proxies=get_environ_proxies(self._url),
            timeout=timeouts,
            max_pool_connections=pool,
            socket_options=_SOCKETS,
        )

    def call(self, operation: str, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Ask once; None where the client is to ask in our place."""
        from botocore.exceptions import (  # noqa: PLC0415 - by now it is loaded
            BotoCoreError,
            ClientError,
        )

        try:
            response = self._http.send(self._request(operation, asked))
            answer: Mapping[str, Any] = json.loads(response.content)
        except (BotoCoreError, ClientError, OSError, ValueError):
            return None
        return answer if response.status_code == _OK else None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _request(self, operation: str, asked: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the SDK's own
        from botocore.awsrequest import AWSPreparedRequest  # noqa: PLC0415 - by now it is loaded
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415 - by now it is loaded

        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"{TARGET}{operation}",
        }
        body = json.dumps(asked, default=_base64, separators=(",", ":")).encode()
        frozen = credentials.get_frozen_credentials()
        given: Any = self._signature.headers(frozen, headers, body, datetime.now(UTC))
        given["User-Agent"] = "longshore"
        return AWSPreparedRequest("POST", self._url, given, body, stream_output=False)


def _base64(value: bytes) -> str:
    """Write bytes as the API's JSON has them."""
    return b64encode(value).decode("ascii")
