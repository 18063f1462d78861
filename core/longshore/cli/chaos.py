"""`longshore bench --chaos`: what `longshore.chaos` breaks and counts, printed."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow
from typing import TYPE_CHECKING, Final

from longshore.cli.exit import ExitCode

if TYPE_CHECKING:
    from longshore.chaos.run import Ran, Settings
    from longshore.cli.output import Output

TASKS: Final = 10_000
SECONDS: Final = 90.0
WORKERS: Final = 4
_SEEDS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for; None leaves it to the default."""

    url: str | None
    queue_url: str | None
    tasks: int | None
    seconds: float | None
    workers: int | None
    seed: int | None
    folder: Path | None
    save: Path | None

    def settings(self, place: Path) -> Settings:
        """Settings of the run, on a new SQLite file in `place` where no URL is given."""
        from longshore.bench.site import Database  # noqa: PLC0415 - loaded when it runs
        from longshore.chaos.run import Settings  # noqa: PLC0415 - loaded when it runs

        return Settings(
            url=self.url or Database(path=place / "chaos.db").url,
            queue_url=self.queue_url,
            seed=randbelow(_SEEDS) if self.seed is None else self.seed,
            tasks=self.tasks or TASKS,
            seconds=self.seconds or SECONDS,
            workers=self.workers or WORKERS,
        )


def break_workers(output: Output, wanted: Wanted) -> int:
    """Make the run and print it; FAILED where a promise was broken, and its files are kept."""
    place = Path(tempfile.mkdtemp(dir=wanted.folder, prefix="longshore-chaos-")).resolve()
    broken = False
    try:
        ran = _run(output, wanted.settings(place), place)
        broken = not _told(output, ran, wanted.save)
    finally:
        if not broken:
            shutil.rmtree(place, ignore_errors=True)
    if not broken:
        return ExitCode.OK
    output.problem(f"a promise was broken; the files of the run are in {place}", kind="Broken")
    return ExitCode.FAILED


def _run(output: Output, settings: Settings, place: Path) -> Ran:
    from longshore.chaos.run import Chaos  # noqa: PLC0415 - loaded when it runs
    from longshore.settings import mask_url  # noqa: PLC0415 - loaded when it runs

    urls = (settings.queue_url, settings.url)
    where = " and ".join(mask_url(url) for url in urls if url is not None)
    output.note(
        f"{settings.tasks:,} tasks, {settings.workers} workers x {settings.slots} slots, "
        f"lease {settings.lease:g} s, seed {settings.seed}, on {where}; "
        f"{settings.seconds:g} s of kills, then to the end …"
    )
    with output.progress("tasks", settings.tasks) as advance:
        return Chaos(settings=settings, folder=place, done=advance).run()


def _told(output: Output, ran: Ran, save: Path | None) -> bool:
    """Print and save what was counted; answer whether every promise was kept."""
    from longshore.chaos import wording  # noqa: PLC0415 - loaded when it runs

    kept = wording.promises(ran)
    if save is not None:
        save.write_text(json.dumps(wording.document(ran), indent=2) + "\n", encoding="utf-8")
    if output.json:
        output.document(wording.document(ran))
    else:
        output.heading("Done to the workers")
        done = wording.figures(ran).items()
        output.table(("what", "times"), [(name, f"{value:,}") for name, value in done])
        output.line(wording.rescues(ran))
        output.line(f"in {ran.seconds:.0f} s, with seed {ran.settings.seed}")
        output.line()
        output.heading("Promises")
        output.table(("promise", "counted", "allowed", ""), wording.table(kept))
        for text in wording.violations(kept):
            output.styled(text, "fail")
    return all(one.kept for one in kept)
