"""Removing old final rows, with their attempts and their dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore_adapters.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from longshore.task import TaskState
    from longshore_adapters.postgres.session import Session


async def prune(
    session: Session, states: Collection[TaskState], before: datetime, limit: int
) -> int:
    """Remove the oldest rows of which no message stands: such a message would run its task again.

    A dead letter that is being sent again holds its lock until its message stands. So the letters
    are locked before messages are looked for the second time.
    """
    async with session.transaction():
        rows = await session.all(
            statements.OLD, states=[state.value for state in states], before=before, limit=limit
        )
        if not rows:
            return 0
        await session.begun(statements.LOCK_LETTERS, ids=[row[1] for row in rows])
        [(removed,)] = await session.all(statements.PRUNE, seqs=[row[0] for row in rows])
    return int(removed)
