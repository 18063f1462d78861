"""Control records in the Store: who works, and what operators want of them. On every broker alike.

Workers read and write with their beat (`longshore.worker.control`); operators through `Orders`.
"""

from longshore.control.orders import Aim, Orders
from longshore.control.records import Order, QueueRecord, Running, WorkerEntry, WorkerVerb
from longshore.control.registry import Health, Registry, health_of

__all__ = [
    "Aim",
    "Health",
    "Order",
    "Orders",
    "QueueRecord",
    "Registry",
    "Running",
    "WorkerEntry",
    "WorkerVerb",
    "health_of",
]
