"""What the SDK and the service answer, said in Longshore's words, with the next step in each."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import ConfigurationError, LongshoreError, StorageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator

THROTTLED: Final = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
    }
)
"""Codes that say: later. Those of statements lack the `Exception`."""

AWAY: Final = frozenset(
    {"InternalFailure", "InternalServerError", "ServiceUnavailable", "UnknownOperationException"}
)
"""Codes that say: not this time, or not this call."""

MISSING: Final = frozenset({"ResourceNotFound", "ResourceNotFoundException"})
DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException"})
"""The caller may not; somebody may be about to allow it."""
_STRANGER: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)


def missing_sdk(error: ImportError) -> ConfigurationError:
    """The extra is not installed."""
    return ConfigurationError(
        f"dynamodb:// needs the AWS SDK ({error}); run: pip install 'longshore[dynamodb]'"
    )


def refused(code: str, text: str, operation: str, table: str) -> LongshoreError:
    """Find the sentence for a code the service answered."""
    said = f" ({operation}: {code}: {text})"
    if code in THROTTLED:
        return UnavailableError(
            f"the table {table} is throttled; try again, or give it more capacity{said}"
        )
    if code in AWAY or code.startswith("5"):
        return UnavailableError(f"DynamoDB did not answer for the table {table}; try again{said}")
    if code in MISSING:
        return StorageError(
            f"there is no table {table}, or it lacks an index; check region and account, then "
            f"run: longshore init{said}"
        )
    if code in DENIED:
        return UnavailableError(
            f"not allowed: dynamodb:{operation} on the table {table}; add it to the policy of "
            f"this role or user{said}"
        )
    if code in _STRANGER:
        return UnavailableError(
            "AWS does not accept these credentials; check profile, keys, session and this host's "
            f"clock{said}"
        )
    return StorageError(f"the table {table} cannot be used so{said}")


def unrenewed(error: Exception) -> UnavailableError:
    """The credentials have ended, and new ones cannot be had now."""
    return UnavailableError(
        f"AWS credentials cannot be had now: {error}; check the role, the profile, and what gives "
        "it credentials"
    )


class RefusedError(Exception):
    """What the service answered instead of doing what it was asked; `item` is what stands."""

    def __init__(self, code: str, text: str, item: Any = None) -> None:  # noqa: ANN401 - the API's JSON
        """Keep the words of the service."""
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.item = item


def refusal(error: LongshoreError) -> RefusedError | None:
    """Find what the service answered behind an error; None where it did not."""
    cause = error.__cause__
    return cause if isinstance(cause, RefusedError) else None


def code_of(error: LongshoreError) -> str:
    """Find the code the service answered."""
    found = refusal(error)
    return "" if found is None else found.code


@contextmanager
def translate(operation: str, table: str) -> Generator[None]:
    """Turn what the SDK raises into a `LongshoreError`, from the original."""
    # Imported here, since by now the SDK was: importing this package must not import it.
    from botocore.exceptions import (  # noqa: PLC0415 - see above
        BotoCoreError,
        HTTPClientError,
    )
    from botocore.exceptions import ConnectionError as NoConnectionError  # noqa: PLC0415

    try:
        yield
    except RefusedError as error:
        raise refused(error.code, error.text, operation, table) from error
    except (HTTPClientError, NoConnectionError) as error:
        message = f"DynamoDB cannot be reached ({operation} on {table}: {error}); try again"
        raise UnavailableError(message) from error
    except BotoCoreError as error:
        message = f"the AWS configuration cannot be used for {table}: {error}"
        raise ConfigurationError(message) from error
    except OSError as error:
        message = f"DynamoDB cannot be reached ({operation} on {table}: {error!r}); try again"
        raise UnavailableError(message) from error
