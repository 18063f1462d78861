"""What a scheduler has done, and what it found that it cannot mend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of rows since the scheduler was made.

    `armed` rows had lost their message and get a new one; `undeliverable` ones failed for it,
    and `bodiless` ones were seen that cannot get one.
    """

    published: int = 0
    expired: int = 0
    postponed: int = 0
    armed: int = 0
    undeliverable: int = 0
    bodiless: int = 0
    pruned: int = 0
