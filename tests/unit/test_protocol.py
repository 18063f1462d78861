from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshore import protocol
from longshore.identity import TaskId
from longshore.protocol import (
    GRACE,
    MARGIN,
    TRANSITIONS,
    VERBS,
    Answer,
    Change,
    Claim,
    Claimed,
    End,
    Outcome,
    Record,
    Renewal,
    Settle,
    Verb,
    allowed,
)
from longshore.task import FINAL, HELD, OPEN, Attempt, Reason, Task, TaskSpec, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
WAITS = [None, timedelta(0), SECOND, LEASE * 3]
MAX_RESCUES = 2
SPEC = TaskSpec(id=TaskId("t"), name="n", queue="q", body=b"body", created_at=START)
BARE = replace(SPEC, body=b"")
BID = Claim(
    spec=SPEC,
    claim_id="c1",
    worker="w",
    lease=LEASE,
    due_at=START,
    max_rescues=MAX_RESCUES,
)
SUCCESS = Outcome(task_id=SPEC.id, token=1, end=End.SUCCESS)
FAILURE = replace(SUCCESS, end=End.FAILURE, reason="error")

ACKED = {Answer.DONE, Answer.CANCELLED, Answer.EXPIRED, Answer.POISON}
SHORTLY = [SECOND, LEASE / 3, LEASE + MARGIN + SECOND, LEASE + GRACE + SECOND]
BODIES = [None, SPEC.body]
BEGINNINGS = ["foreign", "direct", "outbox", "scheduled", "blocked", "tombstone"]
ENDS = [End.FAILURE, End.FAILURE, End.GIVE_BACK, End.GIVE_BACK, End.SUCCESS, End.CANCEL]
NOT_OPERATORS = {Verb.KEEP_BODY, Verb.CONFIRM}

T = TypeVar("T")


class Choices:
    """What chance decides, read from bytes, so that hypothesis can make a failure shorter."""

    def __init__(self, raw: bytes) -> None:
        self._left = list(reversed(raw))

    def __bool__(self) -> bool:
        return bool(self._left)

    def pick(self, options: Sequence[T]) -> T:
        """Choose one; the first where nothing is left to choose by."""
        return options[self._left.pop() % len(options)] if self._left else options[0]

    def rarely(self) -> bool:
        return self.pick([False, False, False, True])


class Published(NamedTuple):
    """What a scheduler read of a row before it sent the message."""

    state: TaskState
    token: int
    wake_no: int


