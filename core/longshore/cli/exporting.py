"""Telemetry of a command: set up before it opens anything, exported before it ends."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from longshore.wiring import telemetry_for

if TYPE_CHECKING:
    from collections.abc import Generator

    from longshore.settings import Settings
    from longshore.telemetry import Telemetry


@contextmanager
def exporting(settings: Settings, *, counting: bool = False) -> Generator[Telemetry | None]:
    """Give log records to OpenTelemetry while inside, where asked for; export all at the end.

    `counting` keeps metrics to be read in this process.
    """
    telemetry = telemetry_for(settings, counting=counting)
    if telemetry is None:
        yield None
        return
    handler, ours = telemetry.handler, logging.getLogger("longshore")
    loggers = (logging.getLogger(),) if ours.propagate else (logging.getLogger(), ours)
    with ExitStack() as stack:
        stack.callback(telemetry.close)
        if handler is not None:
            for each in loggers:
                each.addHandler(handler)
                stack.callback(each.removeHandler, handler)
        yield telemetry
