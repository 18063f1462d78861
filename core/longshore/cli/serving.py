"""One worker process: the ports, the worker, and the signals that stop it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from longshore.cli.admin import Admin
from longshore.cli.exit import code_of_stop
from longshore.cli.exporting import exporting
from longshore.errors import ConfigurationError
from longshore.wiring import check_waits, open_ports, policy_of
from longshore.worker import Worker
from longshore.worker.hangup import HELD_BACK, Hangup, begin_anew
from longshore.worker.supervisor import PAUSE, RESUME, STOP, announce

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator

    from longshore.definition import TaskRegistry
    from longshore.settings import Settings
    from longshore.telemetry import Telemetry
    from longshore.worker import Stopped, WorkerOptions

_log = logging.getLogger("longshore.worker")
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_MOST: Final = 2
_ALONE: Final = (
    "the log lives inside one process, so several would share nothing; use --processes 1, or set "
    "LONGSHORE_URL, e.g. sqlite:///longshore.db"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Runs a worker in this process until it ends, once.

    `options` is called in the process that runs the worker: its name holds the process's id.
    `hangup` is made where this is, before a fork: a child may begin when the terminal has gone.
    """

    settings: Settings
    registry: TaskRegistry
    options: Callable[[], WorkerOptions]
    tell: Callable[[Stopped], None]
    hangup: Hangup = field(default_factory=Hangup)

    def __call__(self, lifeline: int | None = None, listener: socket.socket | None = None) -> int:
        """Serve, and answer the exit code.

        `lifeline` is the line to the supervisor, `listener` where probes are answered.
        """
        gc.collect()
        gc.freeze()  # what is loaded stays: the collector need not look at it again
        admin = Admin(self.settings, listener)
        with (
            exporting(self.settings, counting=admin.on) as telemetry,
            admin.answering(telemetry),
        ):
            return asyncio.run(self._serve(lifeline, admin, telemetry))

    async def _serve(self, lifeline: int | None, admin: Admin, telemetry: Telemetry | None) -> int:
        settings = self.settings
        async with admin.beating(), open_ports(settings, telemetry=telemetry) as ports:
            # A log that lives in this process has to be renewed through the same ports.
            shared = ports.task_log.capabilities.shared
            if lifeline is not None and not shared:
                raise ConfigurationError(_ALONE)
            policy, options = policy_of(settings), self.options()
            check_waits(ports, policy, options.queues)
            worker = Worker(
                ports,
                self.registry,
                policy,
                options,
                open_ports=(lambda: open_ports(settings, telemetry=telemetry)) if shared else None,
                pulse=admin.pulse,
            )
            with stopping(worker, self.hangup, lifeline) as asked, announcing(worker, lifeline):
                async with admin.asking(ports):
                    stopped = await worker.run()
        code = code_of_stop(stopped.reason)
        self.hangup.let_go()  # else what cannot be written would become the exit code
        self.tell(stopped)
        if telemetry is not None:  # what follows may leave without looking back
            telemetry.close()
        if asked.reload or (stopped.reason == "stuck" and lifeline is None):
            begin_anew()
        if stopped.stuck:
            leave(code)
        return code


@contextmanager
def announcing(worker: Worker, lifeline: int | None) -> Generator[None]:
    """Let the supervisor know when the worker takes no more, so that another may begin."""
    if lifeline is None:
        yield
        return

    async def tell(line: int) -> None:
        await worker.leaving.wait()
        announce(line)

    telling = asyncio.ensure_future(tell(lifeline))
    try:
        yield
    finally:
        telling.cancel()


@contextmanager
def stopping(worker: Worker, hangup: Hangup, lifeline: int | None = None) -> Generator[Asked]:
    """Drain at the first stop signal, hurry at the second; the third ends the process.

    USR2 pauses, CONT resumes, and HUP drains and then begins anew, which is the supervisor's
    matter where there is one.
    """
    asked = Asked(worker, hangup)
    loop = asyncio.get_running_loop()
    for each in STOP_SIGNALS:
        loop.add_signal_handler(each, asked.by_signal)
    steering = {signal.SIGUSR2: worker.steering.pause, signal.SIGCONT: worker.steering.resume}
    if lifeline is None and not asked.hangup.ignored:
        steering[signal.SIGHUP] = asked.by_hangup
    for number, heard in steering.items():
        loop.add_signal_handler(number, heard)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    if lifeline is not None:
        loop.add_reader(lifeline, asked.by_pipe, lifeline)
    try:
        yield asked
    finally:
        asked.deafen()
        for number in steering:
            loop.remove_signal_handler(number)
        if lifeline is not None:
            loop.remove_reader(lifeline)


class Asked:
    """How often the worker was asked to stop: by signals, or by its supervisor, who counts too.

    What comes both ways is the same request: a signal to the whole group is passed on by the
    supervisor as well, in either order. So the larger count holds.
    """

    def __init__(self, worker: Worker, hangup: Hangup) -> None:
        """Nobody has asked."""
        self._worker = worker
        self._asked = self._signals = self._bytes = 0
        self.hangup = hangup
        self.reload = False

    def by_signal(self) -> None:
        """A signal came. After a HUP the first says only that nothing is to begin anew."""
        self._signals += not self.reload
        self.reload = False
        self._ask()

    def by_hangup(self) -> None:
        """A HUP came: drain, and begin anew unless the terminal has gone."""
        if not self._asked:
            self.reload = self.hangup.reloads()
            self._signals = 1
            self._ask()

    def by_pipe(self, pipe: int) -> None:
        """The supervisor asked something, a byte each; or it died, and the line ended."""
        try:
            heard = os.read(pipe, 16)
        except ConnectionResetError:  # it died before it heard what was said to it
            heard = b""
        if not heard:
            asyncio.get_running_loop().remove_reader(pipe)
            self._bytes = max(self._bytes, 1)
        self._bytes += heard.count(STOP)
        self.hangup.let_go()
        for byte in heard:
            if byte in PAUSE:
                self._worker.steering.pause()
            elif byte in RESUME:
                self._worker.steering.resume()
        self._ask()

    def deafen(self) -> None:
        """Leave the next signal to what it does by itself."""
        loop = asyncio.get_running_loop()
        for each in STOP_SIGNALS:
            loop.remove_signal_handler(each)

    def _ask(self) -> None:
        while self._asked < min(max(self._signals, self._bytes), _MOST):
            self._asked += 1
            if self._asked == _MOST:
                _log.info("stopping at once: running tasks are interrupted and given back")
                self.deafen()
            else:
                _log.info("stopping: running tasks may end; a second signal interrupts them")
            self._worker.stop()


def leave(code: int) -> None:
    """End the process without waiting for threads that cannot be stopped."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
