from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from longshore_adapters.rabbitmq.acks import Acks


def held(count: int) -> Acks:
    acks = Acks()
    for tag in range(1, count + 1):
        acks.came(tag)
    return acks


def test_what_is_done_from_the_oldest_on_is_acknowledged_at_once() -> None:
    acks = held(5)
    for tag in (3, 1, 2):
        acks.done(tag)

    assert acks.in_turn() == 3
    assert acks.in_turn() is None
    assert len(acks) == 2


def test_what_is_done_out_of_turn_waits_and_is_then_acknowledged_alone() -> None:
    acks = held(4)
    acks.done(2)
    acks.done(4)

    first, waited = acks.in_turn(), acks.waiting
    alone = acks.out_of_turn()

    assert (first, waited) == (None, True)
    assert (alone, acks.waiting, len(acks)) == ([2, 4], False, 2)


def test_an_acknowledgement_never_reaches_over_what_is_held() -> None:
    acks = held(3)
    acks.done(1)
    acks.done(3)

    assert acks.in_turn() == 1


def test_what_was_released_holds_up_nothing_and_is_not_ours() -> None:
    acks = held(3)
    acks.release(1)
    acks.done(2)

    assert acks.in_turn() == 2
    assert acks.was_released(1)
    assert not acks.is_ours(1)


def test_only_what_came_since_the_mark_counts_as_fresh() -> None:
    acks = held(2)
    acks.mark()
    acks.came(3)
    acks.done(1)

    acks.in_turn()

    assert (len(acks), acks.fresh) == (2, 1)


@given(
    st.lists(st.sampled_from(["come", "done", "release", "turn", "rest"]), max_size=60), st.data()
)
def test_every_delivery_is_settled_once_and_only_when_it_is_done(
    steps: list[str], data: st.DataObject
) -> None:
    acks, tags, ours, done = Acks(), 0, set[int](), set[int]()
    settled: list[int] = []
    for step in steps:
        if step == "come":
            tags += 1
            acks.came(tags)
            ours.add(tags)
        elif step in {"done", "release"} and ours:
            tag = data.draw(st.sampled_from(sorted(ours)))
            ours.discard(tag)
            if step == "done":
                acks.done(tag)
                done.add(tag)
            else:
                acks.release(tag)
        elif step == "turn" and (last := acks.in_turn()) is not None:
            settled += [tag for tag in sorted(done) if tag <= last]
            assert not any(tag <= last for tag in ours)
            done = {tag for tag in done if tag > last}
        elif step == "rest":
            settled += acks.out_of_turn()
            done.clear()

    assert len(settled) == len(set(settled))
    assert len(acks) == len(ours) + len(done)


def test_one_that_is_held_for_long_has_nothing_kept_of_those_after_it() -> None:
    acks = held(1)
    tracemalloc.start()
    try:
        for tag in range(2, 50_000):
            acks.came(tag)
            acks.done(tag)
            if tag % 10 == 0:
                acks.out_of_turn()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(acks) == 10
    assert kept < 200_000
