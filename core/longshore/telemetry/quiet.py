"""Quiet for the instruments of others: they are not to trace our own polls and settling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import context as otel_context
from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage] - what all instruments share
    Context,
)

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

_OLD_KEY: Final = "suppress_instrumentation"
"""What instruments looked for before they shared a key; some still do."""


class Quiet:
    """A context manager; what is started inside is quiet too."""

    __slots__ = ("_token",)

    def __init__(self) -> None:
        """Change nothing yet."""
        self._token: Token[Context] | None = None

    def __enter__(self) -> None:
        """Begin."""
        quiet = otel_context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True)
        quiet = otel_context.set_value(_OLD_KEY, True, quiet)  # noqa: FBT003 - a value like any
        self._token = otel_context.attach(quiet)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        if self._token is not None:
            otel_context.detach(self._token)
