"""What each verb of the queue does to the messages, inside one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from longshore.errors import LeaseLostError
from longshore.queue import NO_DELAY
from longshore_adapters.sqlite import statements
from longshore_adapters.sqlite.ledger import insert
from longshore_adapters.sqlite.scalars import (
    attributes_of,
    attributes_text,
    json_list,
    later,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from longshore.errors import LongshoreError
    from longshore.queue import Delivery, Outgoing, Rejection, Release
    from longshore_adapters.sqlite.connection import Transaction
    from longshore_adapters.sqlite.wire import Row

PURGE_AT_ONCE = 5000
"""Messages a purge removes in one transaction, so that others get their turn."""


class Taken(NamedTuple):
    """Messages taken until `lease_until`; with none, `soonest` is when the next will be visible."""

    rows: list[Row]
    lease_until: int
    soonest: int | None = None


def put(transaction: Transaction, queue: str, messages: Sequence[Outgoing]) -> None:
    """Add messages that hold their own bodies."""
    now = transaction.now
    rows: list[Row] = []
    for message in messages:
        waits = message.delay > NO_DELAY
        visible_at = later(now, message.delay) if waits else now
        head = (message.key, queue, message.priority, not waits, visible_at, now, None)
        rows.append((*head, text(message.group), attributes_text(message.attributes), message.body))
    insert(transaction, statements.INSERT_MESSAGES, rows)
    transaction.touched.add(queue)


def cut(transaction: Transaction, queue: str, lease: timedelta) -> None:
    """Shorten leases that end absurdly late: the clock has jumped back since they were given."""
    now = transaction.now
    transaction.run(statements.CUT, (queue, later(now, 2 * lease), later(now, lease)))


def take(transaction: Transaction, queue: str, limit: int, lease: timedelta) -> Taken:
    """Deliver the best of what is visible.

    A lease that ended makes its message ready again, but leaves its receipt: until somebody
    else takes it, the old holder may still settle it.
    """
    now = transaction.now
    transaction.run(statements.PROMOTE, (queue, now))
    lease_until = later(now, lease)
    rows = transaction.all(statements.TAKE, (lease_until, queue, limit))
    if rows:
        rows.sort(key=_order)
        return Taken(rows, lease_until)
    [(soonest,)] = transaction.all(statements.SOONEST, (queue,))
    return Taken(rows, lease_until, soonest)


def _order(row: Row) -> tuple[int, int]:
    """By priority, highest first, then by age: SQLite returns updated rows in any order."""
    return row[0], row[1]


def forget(transaction: Transaction, deliveries: Sequence[Delivery]) -> list[LongshoreError | None]:
    """Remove what is held by these deliveries; one that is gone already is fine."""
    items = [receipt_of(delivery) for delivery in deliveries]
    numbers = {number for number, _ in items}
    if len(numbers) < len(items):
        return [answer for each in deliveries for answer in forget(transaction, [each])]
    removed = transaction.run(statements.FORGET, (json_list(items),)).rowcount
    if removed == len(items):
        return [None] * len(items)
    # What is still there is there under another receipt.
    standing = {row[0] for row in transaction.all(statements.STANDING, (json_list(numbers),))}
    return [
        lost(delivery) if number in standing else None
        for delivery, (number, _) in zip(deliveries, items, strict=True)
    ]


def give_back(transaction: Transaction, releases: Sequence[Release]) -> list[LongshoreError | None]:
    """Make deliveries visible again, each after its delay; a second release of one is lost."""
    now = transaction.now
    moves: list[Row] = []
    for release in releases:
        visible_at = later(now, release.delay)
        ready = int(visible_at <= now)
        moves.append((*receipt_of(release.delivery), ready, visible_at, None))
    moved = _move(transaction, moves)
    for release in releases:
        transaction.touched.add(release.delivery.queue)
    return [
        None if done else lost(release.delivery)
        for release, done in zip(releases, moved, strict=True)
    ]


def hold(
    transaction: Transaction, deliveries: Sequence[Delivery], lease: timedelta
) -> list[LongshoreError | None]:
    """Let each lease end `lease` from now."""
    until = later(transaction.now, lease)
    receipts = map(receipt_of, deliveries)
    moved = _move(
        transaction, [(number, receipt, 0, until, receipt) for number, receipt in receipts]
    )
    return [
        None if done else lost(delivery) for delivery, done in zip(deliveries, moved, strict=True)
    ]


def _move(transaction: Transaction, moves: Sequence[Row]) -> list[bool]:
    """Change messages, each given as a row for `MOVE`, where the receipt is still theirs."""
    numbers = {move[0] for move in moves}
    if len(numbers) < len(moves):
        return [done for move in moves for done in _move(transaction, [move])]
    moved = {row[0] for row in transaction.all(statements.MOVE, (json_list(moves),))}
    return [move[0] in moved for move in moves]


def bury(transaction: Transaction, rejections: Sequence[Rejection]) -> list[LongshoreError | None]:
    """Move deliveries to the dead letters."""
    return [
        None if _bury_one(transaction, rejection) else lost(rejection.delivery)
        for rejection in rejections
    ]


def _bury_one(transaction: Transaction, rejection: Rejection) -> bool:
    number, receipt = receipt_of(rejection.delivery)
    why = (text(rejection.reason), text(rejection.detail), rejection.stamp)
    values = (*why, transaction.now, number, receipt)
    if transaction.run(statements.BURY, values).rowcount == 0:
        return False
    transaction.run(statements.REMOVE, (number,))
    return True


def revive(transaction: Transaction, queue: str, letter_id: str) -> bool:
    """Send a dead letter again, in its priority, stamped with the run that failed."""
    number = letter_number(letter_id)
    found = transaction.all(statements.DEAD_LETTER, (number, queue))
    if not found:
        return False
    [(key, priority, group, attributes, body, stamp)] = found
    if stamp is not None:
        attributes = attributes_text({**attributes_of(attributes), "stamp": str(stamp)})
    now = transaction.now
    row = (key, queue, priority, 1, now, now, None, group, attributes, body)
    transaction.run(statements.INSERT_MESSAGES[1], row)
    transaction.run(statements.DISCARD, (number, queue))
    transaction.touched.add(queue)
    return True


def discard(transaction: Transaction, queue: str, ids: Sequence[str]) -> None:
    """Remove dead letters for good."""
    for letter_id in ids:
        transaction.run(statements.DISCARD, (letter_number(letter_id), queue))


def purge(transaction: Transaction, queue: str, *, held: bool) -> int:
    """Remove some messages, those in flight only with `held`; answer how many, 0 at the end."""
    removed = transaction.run(statements.PURGE_READY, (queue, PURGE_AT_ONCE)).rowcount
    if removed == 0:
        until = later(transaction.now, NO_DELAY) if not held else _EVER
        values = (queue, until, PURGE_AT_ONCE)
        removed = transaction.run(statements.PURGE_WAITING, values).rowcount
    return removed


def receipt_of(delivery: Delivery) -> tuple[int, int]:
    """Read a receipt: the number of the message, and which delivery of it this is."""
    number, _, receipt = delivery.receipt.partition(":")
    return int(number), int(receipt)


def letter_number(letter_id: str) -> int:
    """Read the id of a dead letter; one that cannot be ours is none that exists."""
    return int(letter_id) if letter_id.isdecimal() and len(letter_id) < 19 else -1  # noqa: PLR2004 - what fits 64 bits


def lost(delivery: Delivery) -> LeaseLostError:
    """Say that a delivery is in other hands."""
    return LeaseLostError(f"delivery {delivery.receipt} of queue {delivery.queue!r}")


_EVER = 2**63 - 1
