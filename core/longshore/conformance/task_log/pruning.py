"""The promises of `prune`, and what closing does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import LONG
from longshore.conformance.task_log.clerk import Clerk, LogSetting
from longshore.errors import ClosedError, ConfigurationError
from longshore.identity import TaskIds
from longshore.protocol import End, Outcome
from longshore.task import FINAL, TaskSpec, TaskState
from longshore.task_log import TaskQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from longshore.conformance.contract import Connect

SUCCEEDED = frozenset({TaskState.SUCCEEDED})
MOMENT = timedelta(milliseconds=10)


class Pruning(LogSetting):
    """Removing what was kept long enough."""

    async def _ended(self, clerk: Clerk, count: int) -> list[TaskSpec]:
        specs: list[TaskSpec] = []
        for _ in range(count):
            specs.append(await clerk.ended())
            await clerk.time.passes(MOMENT)
        return specs

    async def test_only_rows_older_than_the_moment_are_removed(self, clerk: Clerk) -> None:
        """By when they were last written; the moment itself stays."""
        old, young = await self._ended(clerk, 2)
        moment = (await clerk.row(young)).updated_at

        removed = await clerk.log.prune(states=SUCCEEDED, before=moment, limit=10)

        assert removed == 1
        assert [row and row.id for row in await clerk.log.get([old.id, young.id])] == [
            None,
            young.id,
        ]

    async def test_only_the_states_asked_for_are_removed(
        self,
        clerk: Clerk,
        ways: dict[TaskState, Callable[[], Coroutine[None, None, TaskSpec]]],
    ) -> None:
        """Whatever is open, held, running or of another end stays."""
        specs = {state: await way() for state, way in ways.items()}
        wanted = frozenset({TaskState.FAILED, TaskState.EXPIRED})

        removed = await clerk.log.prune(states=wanted, before=clerk.now() + LONG, limit=100)

        left = [state for state, spec in specs.items() if await clerk.find_row(spec)]
        assert removed == len(wanted)
        assert set(left) == set(specs) - wanted

    async def test_no_more_than_the_limit_are_removed_oldest_first(self, clerk: Clerk) -> None:
        """Long deletes are many short ones."""
        specs = await self._ended(clerk, 5)
        prune = clerk.log.prune

        removed = await prune(states=SUCCEEDED, before=clerk.now() + LONG, limit=2)
        left = await clerk.log.get([spec.id for spec in specs])
        rest = await prune(states=SUCCEEDED, before=clerk.now() + LONG, limit=100)

        assert (removed, rest) == (2, 3)
        assert [row is not None for row in left] == [False, False, True, True, True]

    async def test_attempts_go_with_their_task(self, clerk: Clerk) -> None:
        """And a message that outlives its row is a new task (§14)."""
        spec = await clerk.ended()
        await clerk.log.prune(states=SUCCEEDED, before=clerk.now() + LONG, limit=10)

        attempts = await clerk.log.attempts(spec.id)
        answer = await clerk.won(clerk.bid(spec))

        assert attempts == []
        assert (answer.token, answer.attempt) == (1, 1)

    @pytest.mark.parametrize("state", sorted(set(TaskState) - FINAL))
    async def test_pruning_what_is_not_final_is_refused(self, clerk: Clerk, state: str) -> None:
        """And removes nothing, of the final states named beside it either."""
        spec = await clerk.ended()
        states = SUCCEEDED | {TaskState(state)}

        with pytest.raises(ConfigurationError):
            await clerk.log.prune(states=states, before=clerk.now() + LONG, limit=10)

        assert await clerk.find_row(spec) is not None

    async def test_pruning_nothing_answers_zero(self, clerk: Clerk) -> None:
        """It may be repeated."""
        assert await clerk.log.prune(states=FINAL, before=clerk.now(), limit=10) == 0


class Closing(LogSetting):
    """Leaving the context that gave the backend."""

    async def test_a_closed_log_refuses_every_verb(self, connect: Connect, clerk: Clerk) -> None:
        """Also where a batch is empty; other connections stay open."""
        async with connect() as opened:
            log = opened.task_log
        assert log is not None
        outcome = Outcome(task_id=TaskIds()(), token=1, end=End.SUCCESS)

        calls = [
            log.record([clerk.entry()]),
            log.record([]),
            log.claim([clerk.bid(clerk.spec())]),
            log.claim([]),
            log.renew([]),
            log.finish([outcome]),
            log.finish([]),
            log.transition([]),
            log.note([]),
            log.get([]),
            log.find(TaskQuery()),
            log.count(TaskQuery()),
            log.stats(),
            log.due(before=clerk.now(), limit=1),
            log.attempts(TaskIds()()),
            log.prune(states=FINAL, before=clerk.now(), limit=1),
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)

        assert [type(answer) for answer in answers] == [ClosedError] * len(calls)
        assert await clerk.log.stats() == []
