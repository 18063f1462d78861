"""The log against `longshore.protocol`: whatever is asked, both decide alike.

An adapter may decide in its own language; here it is held to the same answers, field by field,
for every verb in every state, and over walks of many steps.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random
from typing import TYPE_CHECKING, TypeAlias

import pytest

from longshore import protocol
from longshore.conformance.contract import LONG
from longshore.conformance.task_log.clerk import LEASE, NO_TIME, Clerk, LogSetting
from longshore.protocol import (
    VERBS,
    Change,
    Claim,
    End,
    Note,
    Outcome,
    Renewal,
    Verb,
)
from longshore.task import Attempt, Task, TaskError, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from datetime import timedelta

    from longshore.identity import TaskId
    from longshore.task import TaskSpec

Step: TypeAlias = Claim | Outcome | Renewal | Note | Change

SEEDS = 4
STEPS = 150
TASKS = 3
RARELY = 0.2
ERROR = TaskError(type="ValueError", message="x")


class Agreeing(LogSetting):
    """The same answers and the same rows."""

    @pytest.mark.parametrize("verb", sorted(Verb))
    async def test_a_verb_applies_where_the_table_allows_it_and_nowhere_else(
        self,
        clerk: Clerk,
        ways: dict[TaskState, Callable[[], Coroutine[None, None, TaskSpec]]],
        verb: str,
    ) -> None:
        """From every state; refused, it leaves the row exactly as it was (§13)."""
        for state, way in ways.items():
            spec = await way()
            before = await clerk.row(spec)

            wanted = Change(task_id=spec.id, verb=Verb(verb), body=spec.body)
            expected, _ = protocol.change(before, wanted, clerk.now())
            answer = await clerk.change(wanted)

            after = await clerk.row(spec)
            assert answer.applied is (expected is not None), f"{verb} of {state}"
            assert answer.applied <= (state in VERBS[Verb(verb)]), f"{verb} of {state}"
            assert answer.task == after, f"{verb} of {state}"
            if expected is None:
                assert after == before, f"{verb} of {state}"
            else:
                assert clerk.differences(after, expected) == [], f"{verb} of {state}"

    @pytest.mark.parametrize("end", sorted(End))
    async def test_an_end_is_decided_as_the_protocol_does(self, clerk: Clerk, end: str) -> None:
        """With a message held and without, a wake-up, a cancel pending, now and later."""
        for held, waits, early_ack, cancel, later in product([True, False], repeat=5):
            case = f"{held=} {waits=} {early_ack=} {cancel=} {later=}"
            spec = clerk.spec()
            await clerk.won(replace(clerk.bid(spec), early_ack=early_ack))
            if cancel:
                await clerk.changed(spec, Verb.CANCEL)
            before = await clerk.row(spec)

            outcome = replace(
                full_outcome(spec),
                end=End(end),
                held=held,
                message_waits=waits,
                retry_in=LONG if later else None,
            )
            row, expected, _ = protocol.finish(before, outcome, clerk.now())
            answer = await clerk.finish(outcome)

            assert answer == expected, case
            assert clerk.differences(await clerk.row(spec), row) == [], case

    async def test_every_field_of_a_row_survives(self, clerk: Clerk) -> None:
        """Over a life in which each field was set to something of its own."""
        spec = replace(clerk.spec(), expires_at=clerk.now() + LONG)
        model = Model(clerk)
        said: set[str] = set()
        for step in life(spec):
            await model.apply(step)
            row = await clerk.row(spec)
            said |= {name for name in Task.__dataclass_fields__ if getattr(row, name)}
            if isinstance(step, Claim) and step.lease == LEASE:
                await clerk.lease_ends()

        await model.agrees(spec)
        assert set(Task.__dataclass_fields__) - said == set(), "this life leaves fields unsaid"

    @pytest.mark.parametrize("seed", range(SEEDS))
    async def test_a_random_walk_meets_the_same_rows(self, clerk: Clerk, seed: int) -> None:
        """Claims, ends, changes and losses of a few tasks, in any order.

        Leases are lost on a clock that can be moved; on a real one that would take minutes. Nor are
        there waits on a real one: the log would ask it a little later than the model has.
        """
        random = Random(seed)  # noqa: S311 - to vary a test, not to keep a secret
        lives = [None, LONG, LONG * 10]
        specs = [lived(clerk, random.choice(lives)) for _ in range(TASKS)]
        model, hurried = Model(clerk), clerk.tolerance == NO_TIME

        for _ in range(STEPS):
            place = random.randrange(TASKS)
            spec, row = specs[place], model.rows.get(specs[place].id)
            lease = random.choice([LEASE, LONG]) if hurried else LONG
            wait = LEASE if hurried else NO_TIME
            await model.apply(random_step(random, spec, row, lease, wait))
            if row is not None and row.final and random.random() < RARELY:
                specs[place] = lived(clerk, random.choice(lives))
            if hurried and random.random() < RARELY:
                await clerk.lease_ends()

        for spec in specs:
            await model.agrees(spec)
        assert model.writes >= STEPS * RARELY


def lived(clerk: Clerk, life: timedelta | None) -> TaskSpec:
    """Make a task that is to start within `life`."""
    spec = clerk.spec()
    return spec if life is None else replace(spec, expires_at=clerk.now() + life)


def full_outcome(spec: TaskSpec, token: int = 1) -> Outcome:
    """Say something in every field."""
    return Outcome(
        task_id=spec.id,
        token=token,
        end=End.SUCCESS,
        reason="error",
        body=spec.body,
        result=b"[1]",
        report=b"{}",
        error=ERROR,
    )


class Model:
    """Does each step twice: in the log, and by the pure functions on the row it had before."""

    def __init__(self, clerk: Clerk) -> None:
        self.clerk = clerk
        self.rows: dict[TaskId, Task] = {}
        self.attempts: dict[TaskId, list[Attempt]] = {}
        self.writes = 0

    async def apply(self, step: Step) -> None:
        """Do a step, and compare answer, row and attempt."""
        row, attempt = await self._decide(step)
        if row is not None:
            self.writes += 1
            seen = await self.clerk.row(row.spec)
            assert self.clerk.differences(seen, row) == [], step
            self.rows[row.id] = seen
        if attempt is not None:
            self.attempts.setdefault(attempt.task_id, []).append(attempt)

    async def _decide(self, step: Step) -> tuple[Task | None, Attempt | None]:
        clerk, now = self.clerk, self.clerk.now()
        before = self.rows.get(step.spec.id if isinstance(step, Claim) else step.task_id)
        if isinstance(step, Claim):
            row, claimed, attempt = protocol.claim(before, step, now)
            seen = await clerk.claim(step)
            assert replace(seen, until=claimed.until) == claimed, step
            assert clerk.near(seen.until, claimed.until), step
            return row, attempt
        if isinstance(step, Outcome):
            row, finished, attempt = protocol.finish(before, step, now)
            assert await clerk.finish(step) == finished, step
            return row, attempt
        if isinstance(step, Renewal):
            row, renewed = protocol.renew(before, step, now)
            assert await clerk.log.renew([step]) == [renewed], step
            return row, None
        if isinstance(step, Note):
            assert before is not None
            assert await clerk.log.note([step]) == [True], step
            noted = replace(before, progress=step.progress, progress_note=step.text)
            return replace(noted, updated_at=now), None
        row, attempt = protocol.change(before, step, now)
        assert (await clerk.change(step)).applied is (row is not None), step
        return row, attempt

    async def agrees(self, spec: TaskSpec) -> None:
        """Compare what stands in the end, attempts included."""
        row = await self.clerk.find_row(spec)
        assert self.clerk.differences(row, self.rows.get(spec.id)) == []
        seen = [_ended(attempt) for attempt in await self.clerk.log.attempts(spec.id)]
        assert seen == [_ended(attempt) for attempt in self.attempts.get(spec.id, [])]


def _ended(attempt: Attempt) -> tuple[int, int, int, str, str]:
    return attempt.run, attempt.number, attempt.token, attempt.worker, attempt.outcome


def life(spec: TaskSpec) -> Iterator[Step]:
    """Steps that set each field of a row at some time."""
    bid = Claim(
        spec=spec,
        claim_id="claim-1",
        worker="worker-1",
        lease=LEASE,
        due_at=spec.created_at - LONG,
        early_ack=True,
    )
    yield bid
    yield replace(bid, claim_id="claim-2", lease=LONG)
    yield Note(task_id=spec.id, token=2, progress=0.5, text="half")
    yield replace(full_outcome(spec, token=2), end=End.FAILURE)
    yield Change(task_id=spec.id, verb=Verb.RETRY)
    yield Change(task_id=spec.id, verb=Verb.CONFIRM)
    yield Change(task_id=spec.id, verb=Verb.ARM)
    yield replace(bid, claim_id="claim-3", lease=LONG)
    yield Change(task_id=spec.id, verb=Verb.CANCEL)
    yield full_outcome(spec, token=3)
    yield Change(task_id=spec.id, verb=Verb.ARCHIVE)
    yield Change(task_id=spec.id, verb=Verb.DELETE)


def random_step(
    random: Random, spec: TaskSpec, row: Task | None, lease: timedelta, wait: timedelta
) -> Step:
    """Make a step that a worker, scheduler or operator might make about now."""
    token = (row.token if row else 0) - (random.random() < RARELY)
    kind = random.choice(["claim", "claim", "finish", "change", "change", "renew"])
    if kind == "claim":
        return Claim(
            spec=spec,
            claim_id=f"{random.randrange(10**9)}" if random.random() > RARELY else "the same",
            worker=f"worker-{random.randrange(3)}",
            lease=lease,
            due_at=spec.created_at - LONG,
            stamp=random.choice([None, None, 0, 1, row.run if row else 0]),
            early_ack=random.random() < RARELY,
            max_rescues=random.randrange(3),
            lost_fails=random.random() < RARELY / 2,
            lean=random.random() < RARELY,
        )
    if kind == "finish":
        retry_in = random.choice([None, NO_TIME, NO_TIME, wait])
        return replace(
            full_outcome(spec, token),
            end=random.choice([End.FAILURE, End.GIVE_BACK, *End]),
            held=random.random() > RARELY,
            retry_in=retry_in,
            message_waits=random.random() > RARELY,
        )
    if kind == "renew":
        return Renewal(task_id=spec.id, token=token, lease=LONG)
    return Change(
        task_id=spec.id,
        verb=random.choice([*_fitting(row) * 2, *Verb]),
        token=random.choice([None, None, token]),
        wake_no=random.choice([None, None, row.wake_no if row else 0]),
        spec=random.choice([None, replace(spec, body=b"")]),
        body=random.choice([None, spec.body]),
        reason=random.choice([None, "because"]),
    )


def _fitting(row: Task | None) -> list[Verb]:
    return [verb for verb in Verb if row is not None and row.state in VERBS[verb]]
