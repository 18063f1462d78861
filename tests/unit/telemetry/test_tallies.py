"""Values that are added up by the batch come to what they would have come to one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from longshore.telemetry import Tallies
from longshore.telemetry import instruments as table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.telemetry.instruments import Instrument

WHERE = ("sqlite", "default", "job")
ON_BOUNDS = st.sampled_from([0.0, *table.LONG_BUCKETS])
SECONDS = st.one_of(ON_BOUNDS, st.floats(min_value=0, max_value=200_000))


@given(st.lists(st.lists(SECONDS, max_size=20), max_size=4))
def test_a_batch_is_in_the_same_buckets_as_its_values(batches: list[list[float]]) -> None:
    whole, single = Tallies(), Tallies()
    append = whole.pending(table.TASK_WAIT, WHERE)

    for batch in batches:
        for value in batch:
            append(value)
            single.observe(table.TASK_WAIT, WHERE, value)
        whole.fold()

    found, expected = (
        [
            (one.counts, one.count, one.least, one.most)
            for _, one in each.distributions(table.TASK_WAIT)
        ]
        for each in (whole, single)
    )
    assert found == expected


def test_what_is_pending_is_there_for_who_reads() -> None:
    tallies = Tallies()
    count, took = (
        tallies.pending(table.TASK_RETRIES, WHERE),
        tallies.pending(table.TASK_WAIT, WHERE),
    )

    count(1)
    count(1)
    took(0.5)

    assert [value for _, value in tallies.series(table.TASK_RETRIES)] == [2]
    assert [one.count for _, one in tallies.distributions(table.TASK_WAIT)] == [1]


def test_a_listener_is_told_each_pending_value_of_a_distribution() -> None:
    tallies = Tallies()
    told: list[tuple[str, float]] = []

    def tell(instrument: Instrument, _: Mapping[str, str], value: float) -> None:
        told.append((instrument.name, value))

    tallies.listen(tell)
    tallies.pending(table.TASK_RETRIES, WHERE)(1)
    took = tallies.pending(table.TASK_WAIT, WHERE)
    took(2.0)
    took(1.0)
    tallies.fold()

    assert sorted(told) == [(table.TASK_WAIT.name, 1.0), (table.TASK_WAIT.name, 2.0)]


def test_a_reset_forgets_what_is_pending_and_goes_on_taking_values() -> None:
    tallies = Tallies()
    count = tallies.pending(table.TASK_RETRIES, WHERE)
    count(1)

    tallies.reset()
    count(1)

    assert [value for _, value in tallies.series(table.TASK_RETRIES)] == [1]
