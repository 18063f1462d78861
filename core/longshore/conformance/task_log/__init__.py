"""The promises of `longshore.task_log`, by topic; `TaskLogContract` is all of them."""

from longshore.conformance.task_log.agreement import Agreeing
from longshore.conformance.task_log.changing import Guarding, Publishing
from longshore.conformance.task_log.claiming import Claiming, Redriving, Timing, Waking
from longshore.conformance.task_log.finishing import (
    Failing,
    GivingBack,
    Refusing,
    Succeeding,
)
from longshore.conformance.task_log.operating import Hiding, Restarting, Stopping
from longshore.conformance.task_log.pruning import Closing, Pruning
from longshore.conformance.task_log.reading import (
    Counting,
    Finding,
    Paging,
    Remembering,
    Waiting,
)
from longshore.conformance.task_log.recording import Carrying, Recording
from longshore.conformance.task_log.renewing import Renewing
from longshore.conformance.task_log.rescuing import Rescuing, Returning


class TaskLogContract(
    Recording,
    Carrying,
    Claiming,
    Timing,
    Waking,
    Redriving,
    Rescuing,
    Returning,
    Renewing,
    Succeeding,
    Failing,
    GivingBack,
    Refusing,
    Guarding,
    Publishing,
    Stopping,
    Restarting,
    Hiding,
    Finding,
    Paging,
    Counting,
    Waiting,
    Remembering,
    Pruning,
    Closing,
    Agreeing,
):
    """Every promise of the TaskLog port. Give it `connect`; see `Contract`."""


__all__ = ["TaskLogContract"]
