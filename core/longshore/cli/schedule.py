"""`longshore schedule`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from longshore.cli.command import Command, option
from longshore.cli.work import configure_log

if TYPE_CHECKING:
    from longshore.cli.invocation import Invocation
    from longshore.ports import Ports
    from longshore.scheduler import Scheduler, Tally


@click.command(
    "schedule",
    cls=Command,
    examples=(
        "schedule",
        "schedule --once",
        "schedule --once --json | jq .pruned",
    ),
)
@option("--once", is_flag=True, help="Do what there is to do now, say what was done, and end.")
@click.pass_obj
def schedule(invocation: Invocation, *, once: bool) -> None:
    """Run the scheduler alone, beside workers or without any.

    Publishes tasks that are due, ends those that have expired, makes lost messages anew, and
    removes tasks that were kept long enough. Each worker does the same; of all that share a
    store one leads, and the others wait for it to fail.

    TERM, INT or QUIT ends it once what it is at is done; a second signal ends it at once. The
    log goes to standard error. With --once it works whoever leads.
    """
    from longshore.cli.exporting import exporting  # noqa: PLC0415 - pydantic is slow to import
    from longshore.scheduler import Scheduler  # noqa: PLC0415 - asyncio is slow to import
    from longshore.wiring import scheduler_options  # noqa: PLC0415 - as above

    loaded = invocation.load()
    settings = loaded.settings
    configure_log(invocation, loaded)

    async def work(ports: Ports) -> Tally:
        scheduler = Scheduler(ports, options=scheduler_options(settings))
        return await (scheduler.once() if once else _until_stopped(scheduler))

    with exporting(settings) as telemetry:
        tally = invocation.with_ports(work, settings, telemetry)
    _say(invocation, tally, once=once)


async def _until_stopped(scheduler: Scheduler) -> Tally:
    """Run until a signal asks to stop; the next one does what it does by itself."""
    import asyncio  # noqa: PLC0415 - slow to import
    import signal  # noqa: PLC0415 - only where one is waited for

    from longshore.cli.serving import STOP_SIGNALS  # noqa: PLC0415 - imports the worker

    loop = asyncio.get_running_loop()

    def stop() -> None:
        deafen()
        scheduler.stop()

    def deafen() -> None:
        for each in STOP_SIGNALS:
            loop.remove_signal_handler(each)

    for each in STOP_SIGNALS:
        loop.add_signal_handler(each, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    try:
        await scheduler.run()
    finally:
        deafen()
    return scheduler.tally


def _say(invocation: Invocation, tally: Tally, *, once: bool) -> None:
    output = invocation.output
    if output.json:
        output.document(asdict(tally))
        return
    words = (
        f"{tally.published} published, {tally.expired} expired, {tally.postponed} still running",
        f"{tally.armed} messages made anew, {tally.undeliverable} tasks failed as undeliverable",
        f"{tally.bodiless} lost that cannot be sent again, {tally.pruned} removed",
    )
    for line in words:
        (output.line if once else output.note)(line)
