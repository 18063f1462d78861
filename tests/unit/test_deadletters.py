from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.deadletters import DeadLetters, Fate, LetterQuery, Pace, fate_of
from longshore.draft import EnqueueOptions
from longshore.errors import UnavailableError, UnsupportedError
from longshore.protocol import Verb
from longshore.queue import Rejection
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from longshore.deadletters import Letter
    from longshore.identity import TaskId
    from longshore.ports import Ports
    from tests.unit.yard import Yard

ONCE = EnqueueOptions(attempts=1, tags=("nightly", "big"))
EVENT = b'{"specversion": "1.0", "id": "7", "source": "shop", "type": "nobody.knows"}'
LEASE = timedelta(seconds=30)


@pytest.fixture(params=["together", "apart"])
async def yard(request: pytest.FixtureRequest) -> AsyncIterator[Yard]:
    async with open_yard(together=request.param == "together") as opened:
        opened.task(fails)
        yield opened


@pytest.fixture
async def apart() -> AsyncIterator[Yard]:
    async with open_yard(together=False) as opened:
        opened.task(fails)
        yield opened


async def fails() -> None:
    raise ValueError("no")


async def failed(yard: Yard) -> TaskId:
    task = await yard.enqueue(yard.registry.get("fails"), options=ONCE)
    await yard.drain()
    return task


async def letters(yard: Yard, **query: object) -> list[Letter]:
    shelf = DeadLetters(yard.healthy, "default")
    pages = shelf.pages(LetterQuery(**query))  # type: ignore[arg-type]  # as each test gives it
    return [letter async for page in pages for letter in page]


async def redrive(yard: Yard, ports: Ports | None = None) -> list[str]:
    shelf = DeadLetters(ports or yard.healthy, "default")
    return [one.fate.value for one in await shelf.redrive(await letters(yard))]


async def bury(yard: Yard, *, stamp: int | None = None, reason: str = "error") -> None:
    """Move the message that is ready to the dead letters, as a broker or a worker may."""
    queue = yard.healthy.queue("default")
    (held,) = await queue.receive(limit=1, wait=timedelta(0), lease=LEASE)
    assert await queue.reject([Rejection(delivery=held, reason=reason, stamp=stamp)]) == [None]


# ---- what becomes of a letter


async def test_a_failed_task_is_retried_as_a_new_run_and_its_letter_goes(yard: Yard) -> None:
    task = await failed(yard)

    fates = await redrive(yard)

    row = await yard.row(task)
    depth = await yard.depth()
    assert fates == [Fate.RETRIED]
    assert (row.state.value, row.run, row.attempts) == ("queued", 1, 0)
    assert (depth.ready, depth.dead) == (1, 0)


async def test_a_redrive_that_died_before_the_letter_went_may_be_repeated(apart: Yard) -> None:
    task = await failed(apart)
    apart.queue_plan.fail_next("discard")

    with pytest.raises(UnavailableError):
        await redrive(apart, apart.ports)
    again = await redrive(apart)
    await apart.drain()

    assert again == [Fate.SETTLED]
    assert await apart.outcomes(task) == ["failed", "failed"]


async def test_a_redrive_whose_letter_was_left_runs_its_task_no_third_time(apart: Yard) -> None:
    task = await failed(apart)
    apart.queue_plan.fail_next("discard")
    with pytest.raises(UnavailableError):
        await redrive(apart, apart.ports)
    await apart.drain()

    first, second = await letters(apart)
    shelf = DeadLetters(apart.healthy, "default")
    (left,) = await shelf.redrive([first])

    assert (left.fate, second.dead.stamp) == (Fate.SETTLED, 1)
    assert (await apart.row(task)).state.value == "failed"


async def test_a_retry_whose_answer_was_lost_is_not_made_twice(apart: Yard) -> None:
    task = await failed(apart)
    apart.log_plan.lose_answer("transition")
    with pytest.raises(UnavailableError):
        await redrive(apart, apart.ports)

    again = await redrive(apart)

    assert again == [Fate.SETTLED]
    assert (await apart.row(task)).run == 1
    assert (await apart.row(task)).wake_at is not None


