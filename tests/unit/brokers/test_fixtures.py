from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.brokers.fixtures import aws_environment, endpoint
from tests.brokers.servers import MOTO

if TYPE_CHECKING:
    from tests.unit.brokers.conftest import Listen

__all__ = ["aws_environment"]


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")


def test_an_endpoint_is_where_the_server_answers(listen: Listen) -> None:
    port = listen(hears=MOTO.probe.says, says=b"HTTP/1.1 200 OK\r\n\r\n<title>Moto</title>")

    assert endpoint(replace(MOTO, port=port)) == f"http://127.0.0.1:{port}"


def test_a_missing_server_is_a_skip_that_says_what_to_start(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match=r"moto is not at .* run: make brokers"):
        endpoint(replace(MOTO, port=closed_port))


def test_a_missing_server_is_a_failure_in_ci(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="run: make brokers"):
        endpoint(replace(MOTO, port=closed_port))


@pytest.mark.usefixtures("profile", "aws_environment")
def test_clients_see_nothing_of_the_users_own_accounts() -> None:
    seen = {name: text for name, text in os.environ.items() if name.startswith("AWS_")}

    assert "AWS_PROFILE" not in seen
    assert (seen["AWS_ACCESS_KEY_ID"], seen["AWS_REGION"]) == ("test", "us-east-1")
    assert not Path(seen["AWS_CONFIG_FILE"]).exists()
    assert not Path(seen["AWS_SHARED_CREDENTIALS_FILE"]).exists()
