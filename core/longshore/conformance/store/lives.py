"""The promises about expiry, listing and closing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from longshore.conformance.contract import DEADLINE, LONG, SHORT, Connect, Time
from longshore.conformance.store.shelf import StoreSetting, add, get, put
from longshore.errors import ClosedError
from longshore.store import ABSENT, Add, Delete, Put

if TYPE_CHECKING:
    from longshore.store import Store

WRITERS = 8
TIMES = 50
ODD_KEYS = ["%", "_", "a%b", "a_b", "ä/ö ü", "\U0001f6a2", "a\\b", "'; --", "a:b|c", " ", "a\tb"]


class Expiring(StoreSetting):
    """Keys that live for a while."""

    async def test_a_key_lives_as_long_as_its_ttl(self, store: Store, time: Time) -> None:
        """Then it is absent, to every verb."""
        written = await put(store, "key", ttl=SHORT)
        during = await get(store, "key")

        await time.passes(SHORT * 1.1)

        assert during == written
        assert await get(store, "key") is None
        assert await store.scan("") == []
        assert await store.delete([Delete(key="key")]) == [False]
        stale = Put(key="key", value=b"x", if_version=written.version)
        assert await store.put([stale]) == [None]

    async def test_an_entry_says_when_it_expires(self, store: Store, time: Time) -> None:
        """By the store's clock."""
        written = await put(store, "key", ttl=LONG)

        assert written.expires_at is not None
        assert abs(written.expires_at - time.clock.now() - LONG) < DEADLINE / 2
        assert await get(store, "key") == written

    async def test_an_expired_key_may_be_written_if_absent(self, store: Store, time: Time) -> None:
        """Under a version that was not used before."""
        old = await put(store, "key", ttl=SHORT)
        await time.passes(SHORT * 1.1)

        [new] = await store.put([Put(key="key", value=b"new", if_version=ABSENT)])

        assert new is not None
        assert new.version > old.version

    async def test_a_write_decides_the_expiry_anew(self, store: Store, time: Time) -> None:
        """A holder that renews lives on; None keeps for ever."""
        await put(store, "renewed", ttl=SHORT)
        await put(store, "kept", ttl=SHORT)
        await put(store, "renewed", ttl=LONG)
        await put(store, "kept")

        await time.passes(SHORT * 1.1)

        assert [entry.key for entry in await store.scan("")] == ["kept", "renewed"]


class Scanning(StoreSetting):
    """Listing keys under a prefix."""

    async def test_a_scan_lists_a_prefix_in_key_order(self, store: Store) -> None:
        """The order is that of the text's code points, whatever the server's collation."""
        keys = ["p/b", "p/B", "p/a", "p/10", "p/9", "p/_", "p/é", "p/", "p/\U0001f6a2", "p/￮"]
        for key in [*keys, "o", "p", "q", "P/a"]:
            await put(store, key)

        entries = await store.scan("p/")

        assert [entry.key for entry in entries] == sorted(keys)
        assert entries == await store.get(sorted(keys))

    async def test_a_scan_goes_on_past_a_key(self, store: Store) -> None:
        """Page by page, each key once."""
        keys = [f"p/{place}" for place in range(7)]
        for key in keys:
            await put(store, key)

        listed: list[str] = []
        while page := await store.scan("p/", after=listed[-1] if listed else "", limit=3):
            assert len(page) <= len(keys[:3])
            listed += [entry.key for entry in page]

        assert listed == keys

    async def test_a_scan_goes_on_past_a_key_that_is_gone(self, store: Store) -> None:
        """The key names a place, and need not be there."""
        for key in ("a", "b", "c"):
            await put(store, key)
        await store.delete([Delete(key="b")])

        assert [entry.key for entry in await store.scan("", after="b")] == ["c"]

    async def test_expired_keys_fill_no_page(self, store: Store, time: Time) -> None:
        """The limit counts live entries."""
        for place in range(5):
            await put(store, f"p/{place}", ttl=SHORT)
        await put(store, "p/5")
        await put(store, "p/6")
        await time.passes(SHORT * 1.1)

        entries = await store.scan("p/", limit=2)

        assert [entry.key for entry in entries] == ["p/5", "p/6"]

    async def test_a_scan_lists_counters_as_well(self, store: Store) -> None:
        """As their digits."""
        await add(store, "p/n", 3)

        assert [entry.value for entry in await store.scan("p/")] == [b"3"]

    async def test_a_scan_of_everything_needs_no_prefix(self, store: Store) -> None:
        """The empty one is in front of every key."""
        await put(store, "b")
        await put(store, "a")

        assert [entry.key for entry in await store.scan("")] == ["a", "b"]


class Closing(StoreSetting):
    """Leaving the context that gave the backend."""

    async def test_a_closed_store_refuses_every_verb(self, connect: Connect, store: Store) -> None:
        """Also where a batch is empty; other connections stay open."""
        async with connect() as opened:
            closed = opened.store
        assert closed is not None

        calls = [
            closed.get(["key"]),
            closed.get([]),
            closed.put([Put(key="key", value=b"")]),
            closed.put([]),
            closed.delete([Delete(key="key")]),
            closed.delete([]),
            closed.add([Add(key="key")]),
            closed.add([]),
            closed.scan(""),
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)

        assert [type(answer) for answer in answers] == [ClosedError] * len(calls)
        assert await store.get(["key"]) == [None]
