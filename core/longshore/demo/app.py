"""The demo's application: the task that does the job, and one that always fails."""

from __future__ import annotations

from longshore.app import Longshore
from longshore.context import Context  # noqa: TC001 - tasks are read by their annotations
from longshore.demo.files import Measured, from_text, measure
from longshore.retry import Retry

app = Longshore()

ATTEMPTS = 3


@app.task(tags=["demo"], category="file")
def measure_file(ctx: Context, path: str) -> Measured:
    """Hash one file and count its bytes and lines. `path` is percent-encoded."""
    measured = measure(from_text(path))
    ctx.log.info("%d bytes, %d lines", measured.size, measured.lines)
    return measured


@app.task(tags=["demo"], retry=Retry(attempts=ATTEMPTS, backoff="200ms", jitter=0))
async def always_fails(ctx: Context) -> None:
    """Fail, until no attempt is left."""
    ctx.log.info("attempt %d of %d is about to fail", ctx.attempt, ATTEMPTS)
    message = f"attempt {ctx.attempt} failed, as this task always does"
    raise RuntimeError(message)
