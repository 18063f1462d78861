"""One leader at a time, whatever the store and its clock do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.conformance import FlakyStore
from longshore.scheduler import leader_of
from longshore.scheduler.leader import Leader
from tests.unit.scheduler.conftest import LEASE, Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.store import Delete

DAY = timedelta(days=1)


def leader(site: Site, name: str = "one") -> Leader:
    return Leader(site.ports, lease=LEASE, name=name)


async def waited(site: Site, heir: Leader) -> timedelta:
    """Ask each second until it leads, and answer how long that took."""
    began = site.clock.monotonic()
    while not await heir.leads():
        site.clock.advance(1)
        assert site.clock.monotonic() - began < 100
    return timedelta(seconds=site.clock.monotonic() - began)


async def test_the_first_to_look_leads_and_the_others_wait(site: Site) -> None:
    one, other = leader(site), leader(site, "other")

    led = [(await one.leads(), await other.leads())]
    for _ in range(100):
        site.clock.advance(1)
        led.append((await one.leads(), await other.leads()))

    assert set(led) == {(True, False)}
    assert await leader_of(site.store) == "one"


async def test_two_in_one_process_do_not_take_each_other_for_themselves(site: Site) -> None:
    one, same = leader(site), leader(site)

    assert (await one.leads(), await same.leads()) == (True, False)


async def test_a_dead_leader_is_followed_within_two_leases(site: Site) -> None:
    dead, heir = leader(site), leader(site, "heir")
    await dead.leads()
    await heir.leads()
    site.clock.advance(4)
    await dead.leads()

    assert await waited(site, heir) <= 2 * LEASE


@pytest.mark.parametrize("jump", [-DAY, DAY], ids=["back", "forward"])
async def test_a_dead_leader_is_followed_whatever_the_clock_says(
    site: Site, jump: timedelta
) -> None:
    """With the clock set back, its entry in the store would stand for a day."""
    dead, heir = leader(site), leader(site, "heir")
    await dead.leads()
    await heir.leads()
    site.clock.set(site.clock.now() + jump)

    assert await waited(site, heir) <= 2 * LEASE


async def test_a_leader_whose_lease_another_took_steps_down(site: Site) -> None:
    slow, heir = leader(site), leader(site, "heir")
    await slow.leads()
    await heir.leads()
    await waited(site, heir)

    assert not await slow.leads()
    assert await heir.leads()


async def test_a_leader_that_resigns_is_followed_at_the_next_look(site: Site) -> None:
    one, heir = leader(site), leader(site, "heir")
    await one.leads()
    await heir.leads()

    await one.resign()

    assert await waited(site, heir) <= LEASE / 2
    assert not await one.leads()


async def test_resigning_takes_the_lease_from_nobody_else(site: Site) -> None:
    slow, heir = leader(site), leader(site, "heir")
    await slow.leads()
    await heir.leads()
    await waited(site, heir)

    await slow.resign()

    assert await leader_of(site.store) == "heir"


async def test_a_store_that_hangs_does_not_keep_a_leader_from_going(site: Site) -> None:
    class Hanging(FlakyStore):
        async def delete(self, deletes: Sequence[Delete]) -> list[bool]:
            await asyncio.Event().wait()
            return [False for _ in deletes]

    ports = replace(site.ports, store=Hanging(site.store, site.store_plan))
    one = Leader(ports, lease=LEASE, name="one")
    await one.leads()

    resigning = asyncio.ensure_future(one.resign())
    await site.yard.turn()
    site.clock.advance(2)
    await site.yard.turn()

    assert resigning.done()
    assert not await one.leads()


async def test_without_its_store_a_leader_steps_down_when_its_lease_ends(site: Site) -> None:
    one = leader(site)
    await one.leads()
    site.store_plan.sleep()

    led = []
    for _ in range(15):
        site.clock.advance(1)
        led.append(await one.leads())

    assert led[:9] == [True] * 9
    assert led[10:] == [False] * 5


async def test_without_the_store_everybody_leads_after_a_while_and_one_when_it_is_back(
    site: Site,
) -> None:
    one, other = leader(site), leader(site, "other")
    await one.leads()
    site.store_plan.sleep()
    alone = (False, False)
    for _ in range(40):
        site.clock.advance(1)
        alone = (await one.leads(), await other.leads())

    site.store_plan.wake()
    site.clock.advance(LEASE)
    back = (await one.leads(), await other.leads())

    assert alone == (True, True)
    assert back == (True, False)


@pytest.mark.parametrize("renewals", [0, 1])
async def test_a_write_whose_answer_was_lost_is_known_again(site: Site, renewals: int) -> None:
    one, other = leader(site), leader(site, "other")
    for _ in range(renewals):
        await one.leads()
        site.clock.advance(4)
    site.store_plan.lose_answer("put")
    await one.leads()
    site.clock.advance(4)

    assert (await one.leads(), await other.leads()) == (True, False)


async def test_without_any_store_it_always_leads(site: Site) -> None:
    alone = Leader(replace(site.ports, store=None), lease=LEASE, name="one")

    assert await alone.leads()
    await alone.resign()
    assert await alone.leads()


async def test_nobody_leads_where_none_has_been(site: Site) -> None:
    assert await leader_of(site.store) is None
