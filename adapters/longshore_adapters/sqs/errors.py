"""What AWS answers, said in Longshore's words: tables of codes, and the next step in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from longshore.errors import (
    ConfigurationError,
    LeaseLostError,
    LongshoreError,
    TooLargeError,
    UnavailableError,
)
from longshore_adapters.sqs.limits import MAX_MESSAGE, MAX_VISIBILITY, unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

MISSING: Final = frozenset({"NonExistentQueue", "QueueDoesNotExist"})
_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "KmsAccessDenied", "UnauthorizedOperation"}
)
_CREDENTIALS: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_LOST: Final = frozenset({"InvalidIdFormat", "MessageNotInflight", "ReceiptHandleIsInvalid"})
_BUSY: Final = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "KmsThrottled",
        "OverLimit",
        "PurgeQueueInProgress",
        "QueueDeletedRecently",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_TOO_LARGE: Final = frozenset({"BatchRequestTooLong", "MessageTooLong"})
_CEILING: Final = "Total VisibilityTimeout"
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429


class QueueMissingError(UnavailableError):
    """The queue is not there: not declared yet, or deleted, and maybe about to come back."""


class DeniedError(UnavailableError):
    """The caller is not allowed to; somebody may be about to allow it."""


class Rejected:
    """An error answer of AWS, as data: of a whole request, or of one entry of a batch."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        """Strip the code of the name spaces that protocol and emulators put before it."""
        self.code = code.rpartition("#")[2].rpartition(".")[2]
        self.of_kms = "kms" in code.lower()
        self.message = message
        self.status = status

    @property
    def is_passing(self) -> bool:
        """Whether the same request may well succeed a moment later."""
        return self.code in _BUSY or self.status >= _SERVER_ERROR or self.status == _TOO_MANY


def rejected(response: Mapping[str, Any]) -> Rejected:
    """Read the error answer of a whole request."""
    error, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    status = meta.get("HTTPStatusCode", 400)
    return Rejected(str(error.get("Code", "")), str(error.get("Message", "")), status=status)


def refused_entry(entry: Mapping[str, Any]) -> Rejected:
    """Read the error answer of one entry. Emulators take the blame for bad handles, too."""
    code = str(entry.get("Code", ""))
    at_fault = entry.get("SenderFault", False) or "Invalid" in code
    status = 400 if at_fault else _SERVER_ERROR
    return Rejected(code, str(entry.get("Message", "")), status=status)


def translated(answer: Rejected, operation: str, queue: str) -> LongshoreError:
    """Say what the answer means for a caller."""
    said = f"{answer.code}: {answer.message}"[:500]
    if answer.code in MISSING:
        return QueueMissingError(
            f"the SQS queue {queue!r} does not exist; make it with: longshore init "
            "(a queue made again after it was deleted is there after a minute)"
        )
    if answer.code in _DENIED or (answer.of_kms and not answer.is_passing):
        return DeniedError(
            f"AWS does not allow sqs:{operation} on the queue {queue!r}; allow that action in the "
            f"caller's IAM policy, and the queue's and key's ({said})"
        )
    if answer.code in _CREDENTIALS:
        return UnavailableError(
            f"AWS does not accept these credentials for sqs:{operation}; renew or correct them, "
            f"and check the clock ({said})"
        )
    if answer.is_passing:
        return UnavailableError(f"SQS did not carry out {operation} on {queue!r} ({said})")
    return _of_a_message(answer, operation, queue, said)


def unreached(error: BaseException, operation: str) -> UnavailableError:
    """Say that no answer came."""
    name = type(error).__name__
    return UnavailableError(
        f"SQS was not reached for {operation}: {name}: {error}; check region, endpoint_url, the "
        "network, and that credentials can be had"
    )


def _of_a_message(answer: Rejected, operation: str, queue: str, said: str) -> LongshoreError:
    if _CEILING in answer.message:
        return unsupported(f"holding a message for longer than {MAX_VISIBILITY}", said)
    if answer.code in _LOST or "receipt" in answer.message.lower():
        return LeaseLostError(f"a message of the queue {queue!r}")
    if answer.code in _TOO_LARGE:
        what = f"the message ({said})"
        return TooLargeError(what, MAX_MESSAGE + 1, MAX_MESSAGE, "the limit of SQS")
    return ConfigurationError(f"SQS refused {operation} on the queue {queue!r}: {said}")
