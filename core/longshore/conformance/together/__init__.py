"""The promises of `longshore.together`, by topic; `TogetherContract` is all of them."""

from longshore.conformance.together.both import ConnectSync
from longshore.conformance.together.enqueueing import Enqueueing, EnqueueingWithoutLoop
from longshore.conformance.together.pruning import PruningBoth
from longshore.conformance.together.settling import Settling


class TogetherContract(Enqueueing, Settling, PruningBoth, EnqueueingWithoutLoop):
    """Every promise of the Together port. Give it `connect`; see `Contract`."""


__all__ = ["ConnectSync", "TogetherContract"]
