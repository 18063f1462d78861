"""The scheduler: publishes what is due, makes lost messages anew, and removes old rows."""

from longshore.scheduler.leader import leader_of
from longshore.scheduler.options import SchedulerOptions
from longshore.scheduler.scheduler import Scheduler
from longshore.scheduler.tally import Tally

__all__ = ["Scheduler", "SchedulerOptions", "Tally", "leader_of"]
