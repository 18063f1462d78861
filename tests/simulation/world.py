"""One run: processes on the virtual loop, the servers, and the plan carried out."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from longshore.client import Client, Preparer
from longshore.codec import encode
from longshore.conformance.faults import GatedQueue, GatedStore, GatedTaskLog
from longshore.control import Orders
from longshore.draft import Draft, EnqueueOptions
from longshore.errors import LongshoreError
from longshore.identity import TaskIds
from longshore.levels import Level, LevelledLog
from longshore.message import Message
from longshore.operator import Operator
from longshore.policy import Policy, QueuePolicy
from longshore.ports import Ports
from longshore.protocol import Change, Verb
from longshore.queue import Outgoing, SupportsDeadLetters
from longshore.scheduler import SchedulerOptions
from longshore.task import FINAL, TaskSpec, TaskState
from longshore.worker import Worker, WorkerOptions
from tests.simulation.clock import SimulatedClock
from tests.simulation.handlers import REGISTRY, RETRY, STAGE, WORK
from tests.simulation.history import Ending, Enqueued, Fault, History, Operated
from tests.simulation.loop import PROCESS, Process, VirtualLoop
from tests.simulation.network import Network
from tests.simulation.plan import CHAOS, FINE, PORTS, VERBS
from tests.simulation.servers import QUEUE, open_site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from longshore.identity import TaskId
    from longshore.protocol import Finished, Record, Recorded
    from longshore.task_log import TaskLog
    from longshore.together import Settlement, Together
    from tests.simulation.network import Link
    from tests.simulation.plan import Happening, Plan, TaskPlan

LEASE = timedelta(seconds=6)
SCHEDULING = SchedulerOptions(
    lease=timedelta(seconds=4), audit_every=timedelta(seconds=15), audit_gap=timedelta(seconds=5)
)
PRUNING = replace(
    SCHEDULING,
    keep=dict.fromkeys(FINAL, timedelta(seconds=30)),
    message_retention=timedelta(seconds=90),
    prune_every=timedelta(seconds=2),
)
_LATE = timedelta(seconds=45)
"""When a late copy comes: its task's row may have become old enough to go, and must not."""
TIMEOUT = timedelta(seconds=1)
QUIET = 400.0
"""Seconds that everything may take to end once all is healed; the audit waits longest."""
BEATS = 4.0
"""Seconds of silence after which a broker that expects heartbeats ends a connection."""
_TRIES = 4
_LOOKS = 200


@dataclass(slots=True, eq=False)
class Post:
    """A place where a worker runs; after a crash another one does."""

    number: int
    lives: int = 0
    process: Process | None = None
    worker: Worker | None = None
    context: Context | None = None