async def test_nothing_goes_while_the_log_is_away(apart: Yard) -> None:
    task = await failed(apart)
    apart.log_plan.sleep()

    with pytest.raises(UnavailableError):
        await redrive(apart, apart.ports)

    assert await apart.state(task) == "failed"
    assert (await apart.depth()).dead == 1


async def test_a_task_is_retried_though_its_queue_cannot_be_sent_to(apart: Yard) -> None:
    task = await failed(apart)
    apart.queue_plan.fail_next("send", 2)

    fates = await redrive(apart, apart.ports)

    row = await apart.row(task)
    assert fates == [Fate.RETRIED]
    assert row.wake_at is not None
    assert row.body is not None


async def test_a_message_without_a_row_is_moved_back(yard: Yard) -> None:
    await yard.send(b"no task at all")
    await yard.drain()

    (letter,) = await letters(yard)
    fates = await redrive(yard)

    depth = await yard.depth()
    assert (letter.message, letter.dead.reason) == (None, "decode")
    assert fates == [Fate.MOVED]
    assert (depth.ready, depth.dead) == (1, 0)


async def test_the_only_message_of_a_waiting_task_is_moved_and_not_dropped(yard: Yard) -> None:
    """The broker itself may dead-letter a message that was received too often: without a stamp."""
    task = await yard.enqueue(yard.registry.get("fails"), options=ONCE)
    await bury(yard)

    fates = await redrive(yard)
    await yard.drain()

    assert fates == [Fate.MOVED]
    assert await yard.state(task) == "failed"


async def test_a_letter_of_a_task_that_was_run_again_since_only_goes(yard: Yard) -> None:
    task = await failed(yard)
    await yard.operator.one(Verb.RETRY, task)

    fates = await redrive(yard)

    depth = await yard.depth()
    assert fates == [Fate.SETTLED]
    assert (depth.ready, depth.dead) == (1, 0)


async def test_a_task_that_was_cancelled_stays_cancelled(yard: Yard) -> None:
    task = await yard.enqueue(yard.registry.get("fails"), options=ONCE)
    await bury(yard)
    await yard.cancel(task)

    shelf = DeadLetters(yard.healthy, "default")
    (refused,) = await shelf.redrive(await letters(yard))

    assert refused.fate is Fate.REFUSED
    assert f"longshore retry {task}" in refused.why
    assert (await yard.depth()).dead == 1


async def test_two_letters_of_one_task_make_one_run(yard: Yard) -> None:
    task = await failed(yard)
    await yard.send((await letters(yard))[0].dead.body, key=task)
    await bury(yard, stamp=0)

    fates = await redrive(yard)

    assert fates == [Fate.RETRIED, Fate.SETTLED]
    assert (await yard.row(task)).run == 1


async def test_a_task_that_changed_since_it_was_read_is_judged_anew(yard: Yard) -> None:
    task = await failed(yard)
    (letter,) = await letters(yard)
    row = await yard.row(task)
    await yard.operator.one(Verb.RETRY, task)

    now = fate_of(letter, await yard.row(task)).fate

    assert (fate_of(letter, row).fate, now) == (Fate.RETRIED, Fate.SETTLED)


async def test_a_letter_that_another_has_sent_meanwhile_is_refused(yard: Yard) -> None:
    await yard.send(b"no task at all")
    await yard.drain()
    found = await letters(yard)
    await redrive(yard)

    shelf = DeadLetters(yard.healthy, "default")
    (again,) = await shelf.redrive(found)

    assert again.fate is Fate.REFUSED
    assert "no dead letter" in again.why


async def test_a_plan_changes_nothing(yard: Yard) -> None:
    task = await failed(yard)

    shelf = DeadLetters(yard.healthy, "default")
    plan = await shelf.plan(await letters(yard))

    assert [one.fate for one in plan] == [Fate.RETRIED]
    assert await yard.state(task) == "failed"
    assert await shelf.count() == 1