class OneTask:
    """One task, its message, and everybody who may do something about them.

    `message` is whether the broker has one. What a worker does after an answer of the log is
    one step with it; a crash in between is a step that another takes instead.
    """

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.now = START
        self.row: Task | None = None
        self.message = False
        self.published: Published | None = None
        self.claims = 0
        self.ended: list[Attempt] = []
        self.ended_by_themselves = 0
        expires = choices.pick([None, None, LEASE, LEASE * 20])
        self.spec = replace(SPEC, expires_at=None if expires is None else START + expires)
        self._begin(choices.pick(BEGINNINGS))

    def step(self) -> None:
        """Let somebody act who can."""
        row = self.row
        actors = [self.time_passes, self.an_operator_changes]
        if self.message:
            actors += [self.a_worker_receives] * 2
        if row is not None and row.state is TaskState.RUNNING:
            actors += [self.a_worker_finishes, self.a_worker_finishes, self.a_worker_renews]
        elif row is not None:
            actors.append(self.a_worker_finishes)
        if row is not None and row.wake_at is not None:
            actors += [self.a_scheduler_publishes] * 2
        if self.published is not None:
            actors += [self.a_scheduler_confirms] * 2
        self.choices.pick(actors)()
        self.check()

    def time_passes(self) -> None:
        self.now += self.choices.pick(SHORTLY)

    def a_worker_receives(self) -> None:
        pick, rarely = self.choices.pick, self.choices.rarely
        self.claims += 1
        bid = replace(
            BID,
            spec=self.spec,
            claim_id=f"c{self.claims}",
            due_at=self.now + pick([timedelta(0), timedelta(0), LEASE]),
            stamp=pick([None, None, 0, self.row.run if self.row else 0]),
            early_ack=rarely(),
            lost_fails=rarely(),
        )
        answer = self._claim(bid)
        if rarely():  # the answer was lost, and the claim is repeated
            first, answer = answer, self._claim(bid)
            if first.answer is Answer.WON:
                assert answer == replace(first, answer=Answer.MINE)
        if not rarely():  # else the worker dies with the answer in its hands
            self._settle_claim(answer, early_ack=bid.early_ack)

    def a_worker_finishes(self) -> None:
        pick, rarely, before = self.choices.pick, self.choices.rarely, self.row
        assert before is not None
        stale = rarely()
        outcome = Outcome(
            task_id=SPEC.id,
            token=before.token - stale,
            end=pick(ENDS),
            retry_in=pick(WAITS),
            held=self.message and not rarely(),
            message_waits=not rarely(),
            body=pick(BODIES),
        )
        after, answer, attempt = protocol.finish(before, outcome, self.now)
        running = before.state is TaskState.RUNNING
        assert answer.accepted is (after is not None) is (running and not stale)
        assert (attempt is not None) is answer.accepted
        assert answer.accepted or answer.settle is Settle.LEAVE
        if after is not None and before.cancel_requested_at is not None:
            assert after.state in {TaskState.CANCELLED, TaskState.SUCCEEDED}
        self._write(after, attempt)
        if answer.settle in {Settle.ACK, Settle.DEAD_LETTER} and not rarely():
            self._ack()

    def a_worker_renews(self) -> None:
        assert self.row is not None
        stale = self.choices.rarely()
        renewal = Renewal(task_id=SPEC.id, token=self.row.token - stale, lease=LEASE)
        after, answer = protocol.renew(self.row, renewal, self.now)
        assert answer.ok is (after is not None) is (not stale)
        self._write(after, None)

    def a_scheduler_publishes(self) -> None:
        row = self.row
        assert row is not None
        assert row.wake_at is not None
        live = row.state is TaskState.RUNNING and protocol.lease_is_live(row, self.now)
        if row.wake_at <= self.now and not live:
            self.message = True
            self.published = Published(row.state, row.token, row.wake_no)

    def a_scheduler_confirms(self) -> None:
        assert self.published is not None
        row, read = self.row, self.published
        self.published = None
        assert row is not None
        as_read = read == (row.state, row.token, row.wake_no) and row.wake_at is not None
        wanted = Change(
            task_id=SPEC.id,
            verb=Verb.CONFIRM,
            state=read.state,
            token=read.token,
            wake_no=read.wake_no,
        )
        assert self._change(wanted) is as_read

    def an_operator_changes(self) -> None:
        before = self.row
        if before is None and not self.message:
            return
        fitting = [verb for verb in Verb if before is not None and before.state in VERBS[verb]]
        verbs = [verb for verb in [*fitting * 3, *Verb] if verb not in NOT_OPERATORS]
        body, spec = self.choices.pick(BODIES), self.choices.pick([None, BARE])
        wanted = Change(task_id=SPEC.id, verb=self.choices.pick(verbs), body=body, spec=spec)
        if self._change(wanted) and before is not None:
            assert before.state in VERBS[wanted.verb]
            if wanted.verb is Verb.PARK and before.state is TaskState.RUNNING:
                assert protocol.lease_is_live(before, self.now)

    def check(self) -> None:
        """What holds at every instant."""
        row = self.row
        if row is None:
            assert self.message
            return
        woken = row.body is not None and (row.wake_at is not None or row.state in HELD)
        assert self.message or woken or row.final, "the task is lost"
        if row.wake_at is not None:
            assert row.body is not None, "a wake-up has nothing to publish"
            assert row.state in OPEN | {TaskState.RUNNING}
        running = row.state is TaskState.RUNNING
        assert row.attempts == self.ended_by_themselves + running
        assert row.rescues <= MAX_RESCUES
        assert row.deleted_at is None or row.final
        tokens = [attempt.token for attempt in self.ended]
        assert tokens == sorted(set(tokens)), "an attempt ended twice"

    def _begin(self, how: str) -> None:
        self.message = how in {"foreign", "direct", "tombstone"}
        states = {"direct": TaskState.QUEUED, "outbox": TaskState.CREATED}
        if how == "tombstone":
            self._change(Change(task_id=SPEC.id, verb=Verb.PAUSE, spec=BARE))
        elif how != "foreign":
            entry = Record(
                spec=self.spec,
                state=states.get(how) or TaskState(how),
                due_at=START + (SECOND if how == "scheduled" else timedelta(0)),
                armed=how in {"outbox", "scheduled"},
            )
            self.row = protocol.record(entry, START)

    def _claim(self, bid: Claim) -> Claimed:
        before = self.row
        after, answer, attempt = protocol.claim(before, bid, self.now)
        won = answer.answer is Answer.WON
        self._write(after, attempt, won=won)
        row = self.row
        assert row is not None
        assert not answer.armed or row.wake_at is not None
        if won:
            _check_won(before, row, answer, bid, self.now)
        return answer

    def _settle_claim(self, answer: Claimed, *, early_ack: bool) -> None:
        """Do what the worker does with the message, by the table of §5."""
        body = self.spec.body
        held = answer.answer is Answer.HELD
        if answer.answer in ACKED or (early_ack and answer.armed) or (held and answer.has_body):
            self._ack()
        elif held:
            if self._change(Change(task_id=SPEC.id, verb=Verb.KEEP_BODY, body=body)):
                self._ack()
        elif answer.answer in {Answer.BUSY, Answer.EARLY} and (
            answer.armed or self._change(Change(task_id=SPEC.id, verb=Verb.PARK, body=body))
        ):
            self._ack()

    def _ack(self) -> None:
        """Let the message go, which only these rows allow (§2.3)."""
        row = self.row
        assert row is not None
        assert row.final or (row.body is not None and (row.wake_at or row.state in HELD))
        self.message = False

    def _change(self, wanted: Change) -> bool:
        after, attempt = protocol.change(self.row, wanted, self.now)
        self._write(after, attempt, wanted=wanted)
        return after is not None

    def _write(
        self,
        after: Task | None,
        attempt: Attempt | None,
        *,
        wanted: Change | None = None,
        won: bool = False,
    ) -> None:
        if after is None:
            assert attempt is None
            return
        before, self.row = self.row, after
        assert allowed(None if before is None else before.state, after.state)
        assert after.token == (0 if before is None else before.token) + won
        if before is None:
            return
        if after.run > before.run:
            self.ended_by_themselves = 0
        over = won or after.state is not TaskState.RUNNING
        assert (attempt is not None) is (before.state is TaskState.RUNNING and over)
        if attempt is not None:
            assert (attempt.token, attempt.number) == (before.token, before.attempts)
            self.ended.append(attempt)
            self.ended_by_themselves += not won and attempt.outcome != "given_back"
        _check_run(before, after, wanted)
        _check_wake_up(before, after, wanted)


