"""What waits for a request: in which order it goes, and what it costs to wait."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore_adapters.sqs.backlog import Backlog
from longshore_adapters.sqs.limits import MAX_ENTRIES, MAX_MESSAGE
from longshore_adapters.sqs.wire import Entry


def entry(group: str = "a", size: int = 10) -> Entry:
    return Entry(fields={"MessageGroupId": group}, size=size)


def taken(backlog: Backlog[int]) -> list[int]:
    return [number for _, _, number in backlog.take()[0]]


def test_a_group_that_is_on_its_way_is_passed_over_until_it_is_free() -> None:
    backlog: Backlog[int] = Backlog(ordered=True)
    for number, group in enumerate("aab"):
        backlog.add(entry(group), number)
    held = backlog.hold([entry("a")])

    others = taken(backlog)
    nothing = taken(backlog)
    backlog.free(held)

    assert (others, nothing, taken(backlog)) == ([2], [], [0, 1])
    assert not backlog


def test_where_order_does_not_count_nothing_is_passed_over() -> None:
    backlog: Backlog[int] = Backlog(ordered=False)
    for number in range(3):
        backlog.add(entry(), number)

    assert backlog.hold([entry()]) == set()
    assert taken(backlog) == [0, 1, 2]


def test_what_is_put_back_goes_before_what_came_later() -> None:
    backlog: Backlog[int] = Backlog(ordered=True)
    for number, group in enumerate("ab"):
        backlog.add(entry(group), number)
    backlog.put_back(backlog.take()[0])
    backlog.add(entry("a"), 2)

    assert taken(backlog) == [0, 1, 2]


@pytest.mark.parametrize(("count", "size"), [(MAX_ENTRIES, 10), (2, MAX_MESSAGE // 2)])
def test_a_request_is_full_by_number_or_by_size(count: int, size: int) -> None:
    backlog: Backlog[int] = Backlog(ordered=True)
    for number in range(count + 1):
        backlog.add(entry(size=size), number)

    batch, full = backlog.take()

    assert (len(batch), full) == (count, True)
    assert taken(backlog) == [count]


@given(st.lists(st.sampled_from(["a", "b", "c", "take", "back", "hold", "free"]), max_size=60))
def test_whatever_happens_each_entry_goes_once_and_those_of_a_group_in_order(
    steps: list[str],
) -> None:
    backlog: Backlog[int] = Backlog(ordered=True)
    groups: list[str] = []
    gone: list[int] = []
    held: set[str | None] = set()
    for step in steps:
        if step in {"a", "b", "c"}:
            backlog.add(entry(step), len(groups))
            groups.append(step)
        elif step == "back":
            batch, full = backlog.take()
            if full:
                gone += [number for _, _, number in batch]
            else:
                backlog.put_back(batch)
        elif step == "free":
            backlog.free(held)
            held = set()
        else:
            batch, _ = backlog.take()
            assert not held & {one.fields["MessageGroupId"] for _, one, _ in batch}
            gone += [number for _, _, number in batch]
            if step == "hold":
                held |= backlog.hold([one for _, one, _ in batch])
    backlog.free(held)
    while backlog:
        gone += taken(backlog)

    assert sorted(gone) == list(range(len(groups)))
    for group in "abc":
        of_group = [number for number in gone if groups[number] == group]
        assert of_group == sorted(of_group)


def test_an_entry_costs_the_same_however_many_of_its_group_wait() -> None:
    """A backlog of one group was looked through for each entry that was added to it."""
    looks: list[str] = []

    class Fields(dict[str, Any]):
        def get(self, key: str, default: object = None) -> Any:
            looks.append(key)
            return super().get(key, default)

    backlog: Backlog[int] = Backlog(ordered=True)
    backlog.hold([entry()])
    for number in range(1000):
        backlog.add(Entry(fields=Fields(MessageGroupId="a"), size=10), number)
        assert backlog.take() == ([], False)

    assert len(looks) == 1000
