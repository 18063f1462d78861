"""The promises of `longshore.store`, by topic; `StoreContract` is all of them."""

from longshore.conformance.store.counters import Adding
from longshore.conformance.store.lives import Closing, Expiring, Scanning
from longshore.conformance.store.values import Comparing, Deleting, Keeping


class StoreContract(Keeping, Comparing, Deleting, Expiring, Adding, Scanning, Closing):
    """Every promise of the Store port. Give it `connect`; see `Contract`."""


__all__ = ["StoreContract"]
