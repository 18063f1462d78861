"""Signature Version 4 of a POST: pure, and with its key kept for the day that it is good for."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_PORTS: Final = {"http": 80, "https": 443}


class Signature:
    """Signs requests to one address, as botocore does; safe for use by several threads."""

    def __init__(self, url: str, region: str, service: str = "sqs") -> None:
        """Sign for `service` in `region`."""
        parts = urlsplit(url)
        port = parts.port if parts.port != _PORTS.get(parts.scheme) else None
        self.host = parts.hostname or ""
        if ":" in self.host:
            self.host = f"[{self.host}]"
        if port is not None:
            self.host += f":{port}"
        self._path = quote(parts.path or "/", safe="/-_.~")
        self._scope = f"{region}/{service}/aws4_request"
        self._kept: tuple[str, str, bytes] = ("", "", b"")

    def headers(
        self,
        credentials: Any,  # noqa: ANN401 - the SDK's own
        headers: Mapping[str, str],
        body: bytes,
        now: datetime,
    ) -> dict[str, str]:
        """Answer the headers with what proves them; all given are signed. `now` is in UTC."""
        moment = now.strftime("%Y%m%dT%H%M%SZ")
        signed = {**headers, "X-Amz-Date": moment}
        if credentials.token:
            signed["X-Amz-Security-Token"] = credentials.token
        lines = sorted(
            f"{name.lower()}:{value}" for name, value in signed.items() | {("host", self.host)}
        )
        names = ";".join(line.partition(":")[0] for line in lines)
        content = hashlib.sha256(body).hexdigest()
        request = "\n".join(["POST", self._path, "", *lines, "", names, content])
        scope = f"{moment[:8]}/{self._scope}"
        digest = hashlib.sha256(request.encode()).hexdigest()
        key = self._key_of(credentials.secret_key, moment[:8])
        proof = _mac(key, f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}").hex()
        signed["Authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={proof}"
        )
        return signed

    def _key_of(self, secret: str, day: str) -> bytes:
        """Derive the key of a day; two threads may both do so, and come to the same."""
        kept_secret, kept_day, key = self._kept
        if (kept_secret, kept_day) != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, *self._scope.split("/")):
                key = _mac(key, part)
            self._kept = (secret, day, key)
        return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
