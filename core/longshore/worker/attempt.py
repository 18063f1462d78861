"""One call of a handler: arguments checked again, hooks run, the result judged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from longshore.context import current
from longshore.errors import UnknownTaskError
from longshore.report import Report
from longshore.worker.outcome import ReportedError, is_control, is_last

if TYPE_CHECKING:
    from longshore.definition import Call
    from longshore.worker.holding import Holding


def call(held: Holding) -> object:
    """Run a synchronous handler; answer its result or raise what it came to."""
    token = current.set(held.ctx)
    try:
        bound = bind(held)
        try:
            result = _judged(held, bound.run())
        except Exception as error:
            _hook(held, bound, error=error)
            raise
        _hook(held, bound, result=result)
        return result
    finally:
        current.reset(token)


async def acall(held: Holding) -> object:
    """Run an asynchronous handler; answer its result or raise what it came to."""
    token = current.set(held.ctx)
    try:
        bound = bind(held)
        try:
            returned: Any = bound.run()
            result = _judged(held, await returned)
        except Exception as error:
            await _finish_hook(held, _hook(held, bound, error=error))
            raise
        if bound.has_hooks:
            await _finish_hook(held, _hook(held, bound, result=result))
        return result
    finally:
        current.reset(token)


def bind(held: Holding) -> Call:
    """Check the arguments once more and bind them."""
    definition = held.definition
    if definition is None:
        raise UnknownTaskError(held.spec.name)
    args, kwargs = definition.arguments.unpack(held.message)
    return definition.bind(held.ctx, args, kwargs)


def _judged(held: Holding, result: object) -> object:
    """Raise a returned outcome, and a report that holds an error, as if it had been raised."""
    if is_control(result) and isinstance(result, BaseException):
        raise result
    report = result if isinstance(result, Report) else held.ctx.take_report()
    if report is not None and report.has_error:
        raise ReportedError(report)
    return result


def _hook(
    held: Holding, bound: Call, *, result: object = None, error: Exception | None = None
) -> object:
    """Call the hook that fits: after success, or after a failure that is not tried again."""
    if not bound.has_hooks or (error is not None and not is_last(held, error)):
        return None
    try:
        return bound.succeeded(held.ctx, result) if error is None else bound.failed(held.ctx, error)
    except Exception as failure:  # noqa: BLE001 - a hook never changes the outcome
        held.ctx.log.warning("a hook failed: %r", failure)
        return None


async def _finish_hook(held: Holding, returned: object) -> None:
    if not asyncio.iscoroutine(returned):
        return
    try:
        await returned
    except Exception as failure:  # noqa: BLE001 - a hook never changes the outcome
        held.ctx.log.warning("a hook failed: %r", failure)
