"""From deliveries to bids: reading our own and others' messages, and burying what is neither."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeAlias

from longshore.codec.cloudevents import read_event
from longshore.codec.heads import Heads
from longshore.codec.parse import is_own, parse
from longshore.codec.pointing import points
from longshore.codec.raw import Pointer
from longshore.errors import MessageError, UnavailableError
from longshore.queue import Rejection
from longshore.quick import replace
from longshore.worker.bids import Bidder
from longshore.worker.foreign import Foreign, Part
from longshore.worker.messages import tell_refused
from longshore.worker.pointing import Pointing, fetch
from longshore.worker.spread import Spread, spread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from longshore.definition import TaskRegistry
    from longshore.policy import Policy
    from longshore.ports import Ports
    from longshore.queue import Delivery, Queue
    from longshore.task import Task
    from longshore.worker.bids import Bid
    from longshore.worker.foreign import Parts

    Rows: TypeAlias = list[Task | None]
    Asked: TypeAlias = Callable[[Callable[[], Awaitable[Rows]]], Awaitable[Rows]]

_log = logging.getLogger("longshore.worker")

Unreadable: TypeAlias = "tuple[Delivery, MessageError]"
Unbid: TypeAlias = "Unreadable | Spread | Pointing"
"""A delivery that is no task yet: it cannot be read, means several or none, or lies elsewhere."""


class Intake:
    """Reads deliveries of one queue, and deals with those that no bid can be made for."""

    def __init__(
        self, port: Queue, ports: Ports, registry: TaskRegistry, policy: Policy, worker: str
    ) -> None:
        """Serve one queue for one worker."""
        self._port = port
        self._ports = ports
        self._policy = policy.of(port.name)
        self._heads = Heads()
        self._foreign = Foreign(self._policy, registry, ports.ids)
        self._bidder = Bidder(port.name, registry, policy, worker=worker, ids=ports.ids)

    def read(self, deliveries: Sequence[Delivery]) -> tuple[list[Bid], list[Unbid]]:
        """Decode deliveries; answer bids, and what no bid can be made for at once."""
        now = self._ports.clock.now()
        bids: list[Bid] = []
        rest: list[Unbid] = []
        for delivery in deliveries:
            try:
                message = self._heads.read(delivery.body)
                if message is None:
                    document = parse(delivery.body)
                    if not is_own(document) or points(document):
                        self._read_foreign(delivery, document, now, bids, rest)
                        continue
                    message = read_event(document)
                    self._heads.learn(delivery.body)
                part = Part(message.key(delivery.queue), message, delivery.body)
                bids.append(self._bidder.bid(delivery, part, now))
            except MessageError as error:
                rest.append((delivery, error))
        return bids, rest

    def _read_foreign(
        self,
        delivery: Delivery,
        document: object,
        now: datetime,
        bids: list[Bid],
        rest: list[Unbid],
    ) -> None:
        """Read another producer's message, or one of ours whose data lies elsewhere."""
        if is_own(document):
            rest.append(Pointing(delivery, self._foreign.read_own(delivery, document)))
            return
        found = self._foreign.read(delivery, document)
        if isinstance(found, Pointer):
            rest.append(Pointing(delivery, found))
        else:
            self._take(delivery, found, now, bids, rest)

    def _take(
        self, delivery: Delivery, parts: Parts, now: datetime, bids: list[Bid], rest: list[Unbid]
    ) -> None:
        """Bid for a message's one task; what is settled of it carries the task's key."""
        if len(parts) == 1:
            part = parts[0]
            self._refuse_large(part)
            bids.append(self._bidder.bid(replace(delivery, key=part.key), part, now))
        else:
            tasks = [self._bidder.task(delivery, part, now) for part in parts]
            rest.append(Spread(delivery, tasks))

    async def _fetch(self, pointing: Pointing, bids: list[Bid], rest: list[Unbid]) -> None:
        """Fetch what a message holds, and read it; what does not come is left to its lease."""
        delivery, pointer = pointing.delivery, pointing.pointer
        try:
            content = await fetch(self._ports.fetcher, pointer.url, self._policy.fetch_from)
            parts = self._foreign.fetched(pointer, content)
            self._take(delivery, parts, self._ports.clock.now(), bids, rest)
        except MessageError as error:
            rest.append((delivery, error))
        except UnavailableError as error:
            _log.warning("a message is left to its lease, because of what it holds: %s", error)

    def _refuse_large(self, part: Part) -> None:
        """Refuse what could not be published again: its row would keep it for nothing."""
        size, limit = len(part.body), self._port.capabilities.max_body
        if size > limit:
            problem = f"as a task it is {size:,} bytes, and its queue takes at most {limit:,}"
            raise MessageError(problem)

    async def known(self, rest: Sequence[Unbid], asked: Asked) -> list[Bid]:
        """Deal with deliveries that no bid was made for; answer bids for what turned out a task.

        What lies elsewhere is fetched, several tasks are sent each by itself. What cannot be read
        goes to the dead-letter queue with a reason, at once, unless it is a logged task: its row is
        to end with it. `asked` repeats a question until the log answers.
        """
        bids: list[Bid] = []
        pointings = [one for one in rest if isinstance(one, Pointing)]
        rest = list(rest)
        await asyncio.gather(*[self._fetch(one, bids, rest) for one in pointings])
        spreads = [one for one in rest if isinstance(one, Spread)]
        bad: list[Rejection] = []
        if spreads:
            bad = await spread(self._port, self._ports.task_log, spreads, self._ports.clock.now())
        unreadable = [one for one in rest if isinstance(one, tuple)]
        bad += await self._unreadable(unreadable, asked, bids)
        if bad:
            await self._bury(bad)
        return bids

    async def _unreadable(
        self, unreadable: Sequence[Unreadable], asked: Asked, bids: list[Bid]
    ) -> list[Rejection]:
        """Bid for the rows of what cannot be read; answer what has none that could end."""
        keys = [delivery.key for delivery, _ in unreadable if delivery.key is not None]
        rows = await asked(lambda: self._ports.task_log.get(keys)) if keys else []
        by_key = {row.id: row for row in rows if row is not None and not row.final}
        bad: list[Rejection] = []
        for delivery, error in unreadable:
            row = None if delivery.key is None else by_key.get(delivery.key)
            if row is not None:
                bids.append(self._bidder.ending(delivery, error, row))
            else:
                bad.append(Rejection(delivery=delivery, reason=error.reason, detail=error.problem))
        return bad

    async def _bury(self, bad: Sequence[Rejection]) -> None:
        _log.warning(
            "%d unreadable messages of queue %r go to its dead letters: %s",
            len(bad),
            self._port.name,
            bad[0].detail,
        )
        try:
            tell_refused(self._port.name, "reject", await self._port.reject(bad))
        except UnavailableError as error:
            _log.warning("%d unreadable messages are left to their leases: %s", len(bad), error)
