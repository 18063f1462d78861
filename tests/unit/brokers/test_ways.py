from __future__ import annotations

import os
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.brokers.record import Container
from tests.brokers.servers import DYNAMODB, LOCALSTACK, REDIS, Program
from tests.brokers.shell import CannotStartError
from tests.brokers.sources import Apt
from tests.brokers.ways import by_docker, by_package

if TYPE_CHECKING:
    from pathlib import Path

    from tests.brokers.servers import Server

DOCKER = '#!/bin/sh\n[ "$1" = info ] || printf "%s\\n" "$@" > {told}\necho c0ffee\n'


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Docker that notes what it is told; the file of its notes."""
    told = tmp_path / "told"
    program = tmp_path / "docker"
    program.write_text(DOCKER.format(told=shlex.quote(str(told))), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return told


@pytest.mark.parametrize(
    ("server", "published"),
    [
        pytest.param(DYNAMODB, "127.0.0.1:7001:8000", id="dynamodb"),
        pytest.param(LOCALSTACK, "127.0.0.1:7001:4566", id="localstack"),
    ],
)
def test_a_container_is_published_on_loopback_only(
    docker: Path, server: Server, published: str
) -> None:
    started = by_docker(replace(server, port=7001))
    words = docker.read_text(encoding="utf-8").splitlines()

    assert started == Container(container="c0ffee")
    assert words[words.index("--publish") + 1] == published
    assert words.count("--publish") == 1


def test_a_container_is_told_where_it_will_be_found_and_how_to_run(docker: Path) -> None:
    by_docker(replace(LOCALSTACK, port=7001))
    localstack = docker.read_text(encoding="utf-8").splitlines()
    by_docker(DYNAMODB)
    dynamodb = docker.read_text(encoding="utf-8").splitlines()

    assert "LOCALSTACK_HOST=127.0.0.1:7001" in localstack
    assert localstack[-1] == LOCALSTACK.image.name
    assert dynamodb[-2:] == ["-sharedDb", "-disableTelemetry"]


def test_what_is_installed_is_not_installed_again() -> None:
    program = Program(source=Apt(package="dash"), serve=("sh",))

    with pytest.raises(CannotStartError, match="redis's sh is installed already"):
        by_package(replace(REDIS, program=program))
