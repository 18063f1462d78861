"""Every command: where it lives, what it does in a line, and what older systems called it.

A command's module is imported when the command is used, and not before: `--help` reads this table
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command. `home` is `module:attribute`, the module inside `longshore.cli`.

    A name of two words is a command of the family that the first one names; see `FAMILIES`.
    """

    name: str
    home: str
    summary: str
    originals: tuple[str, ...] = ()
    section: str = ""

    @property
    def hidden(self) -> bool:
        """Whether the list of commands leaves it out."""
        return not self.section


_TRY: Final = "Try"
_WORK: Final = "Work"
_LOOK: Final = "Look"
_CHANGE: Final = "Change"
_KEEP: Final = "Set up and keep"

ENTRIES: Final = (
    Entry(
        name="enqueue",
        home="enqueue:enqueue",
        summary="Add a task to its queue, or a batch of tasks.",
        originals=("task:queue",),
        section=_WORK,
    ),
    Entry(
        name="work",
        home="work:work",
        summary="Run a worker, or several, until told to stop.",
        originals=("queue:work", "task:run", "process:jobs", "jobs:run"),
        section=_WORK,
    ),
    Entry(
        name="schedule",
        home="schedule:schedule",
        summary="Run the scheduler alone, beside workers or without any.",
        section=_WORK,
    ),
    Entry(
        name="run",
        home="run:run",
        summary="Run one task here and now, and print what it answers.",
        section=_WORK,
    ),
    Entry(
        name="list",
        home="listing:list_tasks",
        summary="List tasks, newest first.",
        originals=("task:list",),
        section=_LOOK,
    ),
    Entry(
        name="show",
        home="show:show",
        summary="Show everything that is known of a task.",
        originals=("task:info",),
        section=_LOOK,
    ),
    Entry(
        name="stats",
        home="stats:stats",
        summary="Count tasks by queue and state, and what waits in each queue.",
        section=_LOOK,
    ),
    Entry(
        name="queues",
        home="queues:queues",
        summary="Show every queue; pause queues, or let workers take from them again.",
        section=_LOOK,
    ),
    Entry(
        name="workers",
        home="workers:workers",
        summary="Show every worker, what it does, and when it was last heard of.",
        section=_LOOK,
    ),
    Entry(
        name="health",
        home="health:health",
        summary="Say by the exit code whether the worker here is well.",
        section=_LOOK,
    ),
    Entry(
        name="tail",
        home="tail:tail",
        summary="Follow tasks as their states change.",
        originals=("listen", "task:listen", "task:tail"),
        section=_LOOK,
    ),
    Entry(
        name="dlq list",
        home="dlq:list_letters",
        summary="List dead letters, those that died first at the top.",
        section=_LOOK,
    ),
    Entry(
        name="dlq show",
        home="dlq:show_letter",
        summary="Show everything that is known of a dead letter.",
        section=_LOOK,
    ),
    Entry(
        name="retry",
        home="verbs:retry",
        summary="Queue failed tasks again, as a new run.",
        originals=("task:retry", "jobs:retry"),
        section=_CHANGE,
    ),
    Entry(
        name="cancel",
        home="verbs:cancel",
        summary="Cancel tasks; a running one is asked to stop.",
        section=_CHANGE,
    ),
    Entry(
        name="pause",
        home="verbs:pause",
        summary="Keep waiting tasks from starting.",
        originals=("task:pause",),
        section=_CHANGE,
    ),
    Entry(
        name="resume",
        home="verbs:resume",
        summary="Let paused tasks start.",
        originals=("task:resume",),
        section=_CHANGE,
    ),
    Entry(
        name="delete",
        home="verbs:delete",
        summary="Hide tasks from the log; one that waits is cancelled.",
        originals=("task:delete",),
        section=_CHANGE,
    ),
    Entry(
        name="purge",
        home="purge:purge",
        summary="Clear ended tasks by state and age, or empty a queue.",
        originals=("task:purge",),
        section=_CHANGE,
    ),
    Entry(
        name="dlq redrive",
        home="redriving:redrive",
        summary="Send dead letters again, and retry the tasks that failed with them.",
        section=_CHANGE,
    ),
    Entry(
        name="dlq purge",
        home="redriving:purge_letters",
        summary="Remove dead letters for good; the log keeps their tasks.",
        section=_CHANGE,
    ),
    Entry(
        name="status",
        home="status:status",
        summary="Bring a task into a state by hand.",
        originals=("task:status",),
        section=_CHANGE,
    ),
    Entry(
        name="signal",
        home="signalling:signal",
        summary="Pause, resume, resize, drain or stop workers, wherever they run.",
        originals=("task:sig",),
        section=_CHANGE,
    ),
    Entry(
        name="export",
        home="export:export",
        summary="Write tasks to a file, with a header that says what it holds.",
        originals=("task:export",),
        section=_KEEP,
    ),
    Entry(
        name="import",
        home="importing:import_tasks",
        summary="Read tasks from an export, under the ids they had.",
        section=_KEEP,
    ),
    Entry(
        name="init",
        home="setup:init",
        summary="Create what queue, log and store need.",
        originals=("task:init",),
        section=_KEEP,
    ),
    Entry(
        name="deinit",
        home="setup:deinit",
        summary="Remove queue, log and store, with every task in them.",
        originals=("task:deinit",),
        section=_KEEP,
    ),
    Entry(
        name="settings",
        home="effective:settings",
        summary="Show every setting in effect, and where it comes from.",
        section=_KEEP,
    ),
    Entry(
        name="doctor",
        home="doctor:doctor",
        summary="Check that everything is as it should be, and say what to do.",
        section=_KEEP,
    ),
    Entry(
        name="permissions",
        home="permissions:permissions",
        summary="Print the policy that lets a role do its work, and no more.",
        section=_KEEP,
    ),
    Entry(
        name="asyncapi",
        home="describing:asyncapi",
        summary="Print what may be sent to the application, as an AsyncAPI document.",
        section=_KEEP,
    ),
    Entry(
        name="demo",
        home="demo:demo",
        summary="Hash real files with worker processes, and show the log.",
        section=_TRY,
    ),
    Entry(
        name="bench",
        home="bench:bench",
        summary="Measure tasks per second on this machine.",
        section=_TRY,
    ),
    Entry(
        name="queue:test",
        home="sample:test_queue",
        summary="Enqueue sample tasks; --jobs=0 prints statistics only.",
    ),
    Entry(name="help", home="guide:guide", summary="Show the help of a command."),
    Entry(name="task", home="guide:guide", summary="Show the list of commands."),
)
SECTIONS: Final = (_WORK, _LOOK, _CHANGE, _KEEP, _TRY)
FAMILIES: Final = {"dlq": "Look at dead letters, send them again, or remove them."}