class World:
    """Runs a plan once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = Random(plan.seed + 0.5)
        self.loop = VirtualLoop()  # type: ignore[abstract]  # it is asked for no sockets
        self.history = History(self.loop.time)
        self.tasks = {task.n: task for task in plan.tasks}
        self.specs: dict[int, TaskSpec] = {}
        self.ending = Ending()
        self.over = False
        self._own = Process("servers")
        self._site = open_site(self.loop, plan.profile, self.history, self.random, self._own)
        self._network = Network(self.loop, self._site, self.history, self.random, plan.weather)
        self._posts = [Post(number) for number in range(plan.workers)]
        self._policy = Policy(
            default=QueuePolicy(
                lease=LEASE, retry=RETRY, concurrency=plan.limit, log=plan.profile.level
            ),
            max_rescues=plan.max_rescues,
        )
        self._processes: list[Process] = []
        self._answered: set[int] = set()
        self._robbed: set[TaskId] = set()
        self._enqueuing = 0
        self._healed = self._leaving = False

    def run(self) -> History:
        """Run to the end; what was found is in `history` and `ending`."""
        logging.disable(logging.CRITICAL)
        gc.disable()  # what a run leaves is collected behind it, all at once
        try:
            self.loop.run(self.loop.create_task(self._main(), context=self._context(None)))
        finally:
            self.ending.problems += self.loop.failures
            self.ending.attempts = dict(self._site.logged.attempts)
            self._bury()
            gc.enable()
            logging.disable(logging.NOTSET)
        return self.history

    # ------------------------------------------------------------------ the course of a run

    async def _main(self) -> None:
        for post in self._posts:
            self._start(post)
        for task in self.plan.tasks:
            self._at(task.at, partial(self._produce, task))
        for one in self.plan.happenings:
            self._at(one.at, partial(self._happen, one))
        await self._pass(CHAOS)
        self._heal()
        self.ending.restless = await self._quiet(self._restless)
        operator = Operator(self._ports(self._process("resumer")))
        paused = [row.id for row in self._site.rows.values() if row.state is TaskState.PAUSED]
        if paused:
            await operator.apply(Verb.RESUME, paused)
            self.ending.unresumed = await self._quiet(self._restless)
        if self.plan.pruned:
            await self._pass(2 * PRUNING.message_retention.total_seconds())
        self._leaving = True
        for post in self._posts:
            self._drain(post)
        await self._quiet(lambda: [str(one.number) for one in self._posts if one.worker])

    async def _pass(self, seconds: float) -> None:
        waiter = self.loop.create_future()
        self.loop.call_later(seconds, waiter.set_result, None)
        await waiter

    async def _quiet(self, left: Callable[[], list[str]]) -> list[str]:
        """Wait until nothing is left to be done, or too long; answer what is left then."""
        end = self.loop.time() + QUIET
        while left() and self.loop.time() < end:
            await self._pass(0.5)
        return left()

    def _restless(self) -> list[str]:
        # What was dropped and is kept nowhere is beyond repair: the audit only tells of such rows.
        rows = [
            row
            for row in self._site.rows.values()
            if row.body is not None or row.id not in self._robbed
        ]
        calm = FINAL | {TaskState.PAUSED}
        found = [f"{row.id[-4:]} is {row.state}" for row in rows if row.state not in calm]
        found += [f"message {number} is left" for number in self._site.messages]
        return found + ["an enqueue has not ended"] * self._enqueuing

    def _heal(self) -> None:
        """End every fault; start what is dead."""
        self._healed = True
        self._fault("healed")
        self._network.cuts.clear()
        self._network.down.clear()
        self._network.weather = FINE
        for post in self._posts:
            process = post.process
            if process is None:
                self._start(post)
            elif process.stopped:
                self.loop.resume(process)
            if process is not None:
                process.skew = 0.0
        self._own.skew = 0.0

    def _bury(self) -> None:
        """Let every task that is left end, so that none is closed by the garbage collector."""
        self.over = self._network.over = self.history.closed = True
        for process in self._processes:
            process.dead = False
            self.loop.resume(process)
        self.loop.end()

    # ------------------------------------------------------------------ processes

    def _process(self, name: str) -> Process:
        skew = 0.0 if self._healed else self.plan.skew * (2 * self.random.random() - 1)
        process = Process(name, skew)
        self._processes.append(process)
        return process

    def _context(self, process: Process | None) -> Context:
        context = Context()
        context.run(PROCESS.set, process)
        context.run(STAGE.set, self)
        return context

    def _ports(self, process: Process) -> Ports:
        clock = SimulatedClock(self.loop, process)
        queue = GatedQueue(self._site.queue, self._network.link(process, "queue"))
        link = self._network.link(process, "log")
        together = self._site.together
        log: TaskLog = GatedTaskLog(self._site.task_log, link)
        level = self.plan.profile.level
        if level is not Level.FULL:
            log = LevelledLog(log, lambda _: level, clock)
        return Ports(
            queue=lambda _: queue,
            task_log=log,
            store=GatedStore(self._site.store, link),
            together=None if together is None else GatedTogether(together, link),
            clock=clock,
            ids=TaskIds(lambda: int(clock.now().timestamp() * 1e9), self.random.randbytes),
            random=Random(self.random.random()),
        )

    def _start(self, post: Post) -> None:
        if self.over or post.process is not None:
            return
        post.lives += 1
        post.process = process = self._process(f"worker{post.number}.{post.lives}")
        post.context = self._context(process)
        self.loop.create_task(self._work(post, process), context=post.context)

    async def _work(self, post: Post, process: Process) -> None:
        options = WorkerOptions(
            queues=(QUEUE,),
            concurrency=self.plan.concurrency,
            poll=timedelta(seconds=3),
            grace=timedelta(seconds=2),
            max_tasks=self.plan.max_tasks,
            scheduling=PRUNING if self.plan.pruned else SCHEDULING,
            capture=False,
            name=process.name,
        )
        post.worker = Worker(self._ports(process), REGISTRY, self._policy, options)
        try:
            await post.worker.run()
        except Exception as error:  # noqa: BLE001 - nothing in a plan may end a worker
            self.ending.problems.append(f"{process.name} failed: {error!r}")
        # What could not be stopped is left behind, as by a process that leaves at once.
        self._end(post, "exits")

    def _end(self, post: Post, how: str) -> None:
        process = post.process
        if process is None:
            return
        self._fault(how, process.name)
        process.dead = True
        self._network.end_connection(process)
        post.process = post.worker = post.context = None
        again = 0.5 if self._healed else 1 + self.random.random() * 4
        if not self._leaving:
            self._at(self.loop.time() + again, lambda: self._start(post))

    def crash(self, process: Process) -> None:
        """Kill a process, as SIGKILL does."""
        for post in self._posts:
            if post.process is process:
                self._end(post, "crash")

    def _drain(self, post: Post) -> None:
        worker, process = post.worker, post.process
        if worker is not None and process is not None:
            self._fault("drain", process.name)
            self.loop.call_soon(worker.stop, context=post.context)

    # ------------------------------------------------------------------ what producers do

    def _produce(self, task: TaskPlan) -> None:
        process = self._process(f"client{task.n}")
        self._enqueuing += 1
        made = self.loop.create_task(self._enqueue(task, process), context=self._context(process))
        made.add_done_callback(self._produced, context=Context())

    def _produced(self, made: asyncio.Task[None]) -> None:
        self._enqueuing -= 1
        if not made.cancelled() and made.exception() is not None:
            self.ending.problems.append(f"an enqueue failed: {made.exception()!r}")

    async def _enqueue(self, task: TaskPlan, process: Process) -> None:
        ports = self._ports(process)
        if task.how == "foreign":
            await self._send_foreign(task, ports, process)
            return
        preparer = Preparer(ports.ids, self._policy)
        options = EnqueueOptions(
            key=f"key{task.n}" if task.how == "keyed" else None,
            delay=timedelta(seconds=task.delay) if task.delay else None,
            expires=None if task.expires is None else timedelta(seconds=task.expires),
            attempts=task.attempts,
            timeout=TIMEOUT if task.does == "times out" else None,
            tenant=task.group,
        )
        data = WORK.arguments.pack((task.n,), {})
        records = preparer.records([Draft(WORK, data, options)], ports.clock.now())
        self.specs[task.n] = records[0].spec
        client = Client(ports, preparer)
        for _ in range(_TRIES):
            try:
                (answer,) = await client.submit(records)
            except LongshoreError:
                await ports.clock.sleep(1.0)
                continue
            self._answered.add(task.n)
            self.history.add(Enqueued(who=process.name, n=task.n, key=answer.id))
            return

    async def _send_foreign(self, task: TaskPlan, ports: Ports, process: Process) -> None:
        """Send what another producer would: the worker that gets it adopts it."""
        now = ports.clock.now()
        message = Message(
            id=f"event{task.n}",
            type=WORK.name,
            source="urn:elsewhere",
            data=[task.n],
            time=now,
            notbefore=now + timedelta(seconds=task.delay) if task.delay else None,
            taskattempts=task.attempts,
            tasktimeout=TIMEOUT.seconds if task.does == "times out" else None,
            partitionkey=task.group,
        )
        key, body = message.key(QUEUE), encode(message)
        self.specs[task.n] = TaskSpec(
            id=key, name=WORK.name, queue=QUEUE, body=body, created_at=now, tenant=task.group
        )
        for _ in range(_TRIES):
            try:
                await ports.queue(QUEUE).send([Outgoing(key=key, body=body, group=task.group)])
            except LongshoreError:
                await ports.clock.sleep(1.0)
                continue
            self._answered.add(task.n)
            self.history.add(Enqueued(who=process.name, n=task.n, key=key))
            return

    # ------------------------------------------------------------------ what goes wrong

    def _happen(self, one: Happening) -> None:
        if one.what in VERBS:
            process = self._process("operator")
            self.loop.create_task(self._operate(one, process), context=self._context(process))
        elif one.what in {"copy", "late copy", "redeliver", "lose"}:
            self._disturb(one)
        elif one.what == "down":
            self._down(one)
        elif one.what == "pause queue":
            process = self._process("operator")
            context = self._context(process)
            self.loop.create_task(self._pause_queue(one, process), context=context)
        else:
            self._trouble(one, self._posts[one.target % len(self._posts)])

    def _trouble(self, one: Happening, post: Post) -> None:
        """Let something happen to a process."""
        process = post.process
        if process is None:
            return
        if one.what == "crash":
            self.crash(process)
        elif one.what == "drain":
            self._drain(post)
        elif one.what == "stop":
            self._fault("stop", process.name)
            process.stopped = True
            self._at(self.loop.time() + BEATS, lambda: self._miss(process))
            self._at(self.loop.time() + one.span, lambda: self._continue(process))
        elif one.what == "cut":
            ports = PORTS if self.plan.profile.together else (one.port,)
            cuts = {(process.name, port) for port in ports}
            self._fault("cut", f"{process.name} from {ports}")
            self._network.cuts |= cuts
            if "queue" in ports:
                self._network.end_connection(process)
            self._at(self.loop.time() + one.span, lambda: self._reconnect(cuts))
        else:
            process.skew = self.plan.skew * (2 * self.random.random() - 1)
            self._fault("skew", f"{process.name} is {process.skew:+.3f} s ahead")

    def _miss(self, process: Process) -> None:
        """Let a broker that waits for heartbeats wait no longer."""
        if process.stopped:
            self._network.end_connection(process)

    def _continue(self, process: Process) -> None:
        if process.stopped:
            self._fault("cont", process.name)
            self.loop.resume(process)

    def _reconnect(self, cuts: set[tuple[str, str]]) -> None:
        self._fault("reconnected")
        self._network.cuts -= cuts

    def _down(self, one: Happening) -> None:
        """Let a server be away for everybody."""
        ports: set[str] = {*PORTS} if self.plan.profile.together else {one.port}
        self._fault("down", str(sorted(ports)))
        self._network.down |= ports
        if "queue" in ports:
            self._network.end_connection(None)
        self._at(self.loop.time() + one.span / 2, lambda: self._up(ports))

    def _up(self, ports: set[str]) -> None:
        self._fault("up")
        self._network.down -= ports

    def _disturb(self, one: Happening) -> None:
        """Let the broker deliver again what is in flight, or hold a message twice."""
        held = list(self._site.messages.values())
        if not held:
            return
        message = held[one.target % len(held)]
        self._fault(one.what, message.message.key[-4:])
        if one.what == "lose":
            self._robbed.add(message.message.key)
            self.history.verb = "lose"
            self._site.messages.pop(message.number)
            self.history.verb = ""
        elif one.what == "redeliver":
            message.visible_at = self._site.wake.clock.now()
            self._site.wake.wake()
        else:
            delay = _LATE if one.what == "late copy" else timedelta(0)
            self._site.queue.put(self._site.wake, replace(message.message, delay=delay))

    async def _pause_queue(self, one: Happening, process: Process) -> None:
        """Pause the queue for a while; the last who paused it lets it go on, in the end anyhow."""
        ports = self._ports(process)
        assert ports.store is not None
        orders = Orders(ports.store, ports.clock)
        self._fault(one.what)
        await self._insist(lambda: orders.pause_queues([QUEUE]), ports)
        await ports.clock.sleep(one.span)
        await self._insist(lambda: orders.resume_queues([QUEUE]), ports)
        self._fault("resume queue")

    async def _insist(self, ask: Callable[[], Awaitable[object]], ports: Ports) -> None:
        while not self.over:
            try:
                await ask()
            except LongshoreError:
                await ports.clock.sleep(1.0)
            else:
                return

    async def _operate(self, one: Happening, process: Process) -> None:
        ports = self._ports(process)
        if one.what == "redrive":
            await self._redrive(ports)
            return
        spec, verb = self.specs.get(one.target), _VERB_OF[one.what]
        if spec is None:
            return
        if one.what == "retry at once":
            await self._wait_for_failure(ports, spec.id)
        for _ in range(_TRIES):
            try:
                (answer,) = await Operator(ports).apply(verb, [spec.id])
                unseen = answer.task is None and one.target in self._answered
                if unseen and verb in {Verb.CANCEL, Verb.PAUSE}:
                    change = Change(task_id=spec.id, verb=verb, spec=replace(spec, body=b""))
                    (answer,) = await ports.task_log.transition([change])
            except LongshoreError:
                await ports.clock.sleep(1.0)
                continue
            self.history.add(
                Operated(
                    who=process.name,
                    verb=verb,
                    key=spec.id,
                    applied=answer.applied,
                    has_row=answer.task is not None or not unseen,
                )
            )
            return

    async def _wait_for_failure(self, ports: Ports, key: TaskId) -> None:
        """Look often, to be there as soon as the task has failed."""
        for _ in range(_LOOKS):
            try:
                (row,) = await ports.task_log.get([key])
            except LongshoreError:
                return
            if row is not None and row.state is TaskState.FAILED:
                return
            await ports.clock.sleep(0.05)

    async def _redrive(self, ports: Ports) -> None:
        queue = ports.queue(QUEUE)
        assert isinstance(queue, SupportsDeadLetters)
        try:
            letters = await queue.dead_letters(limit=10)
            await queue.redrive([letter.id for letter in letters])
        except LongshoreError:
            return

    # ------------------------------------------------------------------ the simulation's own

    def _at(self, moment: float, act: Callable[[], object]) -> None:
        self.loop.call_at(moment, act, context=Context())

    def _fault(self, what: str, detail: str = "") -> None:
        self.history.add(Fault(who="plan", what=what, detail=detail))


class GatedTogether:
    """Queue and log as one store, through a gate."""

    def __init__(self, together: Together, gate: Link) -> None:
        self._together = together
        self._gate = gate

    async def enqueue(self, records: Sequence[Record]) -> list[Recorded]:
        return await self._gate.through("enqueue", lambda: self._together.enqueue(records))

    async def settle(self, settlements: Sequence[Settlement]) -> list[Finished]:
        return await self._gate.through("settle", lambda: self._together.settle(settlements))


_VERB_OF = {
    "cancel": Verb.CANCEL,
    "pause": Verb.PAUSE,
    "resume": Verb.RESUME,
    "retry": Verb.RETRY,
    "retry at once": Verb.RETRY,
    "delete": Verb.DELETE,
    "force_fail": Verb.FORCE_FAIL,
}
