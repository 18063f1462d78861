"""What a seed means: the servers' nature, the tasks, and what goes wrong and when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from longshore.levels import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

CHAOS: Final = 40.0
"""Seconds in which things go wrong; then all is healed."""
PORTS: Final = ("queue", "log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What kind of broker and log it is.

    Deliveries of a `tied` broker belong to a connection: there is no lease, and what is neither
    settled nor on its way comes again when the connection ends, and not before.
    """

    name: str
    limits: dict[str, Any] = field(default_factory=dict[str, Any])
    together: bool = False
    tied: bool = False
    stale_deletes: bool = False
    phantoms: bool = False
    clock_of_caller: bool = False
    level: Level = Level.FULL

    @property
    def unlogged(self) -> bool:
        """Whether no claim is logged: what is promised then is the broker's, and no more."""
        return self.level in {Level.FAILURES, Level.OFF}


TIED: Final = {"max_delay": timedelta(0), "max_release_delay": timedelta(0), "leases": False}
QUARTER: Final = timedelta(minutes=15)
SHORT_HOLD: Final = timedelta(seconds=8)
"""So that long tasks outlast it, and go on without their messages."""
PROFILES: Final = (
    Profile(
        name="sqs",
        limits={"max_delay": QUARTER, "max_release_delay": QUARTER},
        stale_deletes=True,
        phantoms=True,
    ),
    Profile(name="rabbitmq", limits=TIED | {"max_hold": SHORT_HOLD}, tied=True, phantoms=True),
    Profile(name="sql", together=True),
    Profile(name="sqs and dynamodb", stale_deletes=True, phantoms=True, clock_of_caller=True),
    Profile(name="rabbitmq and sqlite", limits=TIED, tied=True, clock_of_caller=True),
    Profile(
        name="sqs and dynamodb, claims only",
        limits={"max_delay": QUARTER, "max_release_delay": QUARTER},
        stale_deletes=True,
        phantoms=True,
        clock_of_caller=True,
        level=Level.CLAIMS,
    ),
)
ORDERED: Final = Profile(
    name="fifo", limits={"max_delay": timedelta(0), "max_release_delay": QUARTER, "grouped": True}
)
UNLOGGED: Final = tuple(
    Profile(
        name=f"sqs, log {level}",
        limits={"max_delay": QUARTER, "max_release_delay": QUARTER, "max_hold": SHORT_HOLD},
        stale_deletes=True,
        phantoms=True,
        level=level,
    )
    for level in (Level.FAILURES, Level.OFF)
)
SEPARATE: Final = tuple(one for one in PROFILES if not one.together)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How calls fare. Of the `faulty` share some are dropped, lost, repeated, the rest late.

    The `victim` is a verb that fares badly: half of its calls are late, there or back.
    """

    latency: float = 0.02
    victim: str = ""
    faulty: float = 0.0
    dropped: float = 0.25
    lost: float = 0.3
    repeated: float = 0.2
    late: float = 2.0
    phantom: float = 0.0


FINE: Final = Weather()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """One logical task: how it comes, and what its handler does."""

    n: int
    at: float
    how: str
    does: str
    seconds: float
    attempts: int
    delay: float = 0.0
    expires: float | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that goes wrong, or that an operator does, at a moment; some for a while."""

    at: float
    what: str
    target: int = 0
    span: float = 0.0
    port: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a seed decides beforehand.

    `limit` is how many of the queue's tasks a worker may run, whatever its slots; `pruned` says
    that final rows are removed as soon as it is safe.
    """

    seed: int
    profile: Profile
    weather: Weather
    workers: int
    concurrency: int
    tasks: tuple[TaskPlan, ...]
    happenings: tuple[Happening, ...]
    skew: float
    max_rescues: int = 2
    max_tasks: int | None = None
    limit: int | None = None
    pruned: bool = False


HOWS: Final = ("plain", "plain", "keyed", "delayed", "foreign", "foreign", "expiring")
DOES: Final = {
    "quick": 6.0,
    "long": 4.0,
    "flaky": 4.0,
    "fatal": 1.5,
    "kills": 0.7,
    "kills once": 1.0,
    "snoozes": 1.0,
    "stubborn": 0.8,
    "cancels": 0.3,
    "times out": 0.5,
}
VICTIMS: Final = ("", "", "finish", "settle", "claim", "transition", "send", "ack", "renew")
FAULTS: Final = ("crash", "stop", "cut", "down", "drain", "copy", "redeliver", "skew")
VERBS: Final = (
    "cancel",
    "pause",
    "resume",
    "retry",
    "retry at once",
    "delete",
    "force_fail",
    "redrive",
)


def make_plan(seed: int) -> Plan:
    """Decide everything that can be decided before the run."""
    random = Random(seed)
    profile = random.choice(PROFILES)
    tasks = tuple(_task(random, n) for n in range(random.randint(2, 8)))
    if random.random() < 0.2:  # all at once, so that there are batches
        tasks = tuple(replace(task, at=1.0, seconds=tasks[0].seconds) for task in tasks)
    workers = random.randint(2, 3)
    faults = random.sample(FAULTS, random.randint(1, 4))
    happenings = [_fault(random, faults, workers, len(tasks)) for _ in range(random.randint(2, 8))]
    if random.random() < 0.7:
        happenings += _operated(random, tasks)
    plan = Plan(
        seed=seed,
        profile=profile,
        weather=Weather(
            latency=random.choice((0.02, 0.02, 0.3)),
            victim=random.choice(VICTIMS),
            faulty=random.choice((0.0, 0.03, 0.1, 0.25)),
            late=random.choice((0.5, 2.0, 6.0)),
            phantom=random.choice((0.0, 0.05, 0.3)) if profile.phantoms else 0.0,
        ),
        workers=workers,
        concurrency=random.randint(1, 4),
        tasks=tasks,
        happenings=_in_order(happenings),
        skew=random.choice((0.0, 0.9, 0.9, 15.0)),
        max_rescues=random.randint(1, 2),
    )
    return random.choice(THEMES)(random, plan) if random.random() < 0.6 else plan


def _late_finishes(random: Random, plan: Plan) -> Plan:
    """Let answers of finishes be late, so that rows move on while their worker waits for them."""
    tasks = _doing(random, plan, ("flaky", "snoozes", "fatal", "fatal"))
    hasty = [Happening(at=one.at, what="retry at once", target=one.n) for one in tasks]
    return replace(
        plan,
        profile=random.choice(SEPARATE),
        weather=replace(plan.weather, victim="finish", late=6.0),
        workers=random.randint(1, 2),
        tasks=tasks,
        happenings=_in_order([*plan.happenings[:3], *hasty[:2]]),
    )


def _late_claims(random: Random, plan: Plan) -> Plan:
    """Let claims be late, and what they found be changed meanwhile."""
    tasks = tuple(replace(task, how="foreign") for task in plan.tasks)
    made: list[Happening] = list(plan.happenings[:2])
    for task in tasks[:3]:
        at = task.at + random.random() * 0.02
        made.append(Happening(at=at, what="pause", target=task.n))
        made.append(Happening(at=at + random.random() * 4, what="resume", target=task.n))
    return replace(
        plan,
        profile=random.choice(SEPARATE),
        weather=replace(plan.weather, victim="claim", late=6.0),
        tasks=tasks,
        happenings=_in_order(made),
    )


def _phantoms(random: Random, plan: Plan) -> Plan:
    """Let the broker deliver twice, often, to few workers whose claims fare badly."""
    return replace(
        plan,
        profile=random.choice([one for one in SEPARATE if one.phantoms]),
        weather=replace(plan.weather, victim="claim", late=6.0, phantom=0.5, faulty=0.25),
        workers=random.randint(1, 2),
        happenings=tuple(one for one in plan.happenings if one.target == 0),
    )


def _draining(random: Random, plan: Plan) -> Plan:
    """Let workers be drained while handlers run that do not stop."""
    tasks = tuple(
        replace(one, seconds=one.seconds + 2) for one in _doing(random, plan, ("stubborn", "long"))
    )
    drains = [
        Happening(at=one.at + random.random() * 3, what="drain", target=one.n % plan.workers)
        for one in tasks
    ]
    return replace(plan, tasks=tasks, happenings=_in_order([*plan.happenings[:3], *drains]))


def _losses(random: Random, plan: Plan) -> Plan:
    """Let the broker drop messages that nobody has acknowledged; the audit has to replace them."""
    lost = [
        Happening(at=random.uniform(1, CHAOS * 0.9), what="lose", target=random.randrange(9))
        for _ in range(random.randint(1, 4))
    ]
    return replace(plan, happenings=_in_order([*plan.happenings, *lost]))


def _paused(random: Random, plan: Plan) -> Plan:
    """Let somebody pause the queue, more than once, while other things go wrong."""
    pauses = [
        Happening(at=random.uniform(1, CHAOS * 0.8), what="pause queue", span=random.uniform(1, 12))
        for _ in range(random.randint(1, 3))
    ]
    return replace(plan, happenings=_in_order([*plan.happenings, *pauses]))


def _recycled(random: Random, plan: Plan) -> Plan:
    """Let workers be replaced after a few tasks."""
    return replace(plan, max_tasks=random.randint(1, 3))


def _limited(random: Random, plan: Plan) -> Plan:
    """Let the queue have fewer slots than there are, and many tasks at once."""
    tasks = tuple(replace(one, at=1.0 + one.at / 20) for one in plan.tasks)
    return replace(plan, tasks=tasks, concurrency=4, limit=random.randint(1, 2))


def _pruned(random: Random, plan: Plan) -> Plan:
    """Let rows be removed, and messages come long after their task has ended."""
    late = [
        Happening(at=one.at + random.random(), what="late copy", target=random.randrange(9))
        for one in plan.tasks
    ]
    return replace(
        plan,
        pruned=True,
        weather=replace(plan.weather, late=0.5),
        happenings=_in_order([*plan.happenings, *late]),
    )


def _in_groups(random: Random, plan: Plan) -> Plan:
    """Let the broker keep order in groups of tasks that come close together."""
    tasks = tuple(
        replace(
            one,
            at=1.0 + one.at / 20,
            how=random.choice(("plain", "foreign")),
            delay=0.0,
            expires=None,
            group=f"group {one.n % 2}",
        )
        for one in plan.tasks
    )
    return replace(
        plan,
        profile=ORDERED,
        tasks=tasks,
        concurrency=random.randint(2, 4),
        weather=replace(plan.weather, phantom=0.0),
    )


def _unlogged(random: Random, plan: Plan) -> Plan:
    """Let there be no claims in the log, and nobody who could operate on what is not there."""
    tasks = tuple(
        replace(one, how=random.choice(("plain", "foreign")), expires=None)
        for one in _doing(random, plan, ("quick", "quick", "long", "flaky", "fatal", "stubborn"))
    )
    happenings = tuple(one for one in plan.happenings if one.what not in VERBS)
    return replace(plan, profile=random.choice(UNLOGGED), tasks=tasks, happenings=happenings)


def _cut_off(random: Random, plan: Plan) -> Plan:
    """Cut workers off from the log while their handlers run on, and leave clocks in peace."""
    tasks = tuple(
        replace(one, does="long", seconds=random.uniform(12, 25), at=one.at / 2)
        for one in plan.tasks
    )
    cuts = [
        Happening(
            at=tasks[0].at + random.uniform(1, 4),
            what="cut",
            target=number,
            span=random.uniform(15, 30),
            port="log",
        )
        for number in range(plan.workers - 1)
    ]
    calm = [one for one in plan.happenings[:4] if one.what not in {"stop", "force_fail", "skew"}]
    return replace(plan, tasks=tasks, happenings=_in_order([*calm, *cuts]), skew=0.0)


THEMES: Final = (
    *(_late_finishes, _late_claims, _phantoms, _draining, _losses, _cut_off),
    *(_paused, _recycled, _limited, _pruned, _in_groups, _unlogged),
)
"""Circumstances that chance alone makes too seldom."""


def _doing(random: Random, plan: Plan, what: tuple[str, ...]) -> tuple[TaskPlan, ...]:
    return tuple(replace(task, does=random.choice(what)) for task in plan.tasks)


def _in_order(happenings: list[Happening]) -> tuple[Happening, ...]:
    return tuple(sorted(happenings, key=lambda one: one.at))


def _task(random: Random, n: int) -> TaskPlan:
    (does,) = random.choices(list(DOES), list(DOES.values()))
    how = random.choice(HOWS)
    takes_long = does in {"long", "times out"}
    seconds = random.uniform(4, 15) if takes_long else random.uniform(0, 1.5)
    return TaskPlan(
        n=n,
        at=random.uniform(0, CHAOS * 0.6) if random.random() < 0.7 else 1.0,
        how=how,
        does=does,
        seconds=seconds,
        attempts=random.randint(1, 3),
        delay=random.uniform(1, 8) if how == "delayed" or random.random() < 0.15 else 0.0,
        expires=random.uniform(0.5, 15) if how == "expiring" else None,
    )


def _fault(random: Random, faults: Sequence[str], workers: int, tasks: int) -> Happening:
    what = random.choice(faults)
    number = tasks if what in {"copy", "redeliver"} else workers
    return Happening(
        at=random.uniform(0.5, CHAOS * 0.9),
        what=what,
        target=random.randrange(number),
        span=random.uniform(6, 25) if what == "cut" else random.uniform(2, 18),
        port=random.choice(PORTS),
    )


def _operated(random: Random, tasks: tuple[TaskPlan, ...]) -> list[Happening]:
    """Let an operator work on a few tasks, often soon after they came."""
    made: list[Happening] = []
    for _ in range(random.randint(1, 5)):
        task, verb = random.choice(tasks), random.choice(VERBS)
        at = task.at + random.choice((0.01, 0.1, 0.5, 2.0, 10.0)) * random.uniform(0.2, 2)
        at = min(at, CHAOS * 0.9)
        made.append(Happening(at=at, what=verb, target=task.n))
        if verb == "pause" and random.random() < 0.7:
            after = min(at + random.choice((0.05, 0.5, 6)) * random.random(), CHAOS * 0.9)
            made.append(Happening(at=after, what="resume", target=task.n))
    return made
