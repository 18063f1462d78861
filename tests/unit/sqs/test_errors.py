from __future__ import annotations

import pytest

from longshore.errors import (
    ConfigurationError,
    LeaseLostError,
    LongshoreError,
    TooLargeError,
    UnavailableError,
    UnsupportedError,
)
from longshore_adapters.sqs.errors import Rejected, refused_entry, translated

VISIBLE = "Value r for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not"
TOTAL = "Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"


@pytest.mark.parametrize(
    ("code", "message", "status", "kind", "says"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "", 400, UnavailableError, "longshore init"),
        ("com.amazonaws.sqs#QueueDoesNotExist", "", 400, UnavailableError, "longshore init"),
        ("AccessDenied", "", 403, UnavailableError, "sqs:SendMessage on"),
        ("AccessDeniedException", "", 400, UnavailableError, "sqs:SendMessage on"),
        ("KMS.DisabledException", "", 400, UnavailableError, "key's"),
        ("KmsThrottled", "", 400, UnavailableError, "did not carry out"),
        ("ExpiredToken", "", 403, UnavailableError, "credentials"),
        ("RequestThrottled", "", 403, UnavailableError, "did not carry out"),
        ("AWS.SimpleQueueService.PurgeQueueInProgress", "", 403, UnavailableError, "carry out"),
        ("Anything", "", 503, UnavailableError, "did not carry out"),
        ("ReceiptHandleIsInvalid", "", 404, LeaseLostError, "lost"),
        ("MessageNotInflight", "", 400, LeaseLostError, "lost"),
        ("InvalidParameterValue", VISIBLE, 400, LeaseLostError, "lost"),
        ("InvalidParameterValue", TOTAL, 400, UnsupportedError, "12:00:00"),
        ("BatchRequestTooLong", "", 400, TooLargeError, "1,048,576"),
        ("InvalidMessageContents", "", 400, ConfigurationError, "refused"),
    ],
)
def test_each_answer_of_aws_has_a_name_of_ours(
    code: str, message: str, status: int, kind: type[LongshoreError], says: str
) -> None:
    error = translated(Rejected(code, message, status=status), "SendMessage", "q")

    assert isinstance(error, kind)
    assert says in str(error)


def test_an_entry_refused_for_a_bad_handle_is_its_sender_s_fault_whoever_says_otherwise() -> None:
    entry = {"Id": "0", "SenderFault": False, "Code": "InvalidParameterValueException"}

    assert not refused_entry(entry).is_passing
    assert refused_entry({**entry, "Code": "InternalError"}).is_passing
