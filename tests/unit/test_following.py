"""Rows that follow their messages: together, in order, and before whoever looks for them."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING

from longshore.client import Preparer
from longshore.clock import ManualClock
from longshore.definition import define
from longshore.draft import Draft, EnqueueOptions
from longshore.following import MOST, Following
from longshore.identity import TaskIds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.protocol import Record


def echo(text: str) -> str:
    return text


def rows(count: int) -> list[Record]:
    definition = define(echo, name="echo")
    drafts = [Draft(definition, [str(n)], EnqueueOptions()) for n in range(count)]
    return Preparer(TaskIds()).records(drafts, ManualClock().now())


class Log:
    """What was written, call by call, and how often the loop was woken."""

    def __init__(self) -> None:
        self.calls: list[list[Record]] = []
        self.woken = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def write(self, rows: Sequence[Record]) -> None:
        self.calls.append(list(rows))
        await self.may_go_on.wait()

    def begin(self) -> Future[None]:
        self.woken += 1
        return Future()


async def test_rows_of_a_moment_wake_the_loop_once_and_are_written_in_one_call() -> None:
    log = Log()
    following = Following(log.write)
    every = rows(20)

    for row in every:
        following.add([row], log.begin)
    await following.later()

    assert log.woken == 1
    assert log.calls == [every]


async def test_who_looks_sees_the_rows_that_were_there_before() -> None:
    log = Log()
    log.may_go_on.clear()
    following = Following(log.write)
    first, second = rows(2)
    following.add([first], log.begin)
    writing = asyncio.create_task(following.caught_up())
    await asyncio.sleep(0)
    following.add([second], log.begin)

    looking = asyncio.create_task(following.caught_up())
    log.may_go_on.set()
    await looking

    assert writing.done()
    assert log.calls == [[first], [second]]
    assert not following.is_behind


async def test_what_is_added_while_others_are_written_begins_anew() -> None:
    log = Log()
    following = Following(log.write)
    first, second = rows(2)

    following.add([first], log.begin)
    await following.caught_up()
    following.add([second], log.begin)

    assert log.woken == 2
    assert following.is_behind


async def test_many_rows_are_written_some_at_a_time() -> None:
    log = Log()
    following = Following(log.write)

    following.add(rows(MOST + 1), log.begin)
    await following.caught_up()

    assert [len(call) for call in log.calls] == [MOST, 1]
