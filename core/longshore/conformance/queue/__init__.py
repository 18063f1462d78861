"""The promises of `longshore.queue`, by topic; `QueueContract` is all of them."""

from longshore.conformance.queue.dead_letters import Rejecting, WithoutDeadLetters
from longshore.conformance.queue.leases import Holding, Receiving, Releasing
from longshore.conformance.queue.lifetime import Closing, Existing, Keeping
from longshore.conformance.queue.losing import Losing
from longshore.conformance.queue.order import Grouping, Ordering
from longshore.conformance.queue.sending import Accepting, Carrying, Delaying

__all__ = [
    "Accepting",
    "Carrying",
    "Closing",
    "Delaying",
    "Existing",
    "Grouping",
    "Holding",
    "Keeping",
    "Losing",
    "Ordering",
    "QueueContract",
    "Receiving",
    "Rejecting",
    "Releasing",
    "WithoutDeadLetters",
]


class QueueContract(
    Accepting,
    Carrying,
    Delaying,
    Ordering,
    Grouping,
    Receiving,
    Holding,
    Releasing,
    Losing,
    Rejecting,
    WithoutDeadLetters,
    Existing,
    Keeping,
    Closing,
):
    """Every promise of the Queue port. Give it `connect`; see `Contract`."""