def _check_won(
    before: Task | None, after: Task, answer: Claimed, bid: Claim, now: datetime
) -> None:
    """Who wins may start; its row wakes somebody behind the lease, if it woke anybody before."""
    assert (answer.token, answer.attempt, answer.run) == (after.token, after.attempts, after.run)
    assert answer.alone is (after.rescues == MAX_RESCUES)
    woken = bid.early_ack
    if before is not None:
        woken = woken or before.wake_at is not None
        assert before.state not in OPEN or before.due_at <= now
        assert before.final or before.cancel_requested_at is None
        assert not before.final or bid.stamp == before.run
        running = before.state is TaskState.RUNNING
        assert after.rescues == (0 if before.final else before.rescues + running)
    wake_no = (0 if before is None else before.wake_no) + woken
    wake_at = now + LEASE + GRACE if woken else None
    assert (after.wake_at, after.wake_no) == (wake_at, wake_no)


def _check_run(before: Task, after: Task, wanted: Change | None) -> None:
    """A final state is left only by an operator's retry or redrive, which is a new run."""
    if before.final and after.state != before.state:
        retried = wanted is not None and wanted.verb is Verb.RETRY
        redriven = before.state is TaskState.FAILED and after.state is TaskState.RUNNING
        assert retried or redriven
        assert after.run == before.run + 1
        assert (after.rescues, after.cancel_requested_at, after.expires_at) == (0, None, None)
    else:
        assert after.run == before.run
        assert before.cancel_requested_at in {None, after.cancel_requested_at}


