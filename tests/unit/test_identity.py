from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from longshore.identity import TaskIds, task_key

NOW_NS = 1_795_341_600_123_456_789
MILLISECOND = 1_000_000
LARGEST_NS = ((1 << 48) - 1) * MILLISECOND

FORK = """
import os
from longshore.identity import TaskIds
make = TaskIds(now_ns=lambda: 0)
make()
child = os.fork()
if child:
    os.waitpid(child, 0)
print(*(make() for _ in range(50)), flush=True)
"""

texts = st.text(st.characters(codec=None), max_size=5)  # lone surrogates too
field_lists = st.lists(texts, max_size=4)


def at(now_ns: int) -> TaskIds:
    return TaskIds(now_ns=lambda: now_ns)


def test_an_id_is_a_uuid_of_version_7_in_its_usual_form() -> None:
    made = TaskIds()()

    parsed = UUID(made)
    assert (parsed.version, parsed.variant) == (7, RFC_4122)
    assert str(parsed) == made


@given(st.integers(min_value=0, max_value=LARGEST_NS), st.binary(min_size=8, max_size=8))
def test_version_and_variant_stand_whatever_the_time_and_the_entropy(
    now_ns: int, entropy: bytes
) -> None:
    made = TaskIds(now_ns=lambda: now_ns, entropy=lambda _: entropy)()

    assert (UUID(made).version, UUID(made).variant) == (7, RFC_4122)
    assert UUID(made).int >> 80 == now_ns // MILLISECOND


def test_an_id_tells_its_millisecond() -> None:
    made = UUID(at(NOW_NS)())

    moment = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    assert moment == datetime.fromtimestamp(NOW_NS // MILLISECOND / 1000, UTC)


@given(
    st.integers(min_value=0, max_value=LARGEST_NS // 2),
    st.integers(min_value=1_000, max_value=LARGEST_NS // 2),
)
def test_a_later_id_sorts_behind_an_earlier_one(now_ns: int, later: int) -> None:
    assert at(now_ns)() < at(now_ns + later)()


def test_ids_of_one_instant_are_all_different() -> None:
    make = at(NOW_NS)

    assert len({make() for _ in range(10_000)}) == 10_000


def test_a_fork_needs_no_care() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FORK], check=True, capture_output=True, text=True, timeout=30
    )

    ids = told.stdout.split()
    assert len(ids) == len(set(ids)) == 100


def test_a_key_is_a_uuid_of_version_8_in_its_usual_form() -> None:
    key = task_key("queue", "handler", "id")

    parsed = UUID(key)
    assert (parsed.version, parsed.variant) == (8, RFC_4122)
    assert str(parsed) == key


def test_a_key_is_the_same_on_every_host_and_for_ever() -> None:
    assert task_key("orders", "render", "42") == "8c10bac2-47a2-8b9d-91a8-4c488761ff6c"


def test_where_a_field_ends_makes_a_difference() -> None:
    keys = {
        task_key("ab", "c"),
        task_key("a", "bc"),
        task_key("abc"),
        task_key("abc", ""),
        task_key("", "abc"),
        task_key("a", "b", "c"),
    }

    assert len(keys) == 6


@given(field_lists, field_lists)
def test_keys_are_equal_where_all_fields_are_and_nowhere_else(
    one: list[str], other: list[str]
) -> None:
    assert (task_key(*one) == task_key(*other)) is (one == other)
