"""The promises of `Store.add`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from longshore.conformance.contract import LONG, SHORT, Time
from longshore.conformance.store.shelf import StoreSetting, add, get, put
from longshore.errors import StorageError
from longshore.store import Add, Delete

if TYPE_CHECKING:
    from longshore.store import Store

WRITERS = 8
TIMES = 50
ODD_KEYS = ["%", "_", "a%b", "a_b", "ä/ö ü", "\U0001f6a2", "a\\b", "'; --", "a:b|c", " ", "a\tb"]


class Adding(StoreSetting):
    """Counters."""

    async def test_an_absent_counter_starts_at_zero(self, store: Store) -> None:
        """Each add answers the new value; amounts may be negative."""
        totals = [await add(store, "n", amount) for amount in (5, -7, 0, 3)]

        assert totals == [5, -2, -2, 1]

    async def test_a_counter_reads_as_its_digits(self, store: Store) -> None:
        """Its version grows with each add."""
        await add(store, "n", -41)
        before = await get(store, "n")
        await add(store, "n", -1)

        after = await get(store, "n")

        assert before is not None
        assert after is not None
        assert (before.value, after.value) == (b"-41", b"-42")
        assert after.version > before.version

    async def test_each_add_of_a_batch_is_answered_in_its_place(self, store: Store) -> None:
        """Also where one counter comes twice."""
        answers = await store.add([Add(key="a"), Add(key="b", amount=10), Add(key="a")])

        assert answers == [1, 10, 2]

    async def test_concurrent_adds_lose_none(self, store: Store, second: Store) -> None:
        """8 writers of 50 adds each, over two connections."""

        async def count_up(one: Store) -> None:
            for _ in range(TIMES):
                await add(one, "n")

        await asyncio.gather(*(count_up(one) for one in (store, second) * (WRITERS // 2)))

        assert await add(store, "n", 0) == WRITERS * TIMES

    async def test_use_does_not_prolong_a_counter(self, store: Store, time: Time) -> None:
        """Its time to live is that of the add which made it; then it starts at 0 again."""
        await add(store, "n", ttl=SHORT)
        created = await get(store, "n")
        await add(store, "n", ttl=LONG)
        used = await get(store, "n")

        await time.passes(SHORT * 1.1)

        assert created is not None
        assert used is not None
        assert used.expires_at == created.expires_at
        assert await get(store, "n") is None
        assert await add(store, "n", ttl=SHORT) == 1

    async def test_a_lasting_counter_gets_no_expiry_by_use(self, store: Store) -> None:
        """`ttl` applies only to the add that creates it."""
        await add(store, "n")

        await add(store, "n", ttl=SHORT)

        entry = await get(store, "n")
        assert entry is not None
        assert entry.expires_at is None

    @pytest.mark.parametrize("value", [b"text", b"", b"5"])
    async def test_a_value_is_no_counter(self, store: Store, value: bytes) -> None:
        """Only what `add` wrote is, and the value stays as it is."""
        written = await put(store, "key", value)

        with pytest.raises(StorageError):
            await add(store, "key")

        assert await get(store, "key") == written

    async def test_a_counter_may_be_deleted_and_written_over(self, store: Store) -> None:
        """It is an entry like others; afterwards it counts from 0, or no more."""
        await add(store, "a", 5)
        await store.delete([Delete(key="a")])
        await add(store, "b", 5)
        await put(store, "b", b"7")

        assert await add(store, "a") == 1
        with pytest.raises(StorageError):
            await add(store, "b")
