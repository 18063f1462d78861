from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.brokers import sources
from tests.brokers.interpreters import interpreter
from tests.brokers.kept import make
from tests.brokers.servers import SERVERS
from tests.brokers.shell import CannotStartError, ran
from tests.brokers.sources import Apt, Node, Venv

NPM = Path(sources.__file__).parent / "npm"
PRODUCERS = sources.ROOT / "localstack" / "producers"


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def test_a_place_of_debians_is_searched_before_the_path(tmp_path: Path) -> None:
    wrapped = program(tmp_path / "usr/lib/server/15/bin/sh")

    found = Apt(package="any", places=("/usr/lib/server/*/bin",), folder=tmp_path).find("sh")

    assert found == str(wrapped)


def test_a_program_of_a_venv_is_found_once_the_venv_is_made(tmp_path: Path) -> None:
    venv = Venv(lock="moto", kept=tmp_path)

    before = venv.find("moto_server")
    lock = sources.ROOT / "requirements/moto.txt"
    make(venv.folder, lock, lambda: program(venv.folder / "bin/moto_server"))

    assert before is None
    assert venv.find("moto_server") == str(tmp_path / "moto/bin/moto_server")


def test_a_venv_of_the_checkout_is_used_where_it_has_the_program(tmp_path: Path) -> None:
    place = program(tmp_path / "bin/moto_server").parents[1]

    found = Venv(lock="moto", places=(str(place),), kept=tmp_path / "none").find("moto_server")

    assert found == str(tmp_path / "bin/moto_server")


def test_a_venv_says_which_python_it_lacks(tmp_path: Path) -> None:
    venv = Venv(lock="localstack", pythons=("2.99", "2.98"), kept=tmp_path)

    with pytest.raises(CannotStartError, match=r"there is no Python 2\.99 or 2\.98"):
        venv.install()

    assert venv.find("python") is None


def test_packages_of_npm_say_what_they_would_run_on(tmp_path: Path) -> None:
    lock = NPM / "dynamodb/package-lock.json"
    node = Node(name="any", lock=lock, runs_on="no-such-java", needs="a JDK", kept=tmp_path)

    with pytest.raises(CannotStartError, match="no-such-java is not installed"):
        node.install()

    assert node.find("sh") is None


def test_the_python_in_use_is_taken_where_its_version_is_wanted() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"

    found = interpreter(()), interpreter(("2.99", version))

    assert found == (sys.executable, sys.executable)


def test_a_program_that_fails_gives_its_last_words_as_the_reason() -> None:
    words = [sys.executable, "-c", "raise SystemExit('no space left')"]

    with pytest.raises(CannotStartError, match=r"^pip failed: no space left$"):
        ran(words, otherwise="pip failed")


def test_a_program_that_takes_too_long_is_given_up() -> None:
    words = [sys.executable, "-c", "import signal; signal.pause()"]

    with pytest.raises(CannotStartError, match=r"^no engine answers within 0 s$"):
        ran(words, otherwise="no engine answers", patience=0.1)


def test_a_program_that_is_not_there_is_a_reason() -> None:
    with pytest.raises(CannotStartError, match="no-such-npm is not installed"):
        ran(["no-such-npm"], otherwise="npm failed")


def test_locks_of_npm_have_hashes_and_say_nothing_of_the_machine_that_made_them() -> None:
    found = [*NPM.glob("*/package-lock.json"), PRODUCERS / "package-lock.json"]
    locks = [json.loads(each.read_text(encoding="utf-8")) for each in found]

    packages = [each for lock in locks for name, each in lock["packages"].items() if name]

    assert len(locks) > 1
    assert all("integrity" in each and "resolved" not in each for each in packages)


def test_every_program_says_what_a_person_would_install() -> None:
    silent = [server.name for server in SERVERS if not server.program.source.needs]

    assert silent == []
