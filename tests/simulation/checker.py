"""Reads a history and says which promise it breaks: pure, and independent of the code under test.

The invariants are those of the model (I1 to I8, protocol.md beside it), read off what servers
wrote and handlers did. The checker keeps its own account of attempts, rescues and messages, and
compares.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from longshore.protocol import MARGIN
from longshore.task import FINAL, HELD, OPEN, TaskState
from tests.simulation.history import (
    Began,
    Buried,
    Ended,
    Enqueued,
    Extended,
    Fault,
    Gone,
    Operated,
    Removed,
    Sent,
    Wrote,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from longshore.identity import TaskId
    from longshore.task import Attempt, Task
    from tests.simulation.history import Ending, Event
    from tests.simulation.plan import Plan

_S: Final = TaskState
_FINISHING: Final = frozenset({"finish", "settle"})
_ENDS_ITSELF: Final[Mapping[str, frozenset[TaskState]]] = {
    "ok": frozenset({_S.SUCCEEDED}),
    "error": frozenset({_S.RETRYING, _S.FAILED, _S.CANCELLED}),
    "snooze": frozenset({_S.SCHEDULED, _S.CANCELLED}),
    "cancel": frozenset({_S.CANCELLED}),
    "stopped": frozenset({_S.QUEUED, _S.SCHEDULED, _S.CANCELLED}),
    "": frozenset({_S.QUEUED, _S.SCHEDULED, _S.CANCELLED}),
}
"""What a handler's end may become; "" is one that did not begin, or whose end nobody saw."""
_OWN_ENDS: Final = frozenset({"ok", "error", "cancel"})
"""What lets a task be over that no log knows of."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and the event that showed it."""

    promise: str
    what: str
    event: Event | None = None

    def __str__(self) -> str:
        return f"{self.promise}: {self.what}"


@dataclass(slots=True)
class Run:
    """A handler that lives; `alone` while no other has lived in its process meanwhile."""

    began: Began
    alone: bool = True


@dataclass(slots=True)
class Account:
    """What the checker itself counted of one task."""

    row: Task | None = None
    messages: set[int] = field(default_factory=set[int])
    owners: dict[int, str] = field(default_factory=dict[int, str])
    began: set[int] = field(default_factory=set[int])
    alone: set[int] = field(default_factory=set[int])
    ends: dict[int, str] = field(default_factory=dict[int, str])
    hows: set[str] = field(default_factory=set[str])
    finished: set[int] = field(default_factory=set[int])
    own_ends: Counter[int] = field(default_factory=Counter[int])
    rescues: int = 0
    failed_runs: set[int] = field(default_factory=set[int])
    redriven: set[int] = field(default_factory=set[int])
    enqueued: bool = False
    forced: bool = False
    robbed: bool = False
    pruned: bool = False
    sent: int = 0


