"""What S3 answers instead of an object: the message's fault, or nothing that it could help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from longshore.errors import MessageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PASSING: Final = frozenset(
    {"InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown"}
)
_STRANGER: Final = frozenset(
    {
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
"""Codes that say: these credentials, or this host's clock, are good for no object at all."""
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


def refused(answer: Mapping[str, Any], url: str) -> MessageError | UnavailableError:
    """Say what S3 answered: whether asking again may help.

    The codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """
    code: str = answer.get("Error", {}).get("Code", "")
    status: int = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _STRANGER:
        return UnavailableError(
            f"S3 does not accept this worker's credentials for {url[:200]} ({code}); check "
            "profile, keys, session and this host's clock"
        )
    if code in _PASSING or status == _TOO_MANY or status >= _SERVER_ERROR:
        return UnavailableError(f"S3 cannot answer for {url[:200]} now ({code})")
    return MessageError(f"{url[:200]} cannot be fetched ({code})")


def away(error: Exception, url: str) -> UnavailableError:
    """Say that no answer came, or only part of one."""
    return UnavailableError(
        f"S3 does not answer for {url[:200]}: {str(error) or type(error).__name__}"
    )