def _check_wake_up(before: Task, after: Task, wanted: Change | None) -> None:
    """It is set under a new number, and cleared by an end, a hold or a confirmation (§2.2)."""
    assert after.wake_no in (before.wake_no, before.wake_no + 1)
    relied_on = wanted is not None and wanted.verb in {Verb.PARK, Verb.POSTPONE, Verb.DEFER}
    if after.wake_at is not None and (after.wake_at != before.wake_at or relied_on):
        assert after.wake_no == before.wake_no + 1
    if after.wake_at is None and before.wake_at is not None:
        confirmed = wanted is not None and wanted.verb is Verb.CONFIRM
        assert confirmed or after.state in FINAL | HELD


@settings(max_examples=300)
@given(st.binary(min_size=600, max_size=600))
def test_no_path_breaks_the_protocol(raw: bytes) -> None:
    choices = Choices(raw)
    task = OneTask(choices)

    while choices:
        task.step()
        if task.row is not None and task.row.state is TaskState.SUCCEEDED and choices.rarely():
            task = OneTask(choices)

    assert task.row is not None or task.message


def won(row: Task | None = None, bid: Claim = BID, now: datetime = START) -> Task:
    after, answer, _ = protocol.claim(row, bid, now)
    assert answer.answer is Answer.WON
    assert after is not None
    return after


def changed(row: Task | None, verb: Verb, now: datetime = START) -> Task:
    after, _ = protocol.change(row, Change(task_id=SPEC.id, verb=verb, spec=BARE), now)
    assert after is not None
    return after


def finished(row: Task, outcome: Outcome, now: datetime = START) -> Task:
    after, _, _ = protocol.finish(row, outcome, now)
    assert after is not None
    return after


def test_every_verb_has_the_states_it_starts_from() -> None:
    assert set(VERBS) == set(Verb)
    assert all(states <= set(TaskState) for states in VERBS.values())


def test_nothing_leads_out_of_success() -> None:
    assert not [step for step in TRANSITIONS if step[0] is TaskState.SUCCEEDED]


def test_a_final_state_is_left_by_retry_and_redrive_alone() -> None:
    ways_out = {(before, after) for before, after in TRANSITIONS if before in FINAL}

    assert ways_out == {
        (TaskState.FAILED, TaskState.QUEUED),
        (TaskState.CANCELLED, TaskState.QUEUED),
        (TaskState.EXPIRED, TaskState.QUEUED),
        (TaskState.FAILED, TaskState.RUNNING),
    }


def test_no_row_is_made_in_a_state_that_needs_a_past() -> None:
    born = {after for before, after in TRANSITIONS if before is None}

    assert born == set(TaskState) - {
        TaskState.WAITING,
        TaskState.RETRYING,
        TaskState.SUCCEEDED,
        TaskState.FAILED,
    }


@pytest.mark.parametrize("state", list(TaskState))
def test_staying_in_a_state_is_always_allowed(state: TaskState) -> None:
    assert allowed(state, state)


