"""Calls to the service: the SDK's session, signature and connections, without its machinery.

A call through a client of the SDK takes 2 ms of CPU, most of it in hooks, rules and models that say
the same each time. DynamoDB's protocol is a signed POST of JSON, and the request is written here
as the API's JSON already; so that only signing and sending are left, less than half of that.
Retries are those of the SDK's `standard` mode.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from contextlib import asynccontextmanager, suppress
from random import random
from typing import TYPE_CHECKING, Any, Final

from longshore_adapters.dynamodb.credentials import new_session
from longshore_adapters.dynamodb.errors import AWAY, THROTTLED, RefusedError, unrenewed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from longshore_adapters.dynamodb.options import Options

VERSION: Final = "DynamoDB_20120810."
"""The API's version, in front of each operation's name."""
POOL: Final = 32
ATTEMPTS: Final = 4
_LONGEST_WAIT: Final = 20
_TIMEOUTS: Final[Any] = (5, 10)
"""Seconds to connect, and between two pieces of an answer."""
_OK: Final = 200
_SERVER_ERRORS: Final = 500


class Transport:
    """One loop's connections."""

    def __init__(self, session: Any, url: str, region: str, http: Any) -> None:  # noqa: ANN401 - the SDK's own classes
        """Send to `url`, signed with the session's credentials."""
        self._session = session
        self._url = url
        self._region = region
        self._http = http

    async def call(
        self, operation: str, asked: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str, int]:
        """Call; answer what came, the service's date, and how many requests that took.

        Raises `RefusedError` for what the service refuses, and the SDK's own errors where it
        cannot be reached.
        """
        from botocore.exceptions import ConnectionError as NoConnectionError  # noqa: PLC0415
        from botocore.exceptions import HTTPClientError  # noqa: PLC0415 - by now it is loaded

        body = json.dumps(asked, default=_base64, separators=(",", ":")).encode()
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                status, headers, content = await self._send(operation, body)
            except (HTTPClientError, NoConnectionError):
                if last:
                    raise
            else:
                if status == _OK:
                    return json.loads(content), headers.get("date", ""), attempt
                error = _refusal(status, content)
                if last or not (status >= _SERVER_ERRORS or error.code in THROTTLED):
                    raise error
            await asyncio.sleep(random() * min(2**attempt / 2, _LONGEST_WAIT))  # noqa: S311 - spreads
        raise AssertionError  # pragma: no cover - the last attempt answered or raised

    async def _send(self, operation: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - by now it is loaded
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - by now it is loaded

        credentials = await self._credentials()
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "User-Agent": "longshore",
            "X-Amz-Target": f"{VERSION}{operation}",
        }
        request = AWSRequest("POST", self._url, headers, body)
        SigV4Auth(credentials, "dynamodb", self._region).add_auth(request)
        response = await self._http.send(request.prepare())
        return response.status_code, response.headers, await response.content

    async def _credentials(self) -> Any:  # noqa: ANN401 - the SDK's own class
        """Give those of now; renewing them may fail, and be done a moment later."""
        from botocore.exceptions import (  # noqa: PLC0415 - by now it is loaded
            ClientError,
            CredentialRetrievalError,
            NoCredentialsError,
        )

        try:
            credentials = await self._session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            return await credentials.get_frozen_credentials()
        except (ClientError, CredentialRetrievalError) as error:
            raise unrenewed(error) from error


@asynccontextmanager
async def open_transport(options: Options) -> AsyncGenerator[Transport]:
    """Find out where the service is and who is calling, as the AWS configuration says."""
    session = await new_session(options)
    from aiobotocore.httpsession import AIOHTTPSession  # noqa: PLC0415 - SDKs load when opening
    from botocore.utils import get_environ_proxies  # noqa: PLC0415 - SDKs load when opening

    client = session.create_client(
        "dynamodb", region_name=options.region, endpoint_url=options.endpoint_url
    )
    async with client as found:
        url, region = found.meta.endpoint_url, found.meta.region_name
    http = AIOHTTPSession(
        verify=session.get_config_variable("ca_bundle") or True,
        proxies=get_environ_proxies(url),
        timeout=_TIMEOUTS,
        max_pool_connections=POOL,
    )
    async with http:
        yield Transport(session, f"{url.rstrip('/')}/", region, http)


def _base64(value: bytes) -> str:
    """Write bytes as the API's JSON has them; what was read is left as it came."""
    return b64encode(value).decode("ascii")


def _refusal(status: int, content: bytes) -> RefusedError:
    said: dict[str, Any] = {}
    with suppress(ValueError, TypeError):
        said = dict(json.loads(content))
    code = str(said.get("__type", "")).rpartition("#")[2]
    if not code or (status >= _SERVER_ERRORS and code not in AWAY):
        code = str(status)
    text = str(said.get("message") or said.get("Message") or "")
    return RefusedError(code, text, said.get("Item"))
