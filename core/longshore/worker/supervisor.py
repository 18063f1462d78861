"""Several worker processes under one: forked, watched, replaced, and stopped together.

The children are forked from a parent that has loaded everything and opened nothing: what they
share stays shared, and no connection crosses a fork. The parent runs no loop and no thread.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import socket
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol

from longshore.worker.hangup import HELD_BACK, Hangup

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator
    from types import FrameType

_log = logging.getLogger("longshore.supervisor")

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
_DOUBLINGS: Final = 16
"""More than it takes to the longest pause; what fails for days must not count beyond numbers."""
LIVED: Final = 10.0
"""Seconds after which a child counts as having worked: the next one starts without a pause."""

_BROKEN: Final = 70
_SIGNALLED: Final = 128
STOP: Final = b"s"
PAUSE: Final = b"p"
RESUME: Final = b"r"
_LEAVING: Final = b"l"
_REQUESTS: Final = ("stopping", "hurrying")
_KILLING: Final = "killing"


@dataclass(slots=True)
class Child:
    """A process of ours: its id, our end of the line to it, and when it began (monotonic).

    `place` is its number, the lowest that was free. It is `quiet` once it has said all it says, and
    `succeeded` once another stands in for it.
    """

    pid: int
    line: int
    began: float
    failures: int
    place: int
    quiet: bool = False
    succeeded: bool = False


class Company(Protocol):
    """A process of another kind that the supervisor keeps beside the children."""

    @property
    def every(self) -> float:
        """How often, in seconds, the supervisor is to come round at least."""
        ...

    def tend(self) -> None:
        """Called whenever the supervisor comes round; may fork."""
        ...

    def vacate(self, place: int) -> None:
        """Hear that the child of a place has ended."""
        ...

    def close_in_child(self) -> None:
        """Called in each child, to close what is not its own."""
        ...

    def end(self) -> None:
        """Called when all children have ended."""
        ...


class Supervisor:
    """Keeps `processes` children at work until they end on purpose or a signal comes.

    `serve` runs in each child, is given the line over which the supervisor asks it to stop and the
    child's place, and answers the exit code. It starts with the stop signals blocked, so that none
    is missed, and unblocks them once it listens. A child that ends with 0 is done. One that ends
    with a code of `hopeless` would end so again: all are stopped then. Any other is replaced, at
    once if it had lived a while or ended with a code of `recycled`, and otherwise after a pause
    that grows. One that said over the line that it will take no more (`announce`) is replaced at
    once, while it lets end what runs; there are never more than twice `processes`.

    A first stop signal asks each child once, a second twice, a third kills them. Signals of a
    terminal reach the parent alone: each child has a process group of its own. USR2 and CONT are
    passed on, as a request to pause and to resume. HUP stops the children as a stop signal does;
    `run` returns then with `reload` set, unless a stop signal came after it.
    """

    def __init__(
        self,
        serve: Callable[[int, int], int],
        processes: int,
        *,
        recycled: Collection[int] = (),
        hopeless: Collection[int] = (),
        company: Company | None = None,
    ) -> None:
        """Start nothing yet."""
        self._serve = serve
        self._company = company
        self._processes = processes
        self._recycled = frozenset(recycled)
        self._hopeless = frozenset(hopeless)
        self._children: dict[int, Child] = {}
        self._due: list[tuple[float, int]] = []
        self._heard = self._asked = 0
        self._hangup = Hangup()
        self._paused = self._told_paused = False
        self.reload = False
        self._worst = 0

    def run(self) -> int:
        """Serve until all children have ended; answer the worst of their exit codes."""
        gc.collect()
        gc.freeze()
        with self._hearing() as wakeup, self._accompanied():
            self._due = [(0.0, 0)] * self._processes
            while self._due or self._children:
                if self._company is not None:
                    self._company.tend()
                self._start_due()
                for child in self._wait(wakeup):
                    self._listen(child)
                if self._told_paused != self._paused:
                    self._pass_on_pause()
                while self._asked < self._heard:
                    self._ask()
                self._reap()
        return self._worst

    def _start_due(self) -> None:
        now = time.monotonic()
        ready = [each for each in self._due if each[0] <= now]
        self._due = [each for each in self._due if each[0] > now]
        for _, failures in ready:
            try:
                self._start(failures)
            except OSError as error:
                _log.warning("a worker process could not be started, trying again: %s", error)
                self._start_later(failures + 1)

    def _start_later(self, failures: int) -> None:
        """Have a child started after a pause that grows with what failed before."""
        pause = FIRST_PAUSE * 2 ** min(failures - 1, _DOUBLINGS) if failures else 0.0
        self._due.append((time.monotonic() + min(pause, LONGEST_PAUSE), failures))

    def _start(self, failures: int) -> None:
        """Fork a child; `OSError` where no process or no line to it is to be had now."""
        taken = {child.place for child in self._children.values()}
        place = next(each for each in count() if each not in taken)
        theirs, ours = (end.detach() for end in socket.socketpair())
        _flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            pid = os.fork()
        except OSError:
            os.close(ours)
            raise
        else:
            if not pid:
                self._become_child(theirs, ours, place)
        finally:  # in the parent alone
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            os.close(theirs)
        self._children[pid] = Child(pid, ours, time.monotonic(), failures, place)
        if self._told_paused:
            _say(self._children[pid], PAUSE)
        _log.info("worker process %d started", pid)

    def _become_child(self, theirs: int, ours: int, place: int) -> None:
        """Serve in the new process; never returns."""
        code = _BROKEN
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            for each in (*STOP_SIGNALS, signal.SIGCHLD, signal.SIGCONT):
                signal.signal(each, signal.SIG_DFL)
            for each in (signal.SIGHUP, signal.SIGUSR2):
                signal.signal(each, signal.SIG_IGN)
            # With one of these open the line of a sibling would not end with the parent.
            for line in (ours, *(child.line for child in self._children.values())):
                os.close(line)
            if self._company is not None:
                self._company.close_in_child()
            code = self._serve(theirs, place)
        except BaseException:  # noqa: BLE001 - the process ends here, whatever it was
            _log.exception("a worker process failed")
        finally:
            logging.shutdown()
            _flush()
            os._exit(code)

    def _wait(self, wakeup: int) -> list[Child]:
        """Wait for a signal, or for a start that is due; answer which children said something."""
        if not self._children and not self._due:
            return []
        soonest = min((at for at, _ in self._due), default=None)
        left = None if soonest is None else max(soonest - time.monotonic(), 0.0) * 1000
        if self._company is not None:
            every = self._company.every * 1000
            left = every if left is None else min(every, left)
        talking = {child.line: child for child in self._children.values() if not child.quiet}
        poll = select.poll()
        for line in (wakeup, *talking):
            poll.register(line, select.POLLIN)
        readable = {line for line, _ in poll.poll(left)}
        if wakeup in readable:
            with suppress(BlockingIOError):
                os.read(wakeup, 1024)
        return [child for line, child in talking.items() if line in readable]

    def _listen(self, child: Child) -> None:
        """Have a child replaced that says it leaves; one that is gone says nothing."""
        child.quiet = True
        with suppress(ConnectionError):
            if os.read(child.line, 1) == _LEAVING:
                self._succeed(child)

    def _succeed(self, child: Child) -> None:
        """Start the successor of one that leaves; where too many leave, it waits for its end."""
        leaving = sum(each.succeeded for each in self._children.values())
        if not self._asked and leaving < self._processes:
            child.succeeded = True
            self._due.append((time.monotonic(), 0))
            _log.info("worker process %d takes no more, another takes its place", child.pid)

    def _reap(self) -> None:
        for child in list(self._children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                del self._children[pid]
                os.close(child.line)
                if self._company is not None:
                    self._company.vacate(child.place)
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        said = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        _log.log(
            logging.WARNING if code else logging.INFO,
            "worker process %d ended %s",
            child.pid,
            said,
        )
        if self._asked or code == 0 or code in self._hopeless:
            self._worst = max(self._worst, _SIGNALLED - code if code < 0 else code)
            if code in self._hopeless and not self._asked:
                self._ask()
            return
        if child.succeeded:
            return
        lived = time.monotonic() - child.began >= LIVED
        failures = 0 if lived or code in self._recycled else child.failures + 1
        self._start_later(failures)

    def _ask(self) -> None:
        """Pass a request to stop on to the children; from the third on they are killed."""
        kill = self._asked >= len(_REQUESTS)
        _log.info(
            "%s %d worker processes",
            _KILLING if kill else _REQUESTS[self._asked],
            len(self._children),
        )
        self._asked += 1
        self._due.clear()
        for child in self._children.values():
            if kill:
                os.kill(child.pid, signal.SIGKILL)
            else:
                _say(child, STOP)

    def _pass_on_pause(self) -> None:
        self._told_paused = self._paused
        word, byte = ("pausing", PAUSE) if self._paused else ("resuming", RESUME)
        _log.info("%s %d worker processes", word, len(self._children))
        for child in self._children.values():
            _say(child, byte)

    @contextmanager
    def _accompanied(self) -> Generator[None]:
        try:
            yield
        finally:
            if self._company is not None:
                self._company.end()

    @contextmanager
    def _hearing(self) -> Generator[int]:
        """Hear stop signals and the ends of children; answers what becomes readable by them."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        before = {each: signal.signal(each, self._hear) for each in STOP_SIGNALS}
        for each in (signal.SIGUSR2, signal.SIGCONT):
            before[each] = signal.signal(each, self._hear_pause)
        if not self._hangup.ignored:
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._hear_hangup)
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _notice)
        woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
        try:
            yield reading
        finally:
            signal.set_wakeup_fd(woken)
            for each, handler in before.items():
                signal.signal(each, handler)
            os.close(reading)
            os.close(writing)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        """Only count: a handler may run while a child is being started."""
        self._heard += not self.reload
        self.reload = False

    def _hear_hangup(self, _number: int, _frame: FrameType | None) -> None:
        if not self._heard:
            self.reload = self._hangup.reloads()
            self._heard = 1

    def _hear_pause(self, number: int, _frame: FrameType | None) -> None:
        self._paused = number == signal.SIGUSR2


def announce(line: int) -> None:
    """Say in a child that it takes no more tasks, and that another may begin."""
    with suppress(ConnectionError):
        os.write(line, _LEAVING)


def _say(child: Child, byte: bytes) -> None:
    """Ask something of a child; one that is gone hears nothing."""
    with suppress(ConnectionError):
        os.write(child.line, byte)


def _notice(_number: int, _frame: FrameType | None) -> None:
    """Only to be called, so that the wake-up is written."""


def _flush() -> None:
    """Leave nothing to be written twice; a terminal that is gone takes nothing, and ends nobody."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
