"""Workers, the server and its connections broken together on PostgreSQL: every promise is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from longshore.registry import find_adapter
from tests.brokers.proxy import Proxy
from tests.chaos.breaking import SOON, assert_kept, broken

if TYPE_CHECKING:
    from pathlib import Path

    from tests.brokers.private import PrivateServer

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]


def test_while_the_server_is_killed_and_connections_are_cut_every_promise_is_kept(
    tmp_path: Path, private_postgres: PrivateServer
) -> None:
    with Proxy(private_postgres.port) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?schema=chaos{uuid4().hex[:8]}"
        find_adapter(url).init(url)

        # A log that is away for a lease costs it: then threads that do not listen would overlap.
        seen = broken(("--url", url), private_postgres, proxy, tmp_path, gone=SOON)

    # Who is to be killed has to hold something; while the log is away nobody takes anything up.
    assert_kept(seen, kills=2)
