"""Write the lock files of this folder from pyproject.toml; run by `make lock`.

run.txt    what Longshore needs to run
build.txt  what builds it: with run.txt this is all that `make demo` installs
dev.txt    both of them and everything that tests and checks need

And for servers that tests start, each in a venv of its own, from the .in file of the same name:
moto.txt, with the versions of dev.txt, and localstack.txt, which has its own.

Pitfalls, each of which has a guard here:

- pip-compile cannot read dependency groups, so they are spelled out in a passing file; without
  `--no-annotate` every line would name that file's path.
- It resolves for the Python it runs on. The oldest supported one gives a lock that also holds on
  the newer ones: what a new Python made needless is only spare. So another Python is refused.
- pip's configuration of the machine must not leak into the lock. An index of files would narrow
  the hashes to the wheels that machine happens to have.
- pip-tools itself depends on pip and setuptools, which a lock with hashes would then have to pin;
  it lives in a venv of its own and is no part of any lock.

Versions are kept where they still fit; `make lock UPGRADE=1` takes the newest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
# A lock's groups; None stands for the package's own dependencies. The largest comes first, and
# the others are bound to its versions, so that any two of them fit in one venv.
LOCKS: dict[str, tuple[str | None, ...]] = {
    "dev": (None, "dev"),
    "build": ("build",),
    "run": (None,),
}
# The lock that binds each server's versions; None leaves them free.
SERVERS = {"localstack": None, "moto": "dev"}
MACHINE_SETTINGS = ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX")


def main(arguments: list[str]) -> int:
    """Write every lock; `--upgrade` takes the newest versions instead of keeping what fits."""
    if sys.version_info[:2] != OLDEST_PYTHON:
        print("the lock is made on the oldest supported Python: make lock PYTHON=python3.11")
        return 1
    upgrade = "--upgrade" in arguments
    with (ROOT / "pyproject.toml").open("rb") as source:
        project = tomllib.load(source)
    for name, groups in LOCKS.items():
        wanted = [line for group in groups for line in requirements(project, group)]
        compile_lock(name, wanted, None if name == "dev" else "dev", upgrade=upgrade)
    for name, bound_to in SERVERS.items():
        wanted = (ROOT / f"requirements/{name}.in").read_text(encoding="utf-8").splitlines()
        compile_lock(name, wanted, bound_to, upgrade=upgrade)
    return 0


def requirements(project: dict[str, Any], group: str | None) -> list[str]:
    """Spell out one dependency group, or the package's own dependencies for None."""
    if group is None:
        return list(project["project"]["dependencies"])
    found: list[str] = []
    for line in project["dependency-groups"][group]:
        found += [line] if isinstance(line, str) else requirements(project, line["include-group"])
    return found


def compile_lock(name: str, wanted: list[str], bound_to: str | None, *, upgrade: bool) -> None:
    """Run pip-compile without this machine's pip settings; its failure ends the script.

    A lock that is bound to another takes that one's versions, and so is never upgraded by itself.
    """
    environment = {key: text for key, text in os.environ.items() if key not in MACHINE_SETTINGS}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "CUSTOM_COMPILE_COMMAND": "make lock"}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "wanted.in"
        source.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        subprocess.run(
            [
                *(sys.executable, "-m", "piptools", "compile", "--quiet"),
                *("--allow-unsafe", "--generate-hashes", "--no-annotate", "--strip-extras"),
                *("--no-emit-find-links", "--no-emit-index-url", "--no-emit-trusted-host"),
                *(("--upgrade",) if upgrade and not bound_to else ()),
                *(("--constraint", f"requirements/{bound_to}.txt") if bound_to else ()),
                *("--output-file", f"requirements/{name}.txt", str(source)),
            ],
            check=True,
            cwd=ROOT,
            env=environment,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
