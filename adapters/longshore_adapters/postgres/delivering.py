"""What each verb of the queue does to the messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from longshore.errors import LeaseLostError
from longshore.queue import NO_DELAY
from longshore_adapters.postgres import statements
from longshore_adapters.postgres.scalars import attributes_of, attributes_text, span, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from longshore.errors import LongshoreError
    from longshore.queue import Delivery, Outgoing, Rejection, Release
    from longshore_adapters.postgres.session import Session
    from longshore_adapters.postgres.wire import Row

PURGE_AT_ONCE: Final = 5000
"""Messages a purge removes in one step, so that no lock is held for long."""
_NUMBER_DIGITS: Final = 19
_LARGEST: Final = 2**63 - 1


class Taken(NamedTuple):
    """Messages taken; with none, in how many seconds the next becomes visible, if one does."""

    rows: list[Row]
    soonest: float | None = None


async def put(session: Session, queue: str, messages: Sequence[Outgoing]) -> None:
    """Add messages that hold their own bodies."""
    rows = [
        (m.key, m.priority, m.delay, text(m.group), attributes_text(m.attributes), m.body)
        for m in messages
    ]
    if rows:
        await session.woken([queue], statements.SEND, queue=text(queue), **_sent(rows))


def _sent(rows: Sequence[Row]) -> dict[str, Any]:
    keys, priorities, delays, groups, attributes, bodies = zip(*rows, strict=True)
    return {
        "keys": list(keys),
        "priorities": list(priorities),
        "delays": [span(delay) for delay in delays],
        "groups": list(groups),
        "attributes": list(attributes),
        "bodies": list(bodies),
    }


async def take(session: Session, queue: str, limit: int, lease: timedelta) -> Taken:
    """Deliver the best of what is visible.

    A lease that ended makes its message ready again, but leaves its receipt: until somebody
    else takes it, the old holder may still settle it.
    """
    name = text(queue)
    async with session.together():
        await session.run(statements.PROMOTE, queue=name)
        taking = await session.begun(statements.TAKE, queue=name, limit=limit, lease=span(lease))
        looking = await session.begun(statements.SOONEST, queue=name)
    rows, [(soonest,)] = await taking.fetchall(), await looking.fetchall()
    # By priority, highest first, then by age: updated rows are returned in any order.
    return Taken(sorted(rows, key=lambda row: row[:2]), None if rows else soonest)


async def forget(session: Session, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
    """Remove what is held by these deliveries; one that is gone already is fine."""
    held = dict(receipt_of(delivery) for delivery in deliveries)
    if len(held) < len(deliveries):
        return [answer for each in deliveries for answer in await forget(session, [each])]
    removed = await session.all(statements.FORGET, **_columns(held.items()))
    if len(removed) == len(held):
        return [None] * len(held)
    # What is still there is there under another receipt.
    standing = {row[0] for row in await session.all(statements.STANDING, seqs=list(held))}
    return [
        lost(delivery) if number in standing else None
        for delivery, number in zip(deliveries, held, strict=True)
    ]


async def give_back(session: Session, releases: Sequence[Release]) -> list[LongshoreError | None]:
    """Make deliveries visible again, each after its delay; a second release of one is lost."""
    held = dict(receipt_of(release.delivery) for release in releases)
    if len(held) < len(releases):
        return [answer for each in releases for answer in await give_back(session, [each])]
    session.touched.update(release.delivery.queue for release in releases)
    moved = await session.all(
        statements.RELEASE,
        **_columns(held.items()),
        delays=[span(max(release.delay, NO_DELAY)) for release in releases],
    )
    return _answers([release.delivery for release in releases], moved)


async def hold(
    session: Session, deliveries: Sequence[Delivery], lease: timedelta
) -> list[LongshoreError | None]:
    """Let each lease end `lease` from now."""
    held = [receipt_of(delivery) for delivery in deliveries]
    moved = await session.all(statements.EXTEND, **_columns(held), lease=span(lease))
    return _answers(deliveries, moved)


async def bury(session: Session, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
    """Move deliveries to the dead letters."""
    held = dict(receipt_of(rejection.delivery) for rejection in rejections)
    if len(held) < len(rejections):
        return [answer for each in rejections for answer in await bury(session, [each])]
    buried = await session.all(
        statements.BURY,
        **_columns(held.items()),
        reasons=[text(rejection.reason) for rejection in rejections],
        details=[text(rejection.detail) for rejection in rejections],
        stamps=[rejection.stamp for rejection in rejections],
    )
    return _answers([rejection.delivery for rejection in rejections], buried)


async def revive(session: Session, queue: str, ids: Sequence[str]) -> set[int]:
    """Send dead letters again, in their priority, stamped with the run that failed."""
    numbers = list(dict.fromkeys(map(letter_number, ids)))
    async with session.transaction():
        found = await session.all(statements.REVIVE, queue=text(queue), seqs=numbers)
        if found:
            found.sort(key=lambda row: numbers.index(row[0]))
            rows = [_revived(row) for row in found]
            await session.run(statements.SEND, queue=text(queue), **_sent(rows))
    session.touched.add(queue)
    return {row[0] for row in found}


def _revived(row: Row) -> Row:
    _seq, key, priority, group, attributes, body, stamp = row
    told = attributes_of(attributes)
    if stamp is not None:
        told = {**told, "stamp": str(stamp)}
    return (key, priority, NO_DELAY, group, attributes_text(told), body)


async def purge(session: Session, queue: str, *, held: bool) -> int:
    """Remove some messages, those in flight only with `held`; answer how many, 0 at the end."""
    name = text(queue)
    removed = await session.run(statements.PURGE_READY, queue=name, most=PURGE_AT_ONCE)
    if removed == 0:
        removed = await session.run(
            statements.PURGE_WAITING, queue=name, held=held, most=PURGE_AT_ONCE
        )
    return removed


def receipt_of(delivery: Delivery) -> tuple[int, int]:
    """Read a receipt: the number of the message, and which delivery of it this is."""
    number, _, receipt = delivery.receipt.partition(":")
    return int(number), int(receipt)


def letter_number(letter_id: str) -> int:
    """Read the id of a dead letter; one that cannot be ours is none that exists."""
    digits = letter_id.isascii() and letter_id.isdecimal() and len(letter_id) <= _NUMBER_DIGITS
    return int(letter_id) if digits and int(letter_id) <= _LARGEST else -1


def lost(delivery: Delivery) -> LeaseLostError:
    """Say that a delivery is in other hands."""
    return LeaseLostError(f"delivery {delivery.receipt} of queue {delivery.queue!r}")


def _columns(held: Iterable[tuple[int, int]]) -> dict[str, Any]:
    pairs = list(held)
    return {"seqs": [seq for seq, _ in pairs], "receipts": [receipt for _, receipt in pairs]}


def _answers(deliveries: Sequence[Delivery], done: Sequence[Row]) -> list[LongshoreError | None]:
    numbers = {row[0] for row in done}
    return [None if receipt_of(each)[0] in numbers else lost(each) for each in deliveries]