def test_a_task_paused_without_its_body_is_resumed_without_a_wake_up() -> None:
    paused = changed(None, Verb.PAUSE)

    resumed = changed(paused, Verb.RESUME)

    assert (resumed.state, resumed.wake_at, resumed.body) == (TaskState.QUEUED, None, None)


def test_a_retry_that_nothing_could_publish_keeps_its_message() -> None:
    running = won(changed(changed(None, Verb.PAUSE), Verb.RESUME))
    outcome = replace(FAILURE, retry_in=SECOND, message_waits=False)

    after, answer, _ = protocol.finish(running, outcome, START)

    assert after is not None
    assert running.body is None
    assert (after.state, after.wake_at) == (TaskState.RETRYING, None)
    assert (answer.settle, answer.delay) == (Settle.RELEASE, SECOND)


def test_a_retry_takes_the_body_that_its_worker_gives() -> None:
    running = won(changed(changed(None, Verb.PAUSE), Verb.RESUME))
    outcome = replace(FAILURE, retry_in=SECOND, message_waits=False, body=SPEC.body)

    after, answer, _ = protocol.finish(running, outcome, START)

    assert after is not None
    assert (after.wake_at, after.body) == (START + SECOND, SPEC.body)
    assert answer.settle is Settle.ACK


def test_a_redrive_leaves_nothing_of_the_last_run() -> None:
    failed = finished(won(), replace(FAILURE, report=b"{}"))
    hidden = changed(changed(failed, Verb.ARCHIVE), Verb.DELETE)

    again = won(hidden, replace(BID, claim_id="c2", stamp=0))

    assert (again.run, again.attempts, again.rescues) == (1, 1, 0)
    assert (again.archived_at, again.deleted_at, again.report) == (None, None, None)


def test_a_retry_leaves_nothing_of_the_last_run() -> None:
    failed = finished(won(), replace(FAILURE, report=b"{}"))

    again = changed(failed, Verb.RETRY)

    assert (again.run, again.reason, again.error, again.report) == (1, None, None, None)


def test_a_task_deleted_on_completion_keeps_no_body_anywhere() -> None:
    spec = replace(SPEC, delete_on_complete=True)

    done = finished(won(bid=replace(BID, spec=spec)), replace(SUCCESS, result=b"1"))

    assert (done.body, done.spec.body, done.result) == (None, b"", None)


def test_a_cancelled_tombstone_says_why_and_when() -> None:
    wanted = Change(task_id=SPEC.id, verb=Verb.CANCEL, spec=BARE, reason="purged")

    row, _ = protocol.change(None, wanted, START)

    assert row is not None
    assert (row.reason, row.finished_at) == ("purged", START)


def test_a_paused_tombstone_keeps_its_deadline() -> None:
    spec = replace(BARE, expires_at=START + LEASE)

    row, _ = protocol.change(None, Change(task_id=SPEC.id, verb=Verb.PAUSE, spec=spec), START)

    assert row is not None
    assert row.expires_at == START + LEASE


def test_abandoning_a_lost_task_keeps_its_attempt() -> None:
    late = START + LEASE + MARGIN + SECOND

    row, attempt = protocol.change(won(), Change(task_id=SPEC.id, verb=Verb.ABANDON), late)

    assert row is not None
    assert row.reason == Reason.UNDELIVERABLE
    assert attempt is not None
    assert (attempt.outcome, attempt.token) == ("lost", 1)


@pytest.mark.parametrize(
    ("after_lease", "answer"),
    [(MARGIN, Answer.BUSY), (MARGIN + timedelta(microseconds=1), Answer.WON)],
    ids=["margin", "past"],
)
def test_a_lease_is_dead_when_its_margin_has_passed(after_lease: timedelta, answer: Answer) -> None:
    bid = replace(BID, claim_id="c2")

    _, claimed, _ = protocol.claim(won(), bid, START + LEASE + after_lease)

    assert claimed.answer is answer


