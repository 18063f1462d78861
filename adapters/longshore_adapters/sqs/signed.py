"""Requests of code without an event loop: signed and sent, without a client's machinery.

A request through boto3 takes 1.4 ms of CPU, most of it in hooks, rules and models that say the
same each time; signing and sending take a tenth of that. Whatever is not plainly answered is left
to the client, with its retries, its clock correction and its errors: an extra copy of a message is
one task by the log.
"""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from longshore_adapters.sqs.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Mapping

TARGET: Final = "AmazonSQS."


class Signed:
    """A service's signed POST of JSON. Safe for use by several threads; of one process."""

    def __init__(self, session: Any, client: Any) -> None:  # noqa: ANN401 - the SDK's own classes
        """Send where `client` does, with the credentials of `session`."""
        from botocore.exceptions import (  # noqa: PLC0415 - by now the SDK is loaded
            BotoCoreError,
            ClientError,
        )

        from longshore_adapters.sqs.posts import posts_to  # noqa: PLC0415 - as above

        self._failures = (BotoCoreError, ClientError, OSError, ValueError)
        url = f"{client.meta.endpoint_url.rstrip('/')}/"
        self._signature = Signature(url, client.meta.region_name)
        self._session = session
        self._posts = posts_to(url, session.get_config_variable("ca_bundle") or True)

    def call(self, operation: str, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Ask once; None where the client is to ask in our place."""
        body = _JSON.encode(asked).encode()
        try:
            content = self._posts.send(self._headers(operation, body), body)
            answer: Mapping[str, Any] | None = json.loads(content) if content else None
        except self._failures:
            return None
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._posts.close()

    def _headers(self, operation: str, body: bytes) -> Mapping[str, str]:
        credentials = self._session.get_credentials()
        if credentials is None:
            message = "no credentials were found"
            raise ValueError(message)
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"{TARGET}{operation}",
        }
        frozen = credentials.get_frozen_credentials()
        signed = self._signature.headers(frozen, headers, body, datetime.now(UTC))
        return {"Host": self._signature.host, "User-Agent": "longshore", **signed}


def _base64(value: bytes) -> str:
    """Write bytes as the API's JSON has them."""
    return b64encode(value).decode("ascii")


_JSON: Final = json.JSONEncoder(default=_base64, separators=(",", ":"))
