"""Requests are signed as botocore signs them, to the letter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from longshore_adapters.sqs.signature import Signature

HEADERS = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage"}
BODY = '{"MessageBody":"ä"}'.encode()


def by_botocore(url: str, credentials: ReadOnlyCredentials) -> dict[str, str]:
    """What the SDK adds, at the time that it takes from its clock."""
    request: Any = AWSRequest("POST", url, HEADERS, BODY)
    SigV4Auth(credentials, "sqs", "eu-west-1").add_auth(request)
    return dict(request.headers.items())


@pytest.mark.parametrize("token", [None, "session/token=="])
@pytest.mark.parametrize(
    "url",
    [
        "https://sqs.eu-west-1.amazonaws.com/",
        "https://sqs.eu-west-1.amazonaws.com:443/",
        "http://127.0.0.1:4566/",
        "http://localhost:8080/a b/",
        "http://[::1]:4566/",
    ],
)
def test_the_headers_are_those_of_botocore(url: str, token: str | None) -> None:
    credentials = ReadOnlyCredentials("AKIA", "secret", token)
    expected = by_botocore(url, credentials)
    now = datetime.strptime(expected["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    signed = Signature(url, "eu-west-1").headers(credentials, HEADERS, BODY, now)

    assert signed == expected


def test_another_day_and_other_credentials_have_keys_of_their_own() -> None:
    signature = Signature("http://127.0.0.1/", "eu-west-1")
    first, second = (ReadOnlyCredentials("AKIA", secret, None) for secret in ("one", "two"))
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2)]

    kept = [signature.headers(who, HEADERS, BODY, day) for who in (first, second) for day in days]

    anew = [
        Signature("http://127.0.0.1/", "eu-west-1").headers(who, HEADERS, BODY, day)
        for who in (first, second)
        for day in days
    ]
    assert kept == anew
    assert len({one["Authorization"] for one in kept}) == 4
