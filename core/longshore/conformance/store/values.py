"""The promises of `Store.get`, `put` and `delete`: values under versions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.store.shelf import StoreSetting, get, put
from longshore.errors import TooLargeError
from longshore.store import ABSENT, MAX_KEY, MAX_VALUE, Delete, Put

if TYPE_CHECKING:
    from longshore.store import Store

WRITERS = 8
TIMES = 50
ODD_KEYS = ["%", "_", "a%b", "a_b", "ä/ö ü", "\U0001f6a2", "a\\b", "'; --", "a:b|c", " ", "a\tb"]


class Keeping(StoreSetting):
    """Reading and writing values."""

    async def test_a_value_reads_back_as_it_was_written(self, store: Store) -> None:
        """By the entry that `put` answered."""
        written = await put(store, "key", bytes(range(256)))

        assert (written.key, written.value) == ("key", bytes(range(256)))
        assert written.version != ABSENT
        assert written.expires_at is None
        assert await get(store, "key") == written

    async def test_an_absent_key_reads_as_none(self, store: Store) -> None:
        """In its place among others."""
        written = await put(store, "b")

        assert await store.get(["a", "b", "c", "b"]) == [None, written, None, written]

    async def test_a_value_is_seen_by_another_connection(self, store: Store, second: Store) -> None:
        """As soon as it was answered."""
        written = await put(store, "key")

        assert await get(second, "key") == written

    async def test_an_empty_value_is_a_value(self, store: Store) -> None:
        """Not an absence."""
        await put(store, "key", b"")

        entry = await get(store, "key")

        assert entry is not None
        assert entry.value == b""

    @pytest.mark.parametrize("key", ODD_KEYS)
    async def test_a_key_is_any_text(self, store: Store, key: str) -> None:
        """And no pattern: only the very key is found, written and removed."""
        near = ["axb", "a", "b", "x", "a%xb", "ab"]
        for other in near:
            await put(store, other)
        written = await put(store, key)

        found = await store.scan(key)
        removed = await store.delete([Delete(key=key)])

        assert written in found
        assert all(entry.key.startswith(key) for entry in found)
        assert removed == [True]
        assert all(await store.get(near))

    async def test_keys_and_values_reach_their_limits(self, store: Store) -> None:
        """512 bytes of key, 64 KiB of value."""
        key = "ä" * (MAX_KEY // 2)
        value = bytes(range(256)) * (MAX_VALUE // 256)

        await put(store, key, value)

        entry = await get(store, key)
        assert entry is not None
        assert (entry.key, entry.value) == (key, value)

    @pytest.mark.parametrize("what", ["key", "value"])
    async def test_what_is_above_a_limit_is_refused(self, store: Store, what: str) -> None:
        """With an error that says so, and nothing is written."""
        long = what == "key"
        key = "k" * (MAX_KEY + 1) if long else "key"
        value = b"v" if long else b"v" * (MAX_VALUE + 1)

        with pytest.raises(TooLargeError):
            await store.put([Put(key=key, value=value)])

        assert await store.scan("") == []

    async def test_empty_batches_answer_empty_lists(self, store: Store) -> None:
        """No verb minds that there is nothing to do."""
        answers = [
            await store.get([]),
            await store.put([]),
            await store.delete([]),
            await store.add([]),
        ]

        assert answers == [[], [], [], []]


class Comparing(StoreSetting):
    """Writes under a version."""

    async def test_a_write_under_the_right_version_succeeds(self, store: Store) -> None:
        """And the version grows."""
        first = await put(store, "key", b"1")

        [second] = await store.put([Put(key="key", value=b"2", if_version=first.version)])

        assert second is not None
        assert second.version > first.version
        assert await get(store, "key") == second

    async def test_a_write_under_another_version_changes_nothing(self, store: Store) -> None:
        """Whether it is older or newer."""
        old = await put(store, "key", b"1")
        new = await put(store, "key", b"2")

        answers = await store.put(
            [
                Put(key="key", value=b"x", if_version=old.version),
                Put(key="key", value=b"x", if_version=new.version + 1),
            ]
        )

        assert answers == [None, None]
        assert await get(store, "key") == new

    async def test_a_write_if_absent_succeeds_once(self, store: Store) -> None:
        """`ABSENT` is the version of what is not there."""
        first, second = await store.put(
            [Put(key="key", value=b"%d" % n, if_version=ABSENT) for n in range(2)]
        )

        assert second is None
        assert await get(store, "key") == first

    async def test_a_write_under_a_version_of_an_absent_key_fails(self, store: Store) -> None:
        """There is nothing of that version."""
        answers = await store.put([Put(key="key", value=b"x", if_version=1)])

        assert answers == [None]
        assert await get(store, "key") is None

    async def test_a_write_without_a_version_always_succeeds(self, store: Store) -> None:
        """And the version grows all the same."""
        versions = [(await put(store, "key")).version for _ in range(3)]

        assert versions == sorted(set(versions))

    async def test_each_item_of_a_batch_is_answered_by_itself(self, store: Store) -> None:
        """In the order given; a batch is not a transaction."""
        await put(store, "b")

        answers = await store.put(
            [Put(key=key, value=b"x", if_version=ABSENT) for key in ("a", "b", "c")]
        )

        assert [entry and entry.key for entry in answers] == ["a", None, "c"]

    async def test_of_concurrent_writes_if_absent_one_succeeds(
        self, store: Store, second: Store
    ) -> None:
        """So is a leader elected."""
        answers = await asyncio.gather(
            *(
                one.put([Put(key="lead", value=b"%d" % place, if_version=ABSENT)])
                for place, one in enumerate((store, second) * (WRITERS // 2))
            )
        )

        won = [entry for [entry] in answers if entry is not None]
        assert won == [await get(store, "lead")]

    async def test_concurrent_increments_under_a_version_lose_none(
        self, store: Store, second: Store
    ) -> None:
        """Each reads, and writes what it read plus one, until it succeeds."""
        await put(store, "key", b"0")

        await asyncio.gather(*(_increment(one) for one in (store, second) * (WRITERS // 2)))

        entry = await get(store, "key")
        assert entry is not None
        assert int(entry.value) == WRITERS

    async def test_versions_are_not_used_again_after_a_delete(self, store: Store) -> None:
        """The compare-and-set of a stale holder fails."""
        old = await put(store, "key")
        await store.delete([Delete(key="key")])
        new = await put(store, "key")

        [stale] = await store.put([Put(key="key", value=b"x", if_version=old.version)])

        assert new.version > old.version
        assert stale is None


class Deleting(StoreSetting):
    """Removing keys."""

    async def test_a_deleted_key_is_absent(self, store: Store) -> None:
        """True where it was there."""
        await put(store, "key")

        answers = await store.delete([Delete(key="key"), Delete(key="key")])

        assert answers == [True, False]
        assert await get(store, "key") is None
        assert await store.scan("") == []

    async def test_a_delete_under_another_version_removes_nothing(self, store: Store) -> None:
        """A lease is given up only by who holds it."""
        old = await put(store, "key")
        new = await put(store, "key")

        stale = await store.delete([Delete(key="key", if_version=old.version)])
        right = await store.delete([Delete(key="key", if_version=new.version)])

        assert (stale, right) == ([False], [True])


async def _increment(store: Store) -> None:
    written = None
    while written is None:
        entry = await get(store, "key")
        assert entry is not None
        value = b"%d" % (int(entry.value) + 1)
        [written] = await store.put([Put(key="key", value=value, if_version=entry.version)])
