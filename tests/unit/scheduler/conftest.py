"""A yard with a store, and schedulers on it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.clock import ManualClock
from longshore.conformance import FaultPlan, FlakyStore
from longshore.registry import find_adapter
from longshore.scheduler import Scheduler, SchedulerOptions
from tests.unit.yard import open_yard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from longshore.store import Store
    from tests.unit.yard import Yard

LEASE = timedelta(seconds=10)


class Site:
    """Ports in memory, a store that can be away, and schedulers by name."""

    def __init__(self, yard: Yard, store: Store, clock: ManualClock) -> None:
        self.yard = yard
        self.clock = clock
        self.store_plan = FaultPlan()
        flaky = FlakyStore(store, self.store_plan)
        self.yard.ports = replace(yard.ports, store=flaky)
        self.yard.healthy = replace(yard.healthy, store=store)
        self.ports = self.yard.ports

    @property
    def store(self) -> Store:
        """The store itself, which is never away."""
        assert self.yard.healthy.store is not None
        return self.yard.healthy.store

    def scheduler(self, name: str = "one", **options: Any) -> Scheduler:
        """Make one."""
        given = {"lease": LEASE, "name": name, **options}
        return Scheduler(self.ports, options=SchedulerOptions(**given))

    @asynccontextmanager
    async def scheduling(self, name: str = "one", **options: Any) -> AsyncIterator[Scheduler]:
        """Let one run while inside, and stop it on the way out."""
        scheduler = self.scheduler(name, **options)
        running = asyncio.ensure_future(scheduler.run())
        await self.yard.turn()
        try:
            yield scheduler
        finally:
            scheduler.stop()
            await self.yard.done(running)

    async def killed(self, name: str) -> None:
        """Let one lead, and die without a word."""
        self.store_plan.fail_next("delete")
        running = asyncio.ensure_future(self.scheduler(name).run())
        await self.yard.turn()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def _site(*, together: bool) -> AsyncIterator[Site]:
    clock = ManualClock()
    async with (
        open_yard(together=together, clock=clock) as yard,
        find_adapter("memory://").open("memory://", clock) as third,
    ):
        assert third.store is not None
        yield Site(yard, third.store, clock)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """One server for messages, another for rows, a third for leases."""
    async with _site(together=False) as opened:
        yield opened


@pytest.fixture
async def together() -> AsyncIterator[Site]:
    """One server for messages and rows."""
    async with _site(together=True) as opened:
        yield opened
