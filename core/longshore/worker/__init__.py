"""The worker: takes tasks from queues, runs each under a lease, logs how it ended."""

from longshore.worker.options import Limits, WorkerOptions
from longshore.worker.stopped import Stopped
from longshore.worker.worker import Worker

__all__ = ["Limits", "Stopped", "Worker", "WorkerOptions"]
