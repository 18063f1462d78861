from __future__ import annotations

import pytest

from longshore.errors import ConfigurationError, UnavailableError
from longshore_adapters.rabbitmq.errors import QueueMissingError, RefusedError, said, unreached


@pytest.mark.parametrize(
    ("code", "text", "kind", "words"),
    [
        (404, "NOT_FOUND - no queue 'q' in vhost '/'", QueueMissingError, "longshore init"),
        (403, "ACCESS_REFUSED - access to queue refused", UnavailableError, "list_permissions"),
        (
            406,
            (
                "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. "
                "Timeout value used: 1800000 ms."
            ),
            UnavailableError,
            "consumer_timeout",
        ),
        (406, "PRECONDITION_FAILED - unknown delivery tag 99", UnavailableError, "ended"),
        (
            406,
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-max-priority' for queue 'q' in "
                "vhost '/': received '2' but current is none"
            ),
            ConfigurationError,
            "x-max-priority",
        ),
        (406, "PRECONDITION_FAILED - message size is too large", ConfigurationError, "refused"),
    ],
)
def test_a_closed_channel_is_said_with_what_it_means(
    code: int, text: str, kind: type[Exception], words: str
) -> None:
    error = said(code, text, "q")

    assert type(error) is kind
    assert words in str(error)


def test_a_wrong_password_is_told_from_a_network_that_is_away() -> None:
    refused = unreached(ConnectionError("ACCESS_REFUSED - Login was refused"), "broker:5672")
    away = unreached(ConnectionRefusedError(111, "Connection refused"), "broker:5672")

    assert (type(refused), type(away)) == (RefusedError, UnavailableError)
