"""The formats of messages that a queue may be told to read, in the order they are tried."""

from __future__ import annotations

from typing import Final

FORMATS: Final = ("cloudevents", "sns", "eventbridge", "s3", "pointer", "celery", "plain")
OPT_IN: Final = frozenset({"pointer", "celery"})
"""What is read only where a queue asks for it: one makes the worker fetch what the message points
at, the other takes over what another system would run."""
DEFAULT_FORMATS: Final = tuple(name for name in FORMATS if name not in OPT_IN)
