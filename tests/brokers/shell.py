"""Other programs, run to their end; their failure is a reason and not a traceback."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DOWNLOADED_WITHIN = 600.0
# Debian's packages ask nothing and start nothing; npm and pip say nothing of newer selves.
QUIET = {
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "RUNLEVEL": "1",
    "npm_config_update_notifier": "false",
}


class CannotStartError(Exception):
    """This way does not work on this machine; the message says why."""


def ran(
    words: Sequence[str],
    *,
    otherwise: str,
    patience: float = DOWNLOADED_WITHIN,
    folder: Path | None = None,
) -> str:
    """What it printed. Where it fails or takes too long, `otherwise` and its last words say so."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            check=True,
            cwd=folder,
            env=os.environ | QUIET,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=patience,
        )
    except FileNotFoundError:
        raise CannotStartError(f"{otherwise}: {words[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise CannotStartError(f"{otherwise} within {patience:.0f} s") from None
    except subprocess.CalledProcessError as problem:
        lines = str(problem.stderr).strip().splitlines()
        raise CannotStartError(": ".join([otherwise, *lines[-1:]])) from None
    return done.stdout.strip()
