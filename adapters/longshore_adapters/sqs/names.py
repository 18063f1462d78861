"""What the SQS queues of one queue of ours are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.errors import ConfigurationError
from longshore_adapters.sqs.limits import MAX_NAME, check_name

if TYPE_CHECKING:
    from longshore_adapters.sqs.options import Options

FIFO: Final = ".fifo"


@dataclass(frozen=True, slots=True)
class Names:
    """The names that belong to a queue. `bands` pairs thresholds, highest first, with names.

    The last band is the queue of the name itself, for whatever is below every threshold.
    """

    name: str
    fifo: bool
    bands: tuple[tuple[int, str], ...]
    dead: str

    @property
    def every(self) -> tuple[str, ...]:
        """All of them, the dead-letter queue last."""
        return (*(name for _, name in self.bands), self.dead)

    def band_of(self, priority: int) -> str:
        """Name the queue that messages of a priority go to."""
        return next(name for threshold, name in self.bands if priority >= threshold)


def names_of(name: str, options: Options) -> Names:
    """Name the queues; `ConfigurationError` where SQS would not have them."""
    full = options.prefix + name
    check_name(full)
    fifo = full.endswith(FIFO)
    if fifo and options.bands:
        message = f"queue {name!r} is a FIFO queue, which has no bands; leave bands= out of its URL"
        raise ConfigurationError(message)
    stem = full.removesuffix(FIFO)
    bands = [(threshold, f"{full}-p{threshold}") for threshold in options.bands]
    names = Names(name, fifo, (*bands, (0, full)), f"{stem}-dlq{FIFO if fifo else ''}")
    if (longest := max(map(len, names.every))) > MAX_NAME:
        spare = longest - MAX_NAME
        message = f"the name {full!r} is {spare} too long for its dead-letter queue and bands"
        raise ConfigurationError(message)
    return names
