"""One worker at a time on a host: a lock on a file, held as long as the process lives.

For cron, which starts the next worker whether or not the last has ended. No task's safety rests
on it: any number of workers may run.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from longshore.cli.exit import LockedError
from longshore.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from longshore.settings import Settings


def lock_path(settings: Settings, queues: Sequence[str], *, singleton: bool) -> Path | None:
    """The file to lock: the setting's, else with `singleton` one for this URL and these queues."""
    if settings.lock_file is not None:
        return Path(settings.lock_file)
    if not singleton:
        return None
    what = "\0".join((settings.queue_url or settings.url, *sorted(queues)))
    mark = hashlib.sha256(what.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"longshore-{os.getuid()}-{mark}.lock"


@contextmanager
def only_one(path: Path | None) -> Generator[None]:
    """Hold the lock while inside; `LockedError` at once where another process has it.

    Forked workers hold it with their parent: it is free when the last of them has ended.
    """
    if path is None:
        yield
        return
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        file = os.open(path, flags, 0o600)
    except OSError as error:
        message = f"the lock {path} cannot be opened: {error.strerror}; name another: --lock-file"
        raise ConfigurationError(message) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LockedError(str(path)) from error
        yield
    finally:
        os.close(file)
