"""From messages to what is published: each written and addressed, or refused by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from longshore.errors import LongshoreError, UnavailableError
from longshore_adapters.rabbitmq.ladder import route
from longshore_adapters.rabbitmq.wire import to_copy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.queue import Outgoing
    from longshore_adapters.rabbitmq.names import Names
    from longshore_adapters.rabbitmq.options import Options
    from longshore_adapters.rabbitmq.wire import Copy


@dataclass(slots=True)
class Prepared:
    """What of a batch is published, by the places it had; `answers` of the rest are there."""

    answers: list[LongshoreError | None]
    places: list[int] = field(default_factory=list[int])
    targets: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    copies: list[Copy] = field(default_factory=list["Copy"])

    def add(self, place: int, target: tuple[str, str], copy: Copy) -> None:
        """Publish a copy for what had this place."""
        self.places.append(place)
        self.targets.append(target)
        self.copies.append(copy)

    def answered(self, found: Sequence[LongshoreError | None]) -> list[LongshoreError | None]:
        """Put the broker's answers in their places; raise where none could be answered."""
        for place, answer in zip(self.places, found, strict=True):
            self.answers[place] = answer
        first = self.answers[0] if self.answers else None
        if isinstance(first, UnavailableError) and all(
            isinstance(answer, UnavailableError) for answer in self.answers
        ):
            raise first.with_traceback(None)  # it may be the answer to others as well
        return self.answers


def prepare(
    messages: Sequence[Outgoing], names: Names, options: Options, now: datetime
) -> Prepared:
    """Write messages and address them."""
    prepared = Prepared([None] * len(messages))
    direct = "", names.queue
    for place, message in enumerate(messages):
        try:
            copy = to_copy(message, options, now)
            target = route(message.delay, names, options) if message.delay else direct
        except LongshoreError as error:
            prepared.answers[place] = error
        else:
            prepared.add(place, target, copy)
    return prepared
