"""Going on with a trace in a child process, which exports its spans itself."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from longshore.telemetry.options import TelemetryOptions
from longshore.telemetry.process import telemetry_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from longshore.context import Context
    from longshore.telemetry.carrier import Carrier

_log = logging.getLogger("longshore.telemetry")


@contextmanager
def following(carrier: Carrier | None, ctx: Context) -> Generator[None]:
    """Be under a span of the parent process, whose handler runs here; its trace breaks no task.

    Spans leave soon after they end, because a child may be killed at any time.
    """
    if carrier is None:
        yield
        return
    try:
        telemetry_of("on" if carrier.exported else "auto", TelemetryOptions(), child=True)
        from longshore.telemetry.entering import enter  # noqa: PLC0415 - imports OpenTelemetry

        leave = enter(carrier, ctx)
    except Exception:  # noqa: BLE001 - a task runs, whatever its trace may come to
        _log.warning("the trace of a task ends before its child process", exc_info=True)
        yield
        return
    try:
        yield
    finally:
        leave()
