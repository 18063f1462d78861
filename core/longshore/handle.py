"""A handle on one task: what its enqueuer holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from longshore.errors import TaskFailedError
from longshore.protocol import Verb
from longshore.report import Report
from longshore.task import TaskSpec, TaskState
from longshore.when import parse_duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from longshore.client import Enqueued
    from longshore.definition import TaskDefinition
    from longshore.identity import TaskId
    from longshore.session import Live, Session
    from longshore.task import Attempt, Task
    from longshore.when import Duration

R = TypeVar("R")


class Handle(Generic[R]):
    """One task, by its id. Each method asks the log anew; those with an `a` are awaited.

    Methods raise `TaskNotFoundError` while the log has no row of the task; `cancel` needs none.
    """

    def __init__(
        self,
        enqueued: Enqueued,
        session: Callable[[], Session],
        definition: TaskDefinition | None = None,
    ) -> None:
        """Results are read back as the definition's return annotation, where there is one."""
        self._enqueued = enqueued
        self._session = session
        self._definition = definition

    @property
    def id(self) -> TaskId:
        """The task's id."""
        return self._enqueued.id

    @property
    def name(self) -> str:
        """The task's name."""
        return self._enqueued.name

    @property
    def queue(self) -> str:
        """The queue it was sent to."""
        return self._enqueued.queue

    @property
    def is_enqueued(self) -> bool:
        """Whether this enqueue made the task; False where its key was taken before."""
        return self._enqueued.inserted

    def __repr__(self) -> str:
        """Show name and id."""
        return f"<Handle {self.name} {self.id}>"

    def task(self) -> Task:
        """The task's row."""
        return self._session().call(lambda live: live.client.get(self.id))

    async def atask(self) -> Task:
        """The task's row."""
        return await self._session().acall(lambda live: live.client.get(self.id))

    def status(self) -> TaskState:
        """The task's state."""
        return self.task().state

    async def astatus(self) -> TaskState:
        """The task's state."""
        return (await self.atask()).state

    def wait(self, timeout: Duration | None = None) -> Task:
        """Wait until the task is final; `WaitTimeoutError` when `timeout` passes first."""
        return self._session().call(self._waiting(timeout))

    async def await_end(self, timeout: Duration | None = None) -> Task:  # noqa: ASYNC109 - by the clock
        """Wait until the task is final; `WaitTimeoutError` when `timeout` passes first."""
        return await self._session().acall(self._waiting(timeout))

    def result(self, timeout: Duration | None = None) -> R:
        """Wait for the end and answer what the handler returned.

        `TaskFailedError` where it did not succeed, `WaitTimeoutError` as in `wait`.
        """
        return self._read(self.wait(timeout))

    async def aresult(self, timeout: Duration | None = None) -> R:  # noqa: ASYNC109 - by the clock
        """Wait for the end and answer what the handler returned."""
        return self._read(await self.await_end(timeout))

    def report(self) -> Report | None:
        """The report kept with the task; None before its end, or where there is none."""
        return _report(self.task())

    async def areport(self) -> Report | None:
        """The report kept with the task."""
        return _report(await self.atask())

    def attempts(self) -> list[Attempt]:
        """The attempts that have ended, oldest first."""
        return self._session().call(lambda live: live.ports.task_log.attempts(self.id))

    async def aattempts(self) -> list[Attempt]:
        """The attempts that have ended, oldest first."""
        return await self._session().acall(lambda live: live.ports.task_log.attempts(self.id))

    def cancel(self) -> Task:
        """Cancel the task; a running one is asked to stop. `TransitionError` once it is final.

        One that only its message knows of gets a row, so that the message never starts it.
        """
        return self._session().call(self._cancel)

    async def acancel(self) -> Task:
        """Cancel the task; a running one is asked to stop."""
        return await self._session().acall(self._cancel)

    def retry(self) -> Task:
        """Queue a failed, cancelled or expired task again, as a new run."""
        return self._session().call(lambda live: live.operator.one(Verb.RETRY, self.id))

    async def aretry(self) -> Task:
        """Queue a failed, cancelled or expired task again, as a new run."""
        return await self._session().acall(lambda live: live.operator.one(Verb.RETRY, self.id))

    async def _cancel(self, live: Live) -> Task:
        now = live.ports.clock.now()
        spec = TaskSpec(id=self.id, name=self.name, queue=self.queue, body=b"", created_at=now)
        return await live.operator.one(Verb.CANCEL, self.id, spec=spec)

    def _waiting(self, timeout: Duration | None) -> Callable[[Live], Awaitable[Task]]:
        span = None if timeout is None else parse_duration(timeout)
        return lambda live: live.client.wait(self.id, timeout=span)

    def _read(self, task: Task) -> R:
        if task.state is not TaskState.SUCCEEDED:
            problem = task.reason or "no reason recorded"
            if task.error is not None:
                problem = f"{task.error.type}: {task.error.message}"
            raise TaskFailedError(task.id, task.state.value, problem)
        returns = None if self._definition is None else self._definition.returns
        if returns is Report:
            return cast("R", _report(task))
        return cast("R", read_result(task.result, returns))


def read_result(result: bytes | None, returns: object = None) -> object:
    """Read a kept result: as the annotation where there is one that fits, else as plain JSON."""
    if result is None:
        return None
    from pydantic import PydanticUserError, TypeAdapter, ValidationError  # noqa: PLC0415 - kept off the import path
    from pydantic_core import from_json  # noqa: PLC0415 - kept off the import path

    if returns is None:
        return from_json(result)
    try:
        adapter: TypeAdapter[object] = TypeAdapter(cast("Any", returns))
        return adapter.validate_json(result)
    except (PydanticUserError, ValidationError):  # the task has succeeded; this is what it left
        return from_json(result)


def _report(task: Task) -> Report | None:
    if task.report is None:
        return None
    from pydantic_core import from_json  # noqa: PLC0415 - kept off the import path

    return Report.from_dict(from_json(task.report))
