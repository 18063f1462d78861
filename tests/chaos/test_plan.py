"""What is planned: the same for the same seed, and never so much that nobody is left to work."""

from __future__ import annotations

from random import Random

import pytest

from longshore.chaos.mixture import OUTLASTING, Mixture
from longshore.chaos.plan import Blow, planned

LEASE = 10.0


def test_the_same_seed_plans_the_same_and_another_one_does_not() -> None:
    one, same, other = (planned(60, 4, LEASE, seeded(seed)) for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_somebody_is_killed_every_second_and_everybody_is_restarted_in_turn() -> None:
    blows = planned(60, 4, LEASE, seeded(1))

    assert [blow.at for blow in blows if blow.means == "kill"] == list(range(1, 60))
    assert [blow.at for blow in blows if blow.means == "restart"] == [10, 30, 50]


@pytest.mark.parametrize("seed", range(5))
def test_stops_outlast_the_brokers_lease_and_never_hit_more_than_half_of_the_crew(
    seed: int,
) -> None:
    stops = [blow for blow in planned(300, 4, LEASE, seeded(seed)) if blow.means == "stop"]

    assert len(stops) > 20
    assert all(blow.lasts > LEASE + 5 for blow in stops)
    assert max(stopped_at(blow.at, stops) for blow in stops) <= 2


def test_a_worker_that_is_alone_is_never_stopped() -> None:
    blows = planned(60, 1, LEASE, seeded(1))

    assert {blow.means for blow in blows} == {"kill", "restart"}


@pytest.mark.parametrize("count", [1, 2, 3, 500])
def test_a_mixture_has_as_many_tasks_as_wanted_and_one_of_each_that_outlasts_a_lease(
    count: int,
) -> None:
    mixture = Mixture(lease=LEASE, calm=30, tenant="of this run")

    portions = list(mixture.tasks(count, seeded(1)))

    long = [one for one in portions if one.draft.data == {"seconds": LEASE + 2}]
    assert len(portions) == count
    assert len(long) == min(count, len(OUTLASTING))
    assert {one.draft.options.tenant for one in portions} == {"of this run"}


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - repeats a plan, guards nothing


def stopped_at(moment: float, stops: list[Blow]) -> int:
    return sum(blow.at <= moment < blow.at + blow.lasts for blow in stops)
