"""Lighter forms of an outcome, for a log that refuses it: the end itself is the last to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from longshore.protocol import End
from longshore.quick import quick, replace
from longshore.report import Report
from longshore.task import Reason, TaskError

if TYPE_CHECKING:
    from longshore.protocol import Outcome
    from longshore.queue import Delivery
    from longshore.worker.holding import Holding

_MOST: Final = 500
"""Characters that are kept of why something was refused."""


@quick
@dataclass(frozen=True, slots=True)
class Ending:
    """An outcome on its way, with the delivery that goes with it, as they stand now.

    `form` counts how often it was made lighter.
    """

    held: Holding
    outcome: Outcome
    delivery: Delivery | None
    form: int = 0


def lighter(one: Ending, error: Exception) -> Ending | None:
    """The next lighter form of an outcome that was refused with `error`; None after the last."""
    why = _ascii(str(error))
    for form, lighten in enumerate((_slim, _plain, _bare), start=1):
        outcome = lighten(one.outcome, why)
        if form > one.form and outcome != one.outcome:
            return replace(one, outcome=outcome, form=form)
    return None


def _slim(outcome: Outcome, why: str) -> Outcome:
    """Without the result, the report and the lines; a note says so."""
    from pydantic_core import to_json  # noqa: PLC0415 - kept off the import path

    note = Report.warning(f"the result, the report and the lines are not kept: {why}")
    return replace(outcome, result=None, lines=(), report=to_json(note.to_dict()))


def _plain(outcome: Outcome, why: str) -> Outcome:
    """Without the error's own text too."""
    if outcome.error is None:
        return outcome
    return replace(outcome, error=_unkept(outcome.error, why))


def _bare(outcome: Outcome, why: str) -> Outcome:
    """Without the body. What can be published again only from its row then ends as failed."""
    light = replace(outcome, body=None)
    if outcome.retry_in is None or (outcome.held and outcome.message_waits):
        return light
    error = outcome.error or TaskError(type="UnkeptError", message=f"it cannot wait: {why}")
    return replace(light, end=End.FAILURE, retry_in=None, reason=Reason.ERROR, error=error)


def _unkept(error: TaskError, why: str) -> TaskError:
    return TaskError(type=_ascii(error.type), message=f"its text is not kept: {why}")


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()[:_MOST]