class Checker:
    """Goes through the events of one run; `found` is what is broken."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._accounts: defaultdict[TaskId, Account] = defaultdict(Account)
        self._numbers: dict[int, TaskId] = {}
        self._runs: dict[tuple[TaskId, int, str], Run] = {}
        self._kept: Counter[tuple[TaskId, str]] = Counter()
        self._touched: set[TaskId] = set()
        self._froze: set[str] = set()
        self._call = 0
        self._event: Event | None = None
        self._groups = {task.n: task.group for task in plan.tasks}
        self._wild = plan.skew > MARGIN.total_seconds() / 2
        self.found: list[Violation] = []
        self._read: dict[type[Event], Callable[..., None]] = {
            Wrote: self._wrote,
            Removed: self._removed,
            Sent: self._sent,
            Gone: self._gone,
            Buried: self._buried,
            Extended: self._extended,
            Began: self._began,
            Ended: self._ended,
            Enqueued: self._enqueued,
            Operated: self._operated,
            Fault: self._fault,
        }

    def check(self, history: Sequence[Event], ending: Ending) -> list[Violation]:
        """Read a run and how it ended."""
        self._read_all(history)
        self._event = None
        for what in ending.restless:
            self._broken("I1, I5", f"{what}, long after all was healed")
        for what in ending.unresumed:
            self._broken("I1, I5", f"{what}, long after it was resumed")
        for what in ending.problems:
            self._broken("worker", what)
        if not self.found:
            for key, account in self._accounts.items():
                self._closes(key, account, ending.attempts.get(key, ()))
        return self.found

    def _closes(self, key: TaskId, account: Account, attempts: Sequence[Attempt]) -> None:
        """Each claim has left one record of its attempt, and each redrive has run."""
        row = account.row
        if row is None or self._plan.profile.unlogged:
            if account.enqueued and not (account.robbed or self._is_over(account)):
                self._broken("I6", f"{key[-4:]} was answered, and has no row")
            return
        if row.body is None and account.robbed and row.state not in FINAL:
            return  # dropped by the broker, and kept nowhere: beyond repair (protocol.md §14)
        tokens = sorted(attempt.token for attempt in attempts)
        if tokens != list(range(1, row.token + 1)):
            self._broken("I4", f"the attempts of {key[-4:]} are {tokens}, its token {row.token}")
        if max(account.redriven, default=-1) >= row.run and not account.robbed:
            self._broken("I1", f"{key[-4:]} was redriven, and did not run again")

    def _read_all(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.call != self._call:
                self._after_step()
                self._call = event.call
            self._event = event
            self._read[type(event)](event)
        self._after_step()

    def _broken(self, promise: str, what: str) -> None:
        self.found.append(Violation(promise, what, self._event))

    # ------------------------------------------------------------------ I1, I6: nothing is lost

    def _after_step(self) -> None:
        """The wake-up rule, at every instant: after each step of a server."""
        for key in self._touched:
            self._wakes_up(key, self._accounts[key])
        self._touched.clear()

    def _wakes_up(self, key: TaskId, account: Account) -> None:
        row = account.row
        if account.messages or account.robbed:
            return
        if row is None or self._plan.profile.unlogged:
            if account.enqueued and not self._is_over(account):
                self._broken("I6", f"{key[-4:]} was answered, and is neither row nor message")
        elif row.state in OPEN | {_S.RUNNING}:
            if row.wake_at is None or row.body is None:
                self._broken("I1", f"{key[-4:]} is {row.state} without message or wake-up")
        elif row.state in HELD and row.body is None:
            self._broken("I1", f"{key[-4:]} is {row.state} without message or body")

    def _is_over(self, account: Account) -> bool:
        """Whether a task without a row may have none: it was pruned, or none is kept of its end."""
        if self._plan.profile.unlogged:
            return not _OWN_ENDS.isdisjoint(account.hows)
        return account.pruned

    def _sent(self, event: Sent) -> None:
        account = self._accounts[event.key]
        account.messages.add(event.number)
        account.sent += 1
        if event.stamp is not None and event.verb == "redrive":
            row = account.row
            if row is not None and row.state is _S.FAILED and str(row.run) == event.stamp:
                account.redriven.add(row.run)

    def _gone(self, event: Gone) -> None:
        account = self._accounts[event.key]
        account.messages.discard(event.number)
        account.robbed = account.robbed or event.verb == "lose"
        self._touched.add(event.key)

    def _enqueued(self, event: Enqueued) -> None:
        self._accounts[event.key].enqueued = True
        self._touched.add(event.key)
        self._is_one(event.n, event.key)

    def _is_one(self, n: int, key: TaskId) -> None:
        if self._numbers.setdefault(n, key) != key:
            self._broken("I2", f"task {n} has two ids, {self._numbers[n][-4:]} and {key[-4:]}")

    def _removed(self, event: Removed) -> None:
        account = self._accounts[event.row.id]
        if event.row.state not in FINAL or account.messages or not self._plan.pruned:
            self._broken("I7", f"the row of {event.row.id[-4:]} was removed, its message may come")
        account.row, account.pruned = None, True

    # ------------------------------------------------------------------ what is written

    def _wrote(self, event: Wrote) -> None:
        after, account = event.after, self._accounts[event.after.id]
        if account.pruned:
            self._broken("I7", f"{after.id[-4:]} has a row again, after its old one was removed")
        before = account.row
        account.row = after
        if self._plan.profile.unlogged:
            return
        self._touched.add(after.id)
        if event.verb == "renew":
            self._kept[after.id, event.who] += 1
        token = 0 if before is None else before.token
        if after.token != token:
            self._claimed(event, before, account)
        elif before is not None and before.state is _S.RUNNING and after.state is not before.state:
            self._ended_run(event, before, account)
        self._never_back(event, before, account)
        self._adds_up(after, account)

    def _never_back(self, event: Wrote, before: Task | None, account: Account) -> None:
        """Final is final, but for an operator's retry and a redrive; the counters only grow."""
        after = event.after
        if before is None:
            return
        if before.state in FINAL and after.state is not before.state:
            again = after.run == before.run + 1 and before.state is not _S.SUCCEEDED
            redriven = before.run in account.redriven and event.verb == "claim"
            if not again or not (event.who == "operator" or redriven):
                self._broken("I3", f"{after.id[-4:]} left {before.state} for {after.state}")
        elif after.run != before.run:
            self._broken("I3", f"{after.id[-4:]} began run {after.run} from {before.state}")
        if after.token < before.token or after.wake_no < before.wake_no:
            self._broken("I2", f"a number of {after.id[-4:]} shrank")
        if after.run != before.run:
            account.rescues = 0
        if after.state is _S.FAILED and before.state is not _S.FAILED:
            account.failed_runs.add(after.run)

    def _claimed(self, event: Wrote, before: Task | None, account: Account) -> None:
        after = event.after
        name = after.id[-4:]
        if after.token != (0 if before is None else before.token) + 1:
            self._broken("I2", f"the token of {name} became {after.token}")
        if after.state is not _S.RUNNING or event.verb != "claim":
            self._broken("I2", f"{event.verb} moved the token of {name}")
        account.owners[after.token] = event.who
        if before is None:
            return
        if before.state in OPEN:
            if before.due_at > event.now:
                self._broken("I8", f"{name} was claimed {before.due_at - event.now} too early")
        elif before.state is _S.RUNNING:
            self._taken_over(event, before, account)
        elif before.state is not _S.FAILED:
            self._broken("I7", f"{name} was claimed while {before.state}")
        if before.state not in FINAL and before.cancel_requested_at is not None:
            self._broken("I7", f"{name} was claimed with a cancel pending")
        expires_at = None if before.state in FINAL else before.expires_at
        if expires_at is not None and expires_at <= event.now:
            self._broken("I7", f"{name} was claimed after its deadline")

    def _taken_over(self, event: Wrote, before: Task, account: Account) -> None:
        account.rescues += 1
        name = before.id[-4:]
        if before.lease_until is None or before.lease_until + MARGIN >= event.now:
            self._broken("I2", f"{name} was taken over under a live lease")
        if event.after.run != before.run or account.rescues > self._plan.max_rescues:
            self._broken("I4", f"{name} was rescued {account.rescues} times")

    def _ended_run(self, event: Wrote, before: Task, account: Account) -> None:
        """A running row left that state under the same token."""
        after, token = event.after, before.token
        name, run = after.id[-4:], after.run
        if event.verb in _FINISHING:
            self._finished(event, before, account)
        elif after.reason == "poison" and self._had_company(after.id, token, account):
            self._broken("I4", f"{name} is poison, and was never lost alone")
        elif after.reason == "undeliverable" and not account.robbed:
            self._broken("I1", f"{name} was given up though its message was never dropped")
        account.forced = account.forced or after.reason == "forced"
        if after.state in {_S.QUEUED, _S.SCHEDULED}:
            return
        account.own_ends[run] += 1
        account.rescues = 0 if event.verb in _FINISHING else account.rescues

    def _had_company(self, key: TaskId, token: int, account: Account) -> bool:
        """Whether the last try ran beside others. One that had not begun, the log cannot tell."""
        alive = [run for place, run in self._runs.items() if place[:2] == (key, token)]
        if alive:
            return not all(run.alone for run in alive)
        return token in account.began - account.alone

    def _finished(self, event: Wrote, before: Task, account: Account) -> None:
        after, token = event.after, before.token
        name = after.id[-4:]
        if account.owners.get(token) != event.who:
            self._broken("I2", f"{event.who} finished {name} under the token of another")
        if token in account.finished:
            self._broken("I4", f"{name} has a second finish under token {token}")
        account.finished.add(token)
        how = account.ends.get(token, "")
        if after.reason == "timeout" and how == "stopped":
            how = "error"
        if after.state is _S.QUEUED and (after.id, token, event.who) in self._runs:
            self._broken("law 2", f"{name} was given back while its handler runs")
        if after.state not in _ENDS_ITSELF[how]:
            self._broken("I4", f"{name} ended with {how or 'nothing'} and is {after.state}")
        if before.cancel_requested_at is not None and after.state not in FINAL:
            self._broken("I7", f"{name} goes on as {after.state} with a cancel pending")

    def _adds_up(self, row: Task, account: Account) -> None:
        expected = account.own_ends[row.run] + (row.state is _S.RUNNING)
        if row.attempts != expected:
            self._broken("I4", f"{row.id[-4:]} counts {row.attempts} attempts, not {expected}")
        if row.state is _S.RUNNING and row.rescues != account.rescues:
            what = f"{row.id[-4:]} counts {row.rescues} rescues, not {account.rescues}"
            self._broken("I4", what)

    # ------------------------------------------------------------------ handlers

    def _began(self, event: Began) -> None:
        account, name = self._accounts[event.key], event.key[-4:]
        self._is_one(event.n, event.key)
        self._has_room(event)
        if self._plan.profile.unlogged:
            self._runs[event.key, event.token, event.who] = Run(event)
            return
        if account.owners.get(event.token) != event.who:
            self._broken("I2", f"{name} runs on {event.who} without the claim of its token")
        if event.token in account.began:
            self._broken("I2", f"{name} began twice under token {event.token}")
        self._in_order(event, account)
        account.began.add(event.token)
        run = Run(event)
        for other in self._runs.values():
            if other.began.who == event.who:
                other.alone = run.alone = False
            if other.began.n == event.n:
                self._overlaps(other, event)
        self._runs[event.key, event.token, event.who] = run

    def _has_room(self, event: Began) -> None:
        """A worker runs no more at once than it has slots, and the queue its limit."""
        most = min(self._plan.concurrency, self._plan.limit or self._plan.concurrency)
        beside = [run.began for run in self._runs.values() if run.began.who == event.who]
        if len(beside) >= most:
            self._broken("limit", f"{event.who} runs {len(beside) + 1} at once, and may {most}")

    def _in_order(self, event: Began, account: Account) -> None:
        """Of a group nothing begins before what was sent before it has left the broker.

        Where a row took the wake-up over, or a message was sent again, the order has been given up;
        and a process that was frozen does not know that the broker gave its messages to others.
        """
        group = self._groups.get(event.n)
        if group is None or self._wild or event.who in self._froze or account.sent != 1:
            return
        own = min(account.messages, default=None)
        for n, key in self._numbers.items():
            other = self._accounts[key]
            first = min(other.messages, default=None)
            if n == event.n or self._groups.get(n) != group or other.sent != 1:
                continue
            row = other.row
            over = row is not None and (row.state in FINAL | HELD or row.wake_at is not None)
            if own is not None and first is not None and first < own and not over:
                what = f"{event.key[-4:]} began before {key[-4:]}, which came first in its group"
                self._broken("order", what)

    def _overlaps(self, other: Run, event: Began) -> None:
        """Handlers overlap only where one was frozen or cannot stop, or clocks are far apart."""
        frozen = {other.began.who, event.who} & self._froze
        forced = self._accounts[event.key].forced
        if not (frozen or forced or other.began.stubborn or self._wild):
            where = f"{other.began.who} and {event.who}"
            self._broken("I2", f"two handlers of {event.key[-4:]} at once, on {where}")

    def _ended(self, event: Ended) -> None:
        run = self._runs.pop((event.key, event.token, event.who), None)
        account = self._accounts[event.key]
        account.ends[event.token] = event.how
        account.hows.add(event.how)
        if run is not None and run.alone:
            account.alone.add(event.token)

    # ------------------------------------------------------------------ messages and the rest

    def _buried(self, event: Buried) -> None:
        if event.key is None or self._plan.profile.unlogged:
            return
        if event.stamp not in self._accounts[event.key].failed_runs:
            what = f"a dead letter of {event.key[-4:]} is stamped {event.stamp}"
            self._broken("I3", f"{what}, and that run has not failed")

    def _extended(self, event: Extended) -> None:
        if self._plan.profile.unlogged:
            return
        self._kept[event.key, event.who] -= 1
        if self._kept[event.key, event.who] < 0:
            self._broken("law 7", f"{event.who} extended {event.key[-4:]} without a renewal")

    def _operated(self, event: Operated) -> None:
        if not event.has_row and event.verb in {"cancel", "pause"}:
            self._broken("I7", f"{event.verb} of {event.key[-4:]} left no row")

    def _fault(self, event: Fault) -> None:
        if event.what in {"crash", "exits"}:
            dead = [key for key, run in self._runs.items() if run.began.who == event.detail]
            for key in dead:
                run = self._runs.pop(key)
                if run.alone:
                    self._accounts[key[0]].alone.add(key[1])
        elif event.what == "stop":
            self._froze.add(event.detail)
