"""One call of a handler: arguments checked again, hooks run, the result judged."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from longshore.context import current
from longshore.definition import Call
from longshore.errors import ArgumentsError, MessageError, UnknownTaskError
from longshore.task import Reason
from longshore.worker.outcome import ReportedError, is_control, is_last, named, whole_report

if TYPE_CHECKING:
    from longshore.worker.holding import Holding


def call(held: Holding) -> object:
    """Run a synchronous handler; answer its result or raise what it came to."""
    token = current.set(held.ctx)
    bound: Call | None = None
    try:
        bound = bind(held)
        result = _judged(held, bound.run())
    except BaseException as error:
        failure = named(held, error)
        _drop(held, _failed(held, bound, failure))
        if failure is error:
            raise
        raise failure from error
    else:
        if bound.has_hooks:
            _drop(held, _succeeded(held, bound, result))
        return result
    finally:
        current.reset(token)


async def acall(held: Holding) -> object:
    """Run an asynchronous handler; answer its result or raise what it came to."""
    token = current.set(held.ctx)
    bound: Call | None = None
    try:
        bound = bind(held)
        running: Any = bound.run()
        result = _judged(held, await running)
    except GeneratorExit:  # the loop is gone, and nothing can be awaited any more
        raise
    except BaseException as error:
        failure = named(held, error)
        await _finish(held, _failed(held, bound, failure))
        if failure is error:
            raise
        raise failure from error
    else:
        if bound.has_hooks:
            await _finish(held, _succeeded(held, bound, result))
        return result
    finally:
        current.reset(token)


def fail_alone(held: Holding, error: Exception) -> None:
    """Run the failure hook of an attempt that could not do so itself: its process is gone.

    A class's own hook went with its instance; the one of the options is left. Not on a loop.
    """
    token = current.set(held.ctx)
    try:
        returned = _failed(held, None, named(held, error))
        if inspect.iscoroutine(returned):
            asyncio.run(_finish(held, returned))
    finally:
        current.reset(token)


def bind(held: Holding) -> Call:
    """Check the arguments once more and bind them."""
    definition = held.definition
    if definition is None:
        raise UnknownTaskError(held.spec.name)
    try:
        args, kwargs = definition.arguments.unpack(held.message)
    except (ArgumentsError, MessageError):
        held.unfit = Reason.ARGUMENTS
        raise
    return definition.bind(held.ctx, args, kwargs)


def _hooks_alone(held: Holding) -> Call:
    """What can be told of an attempt that does not get as far as its handler."""
    assert held.definition is not None  # noqa: S101 - the others end before they begin
    return Call(tuple, held.definition.options)


def _judged(held: Holding, result: object) -> object:
    """Raise a returned outcome, and a report that holds an error, as if it had been raised."""
    if inspect.iscoroutine(result):
        result.close()
        message = f"task {held.spec.name!r} returned a coroutine unawaited; make it an async def"
        raise TypeError(message)
    if is_control(result) and isinstance(result, BaseException):
        raise result
    report = whole_report(held, result)
    if report is not None and report.has_error:
        raise ReportedError(report)
    return result


def _succeeded(held: Holding, bound: Call, result: object) -> object:
    """Call the success hook, unless the lease is lost and the success will not be recorded."""
    if held.stopped == "lost":
        return None
    try:
        return bound.succeeded(held.ctx, result)
    except BaseException as failure:  # noqa: BLE001 - a hook never changes the outcome
        held.ctx.log.warning("a hook failed: %r", failure)
        return None


def _failed(held: Holding, bound: Call | None, error: BaseException) -> object:
    """Call the failure hook where the task fails for good; not where it is stopped or lost."""
    bound = bound or _hooks_alone(held)
    stopped = held.stopped not in {None, "timeout"}
    if not bound.has_hooks or stopped or not is_last(held, error):
        return None
    try:
        return bound.failed(held.ctx, error)
    except BaseException as failure:  # noqa: BLE001 - a hook never changes the outcome
        held.ctx.log.warning("a hook failed: %r", failure)
        return None


async def _finish(held: Holding, returned: object) -> None:
    if not inspect.iscoroutine(returned):
        return
    try:
        await returned
    except GeneratorExit:
        raise
    except BaseException as failure:  # noqa: BLE001 - a hook never changes the outcome
        held.ctx.log.warning("a hook failed: %r", failure)


def _drop(held: Holding, returned: object) -> None:
    """Say that an asynchronous hook of a synchronous task cannot be awaited."""
    if inspect.iscoroutine(returned):
        returned.close()
        held.ctx.log.warning("a hook failed: it is async and its task is not; make it a def")