@pytest.mark.parametrize(
    ("lease", "cut"), [(LEASE * 2, False), (LEASE * 2 + SECOND, True)], ids=["twice", "more"]
)
def test_a_lease_above_twice_the_bidders_is_cut(lease: timedelta, cut: bool) -> None:  # noqa: FBT001 - a column of the table
    row = won(bid=replace(BID, lease=lease))

    after, claimed, _ = protocol.claim(row, replace(BID, claim_id="c2"), START)

    assert claimed.answer is Answer.BUSY
    assert claimed.until == START + (LEASE if cut else lease) + MARGIN
    assert (after is not None) is cut


def test_a_repeated_claim_is_answered_with_what_it_won() -> None:
    first, won_answer, _ = protocol.claim(None, replace(BID, early_ack=True), START)

    after, again, _ = protocol.claim(first, replace(BID, early_ack=True), START + SECOND)

    assert after is None
    assert again == replace(won_answer, answer=Answer.MINE)


def rescued(times: int) -> Task:
    row, now = won(), START
    for rescue in range(times):
        now += LEASE + MARGIN + SECOND
        row = won(row, replace(BID, claim_id=f"r{rescue}"), now)
    return row


@pytest.mark.parametrize("times", range(MAX_RESCUES + 1))
def test_only_the_last_allowed_try_is_alone(times: int) -> None:
    row = rescued(times)

    _, again, _ = protocol.claim(row, replace(BID, claim_id=row.claim_id or ""), START)

    assert again.answer is Answer.MINE
    assert again.alone is (times == MAX_RESCUES)


def lapse(outcome: Callable[[Task], Task]) -> int:
    return outcome(rescued(1)).rescues


def test_rescues_are_forgotten_when_an_attempt_ends_by_itself_and_not_by_a_give_back() -> None:
    retry = replace(FAILURE, token=2, retry_in=SECOND)

    assert lapse(lambda row: finished(row, retry)) == 0
    assert lapse(lambda row: finished(row, replace(retry, end=End.GIVE_BACK))) == 1


def test_a_retry_after_a_forced_failure_waits_for_the_old_lease() -> None:
    forced = changed(won(), Verb.FORCE_FAIL)

    again = changed(forced, Verb.RETRY)

    assert (again.due_at, again.wake_at) == (START + LEASE, START + LEASE)


@given(
    due_in=st.sampled_from(WAITS),
    expires_in=st.sampled_from([*WAITS, -SECOND]),
    receives=st.integers(1, 5),
    early_ack=st.booleans(),
)
def test_a_claim_without_a_log_is_answered_as_one_for_a_new_row(
    *, due_in: timedelta | None, expires_in: timedelta | None, receives: int, early_ack: bool
) -> None:
    expires_at = None if expires_in is None else START + expires_in
    bid = replace(
        BID,
        spec=replace(SPEC, expires_at=expires_at),
        due_at=START + (due_in or timedelta(0)),
        receives=receives,
        early_ack=early_ack,
    )

    answer = protocol.claim_unlogged(bid, START)

    _, logged, _ = protocol.claim(None, bid, START)
    attempt = receives if logged.attempt else 0
    known = replace(logged, token=protocol.UNFENCED, armed=False, has_body=False, attempt=attempt)
    assert answer == known


@given(
    end=st.sampled_from(End),
    wait=st.sampled_from(WAITS),
    held=st.booleans(),
    reason=st.sampled_from([None, "error"]),
)
def test_an_end_without_a_log_is_answered_as_that_of_a_row_with_no_body(
    *, end: End, wait: timedelta | None, held: bool, reason: str | None
) -> None:
    outcome = replace(
        SUCCESS, token=protocol.UNFENCED, end=end, retry_in=wait, held=held, reason=reason
    )
    row = Task(
        spec=BARE,
        state=TaskState.RUNNING,
        due_at=START,
        updated_at=START,
        token=protocol.UNFENCED,
        attempts=1,
    )

    answer = protocol.finish_unlogged(outcome)

    assert answer == protocol.finish(row, outcome, START)[1]