async def test_a_discarded_letter_leaves_the_row(yard: Yard) -> None:
    task = await failed(yard)
    shelf = DeadLetters(yard.healthy, "default")

    await shelf.discard(await letters(yard))
    await shelf.discard([])

    assert await shelf.count() == 0
    assert await yard.state(task) == "failed"


# ---- which are meant


async def test_letters_are_found_by_all_that_is_known_of_them(yard: Yard) -> None:
    task = await failed(yard)
    await yard.send(b"no task at all")
    await yard.drain()
    (one, two) = await letters(yard)
    died = one.dead.died_at

    async def ids(**query: object) -> list[str]:
        return [letter.dead.id for letter in await letters(yard, **query)]

    first, second, both = [one.dead.id], [two.dead.id], [one.dead.id, two.dead.id]
    assert await ids(ids=(two.dead.id,)) == second
    assert await ids(reasons=("decode", "poison")) == second
    assert await ids(names=("fails",)) == first
    assert await ids(keys=(task,)) == first
    assert await ids(tags=("nightly", "big")) == first
    assert await ids(tags=("nightly", "small")) == []
    assert await ids(died_before=died) == both
    assert await ids(died_before=died - LEASE) == []
    assert await ids(died_after=died) == both
    assert await ids(died_after=died + LEASE) == []


async def test_the_key_of_a_foreign_event_is_that_of_its_row(yard: Yard) -> None:
    await yard.send(EVENT, key="message-1")
    await yard.drain()

    (letter,) = await letters(yard)

    assert (letter.name, letter.dead.key) == ("nobody.knows", "message-1")
    assert letter.key is not None
    assert (await yard.row(letter.key)).spec.name == "nobody.knows"
    assert await redrive(yard) == [Fate.RETRIED]


async def test_a_letter_that_cannot_be_read_is_of_the_task_it_was_sent_as(yard: Yard) -> None:
    task = await failed(yard)
    await yard.send(b"of another format", key=task)
    await bury(yard, stamp=0)

    fates = await redrive(yard)

    assert fates == [Fate.RETRIED, Fate.SETTLED]


async def test_many_letters_are_read_page_by_page(yard: Yard) -> None:
    for _ in range(250):
        await yard.send(b"?")
    await yard.drain()
    shelf = DeadLetters(yard.healthy, "default")

    sizes = [len(page) async for page in shelf.pages(LetterQuery())]
    fates = await redrive(yard)

    assert sizes == [100, 100, 50]
    assert fates == [Fate.MOVED] * 250


async def test_a_queue_without_dead_letters_says_so() -> None:
    async with open_yard(together=False, urls=("null://", "memory://")) as yard:
        with pytest.raises(UnsupportedError, match=r"longshore list --state failed"):
            DeadLetters(yard.healthy, "default")


async def test_a_broker_without_a_redrive_of_its_own_says_so(yard: Yard) -> None:
    with pytest.raises(UnsupportedError, match="leave out --native"):
        await DeadLetters(yard.healthy, "default").redrive_all()


# ---- how fast


async def test_letters_are_given_out_at_the_rate_that_was_asked(yard: Yard) -> None:
    for _ in range(25):
        await yard.send(b"?")
    await yard.drain()
    found = await letters(yard)
    began = yard.clock.monotonic()

    async def take() -> list[tuple[int, float]]:
        portions = Pace(yard.clock, 10).portions(found)
        return [(len(portion), yard.clock.monotonic() - began) async for portion in portions]

    taking = asyncio.ensure_future(take())
    await yard.turn()
    await yard.passes(3, step=0.5)

    assert await taking == [(10, 0), (10, 1), (5, 2)]


async def test_without_a_rate_nothing_waits(yard: Yard) -> None:
    await failed(yard)

    found = await letters(yard)
    portions = [portion async for portion in Pace(yard.clock, None).portions(found)]

    assert portions == [found]
