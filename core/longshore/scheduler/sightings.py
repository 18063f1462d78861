"""When queues were looked at and seen empty, kept in the Store where there is one.

So the next leader goes on where the last one ended, and so does a scheduler that cron starts.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from longshore.errors import LongshoreError
from longshore.store import Delete, Put

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.store import Store

_log = logging.getLogger("longshore.scheduler")
KEY: Final = "scheduler/empty"
LOOKED: Final = "scheduler/looked"
_KEPT: Final = timedelta(days=1)
_LOOK: Final = "at"


class Sightings:
    """The last time that each queue was seen empty; a queue that was not is left out.

    The store is asked and told, and done without where it does not answer.
    """

    def __init__(self, store: Store | None) -> None:
        """Without a store they are this process's own."""
        self._store = store
        self._seen: dict[str, datetime] = {}

    async def read(self) -> Mapping[str, datetime]:
        """Answer them by queue."""
        self._seen = await self._get(KEY, self._seen)
        return self._seen

    async def write(self, seen: Mapping[str, datetime]) -> None:
        """Put these in the place of the old ones."""
        self._seen = dict(seen)
        await self._put(KEY, self._seen)

    async def looked(self) -> datetime | None:
        """When somebody last began to look, if that is known."""
        return (await self._get(LOOKED, {})).get(_LOOK)

    async def look(self, now: datetime) -> None:
        """Note that somebody begins to."""
        await self._put(LOOKED, {_LOOK: now})

    async def forget_look(self) -> None:
        """Have the next look come soon: a broker may have lost what it held."""
        if self._store is None:
            return
        try:
            await self._store.delete([Delete(key=LOOKED)])
        except LongshoreError as error:
            _log.debug("that queues are to be looked at could not be kept: %s", error)

    async def _get(self, key: str, known: dict[str, datetime]) -> dict[str, datetime]:
        if self._store is None:
            return known
        try:
            (entry,) = await self._store.get([key])
        except LongshoreError as error:
            _log.debug("what queues were seen empty could not be read: %s", error)
            return known
        return known if entry is None else _of_json(entry.value)

    async def _put(self, key: str, times: Mapping[str, datetime]) -> None:
        if self._store is None:
            return
        text = json.dumps({name: moment.isoformat() for name, moment in times.items()})
        try:
            await self._store.put([Put(key=key, value=text.encode(), ttl=_KEPT)])
        except LongshoreError as error:
            _log.debug("what queues were seen empty could not be kept: %s", error)


def _of_json(value: bytes) -> dict[str, datetime]:
    """Read them; what another version wrote in another form is none, and looked at anew."""
    try:
        found = cast("dict[str, str]", json.loads(value))
        return {name: datetime.fromisoformat(moment) for name, moment in found.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
