"""The conformance kit: each promise of the ports as a test that any adapter can run.

Importing it imports pytest; nothing else in Longshore does. See README.md beside this file.
"""

from longshore.conformance.contract import Connect, Contract, Opened, Time
from longshore.conformance.faults import (
    FaultPlan,
    FlakyQueue,
    FlakyStore,
    FlakyTaskLog,
    SlowQueue,
    SlowStore,
    SlowTaskLog,
)
from longshore.conformance.queue import QueueContract
from longshore.conformance.store import StoreContract
from longshore.conformance.task_log import TaskLogContract
from longshore.conformance.together import ConnectSync, TogetherContract

__all__ = [
    "Connect",
    "ConnectSync",
    "Contract",
    "FaultPlan",
    "FlakyQueue",
    "FlakyStore",
    "FlakyTaskLog",
    "Opened",
    "QueueContract",
    "SlowQueue",
    "SlowStore",
    "SlowTaskLog",
    "StoreContract",
    "TaskLogContract",
    "Time",
    "TogetherContract",
]
