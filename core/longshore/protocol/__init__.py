"""The task protocol as pure functions: what each verb of the log does to a row.

An adapter reads a row, asks here, and writes the answer back under its compare-and-set; the
memory adapter does exactly that, and an adapter that decides in its own language (SQL, a
DynamoDB condition) is held to the same answers by the conformance kit. See protocol.md §5 to §13.
"""

from longshore.protocol.change import VERBS, change, record
from longshore.protocol.claim import claim, lease_is_live, renew
from longshore.protocol.finish import finish, refused, succeeded
from longshore.protocol.table import TRANSITIONS, allowed
from longshore.protocol.unlogged import UNFENCED, claim_unlogged, finish_unlogged
from longshore.protocol.values import (
    GRACE,
    MARGIN,
    Answer,
    Change,
    Changed,
    Claim,
    Claimed,
    End,
    Finished,
    Note,
    Outcome,
    Record,
    Recorded,
    Renewal,
    Renewed,
    Settle,
    Verb,
)

__all__ = [
    "GRACE",
    "MARGIN",
    "TRANSITIONS",
    "UNFENCED",
    "VERBS",
    "Answer",
    "Change",
    "Changed",
    "Claim",
    "Claimed",
    "End",
    "Finished",
    "Note",
    "Outcome",
    "Record",
    "Recorded",
    "Renewal",
    "Renewed",
    "Settle",
    "Verb",
    "allowed",
    "change",
    "claim",
    "claim_unlogged",
    "finish",
    "finish_unlogged",
    "lease_is_live",
    "record",
    "refused",
    "renew",
    "succeeded",
]
