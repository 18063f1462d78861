"""The page on local AWS, followed to the letter: its commands, its producers, its tasks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

from tests.brokers.fixtures import REGION
from tests.brokers.servers import DYNAMODB, LOCALSTACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.brokers.servers import Server

FOLDER: Final = Path(__file__).resolve().parents[2] / "localstack"
PAGE: Final = (FOLDER / "README.md").read_text(encoding="utf-8")
# The blocks of commands on the page, in their order.
BLOCKS: Final = [block.split("```")[0].splitlines() for block in PAGE.split("```console\n")[1:]]
COMMANDS: Final = BLOCKS[0]
PATIENCE: Final = 50.0

SERVERS: Final = [
    pytest.param(LOCALSTACK, id="localstack"),
    pytest.param(DYNAMODB, id="dynamodb"),
]

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Shop:
    """The example with a queue and a table of its own."""

    environment: Mapping[str, str]

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            capture_output=True,
            check=False,
            cwd=FOLDER.parent,
            env=dict(self.environment),
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def work(self) -> None:
        self.run(f"{COMMANDS[2]} --once --poll 1s")

    def tasks(self) -> list[dict[str, Any]]:
        found = json.loads(self.run("localstack/local longshore list --json"))
        return list(found["tasks"])

    def results(self) -> dict[str, object]:
        shown = [self.show(task["id"]) for task in self.tasks()]
        return {json.dumps(one["arguments"]): one["result"] for one in shown}

    def show(self, task_id: str) -> dict[str, Any]:
        return dict(json.loads(self.run(f"localstack/local longshore show {task_id} --json")))


@pytest.fixture
def shop(localstack_url: str, dynamodb_url: str, tmp_path: Path) -> Iterator[Shop]:
    name = f"examples-{uuid4().hex[:12]}"
    theirs = (FOLDER / "longshore.toml").read_text(encoding="utf-8")
    mine = {
        "dynamodb://longshore?": f"dynamodb://{name}?",
        "[queues.default]": f"[queues.{name}]",
        f"http://{LOCALSTACK.address}": localstack_url,
        f"http://{DYNAMODB.address}": dynamodb_url,
    }
    for before, after in mine.items():
        theirs = theirs.replace(before, after)
    config = tmp_path / "longshore.toml"
    config.write_text(f'queue = "{name}"\n{theirs}', encoding="utf-8")
    told = {
        "BIN": str(Path(sys.executable).parent),
        "DYNAMODB_URL": dynamodb_url,
        "LOCALSTACK_URL": localstack_url,
        "LONGSHORE_CONFIG": str(config),
        "QUEUE": name,
    }
    others = ("AWS_", "LONGSHORE_")
    rest = {key: text for key, text in os.environ.items() if not key.startswith(others)}
    shop = Shop(rest | told)
    shop.run(COMMANDS[1])
    yield shop
    remove(name, localstack_url, dynamodb_url)


def remove(name: str, localstack_url: str, dynamodb_url: str) -> None:
    """Not by `longshore deinit`: it takes every queue of ours from a server that others use."""
    make: Any = import_module("boto3").client
    login = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    sqs = make("sqs", endpoint_url=localstack_url, **login)
    for url in sqs.list_queues(QueueNamePrefix=name)["QueueUrls"]:
        sqs.delete_queue(QueueUrl=url)
    make("dynamodb", endpoint_url=dynamodb_url, **login).delete_table(TableName=name)


def test_the_settings_name_the_servers_that_are_started() -> None:
    settings = tomllib.loads((FOLDER / "longshore.toml").read_text(encoding="utf-8"))

    assert f"endpoint_url=http://{LOCALSTACK.address}&" in settings["queue_url"]
    assert f"endpoint_url=http://{DYNAMODB.address}&" in settings["log_url"]
    assert settings["log_url"] == settings["store_url"]


def test_three_commands_are_all_there_is_to_it() -> None:
    assert len(COMMANDS) == 3


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    read: Any = import_module("yaml").safe_load
    found = read((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    return dict(found["services"])


def test_compose_knows_the_two_servers_of_the_page_and_no_other(services: dict[str, Any]) -> None:
    assert services.keys() == {LOCALSTACK.name, DYNAMODB.name}


@pytest.mark.parametrize("server", SERVERS)
def test_compose_runs_the_image_that_the_tests_run(
    services: dict[str, Any], server: Server
) -> None:
    service = services[server.name]

    assert service["image"] == server.image.name
    assert tuple(service.get("command", "").split()) == server.image.command


@pytest.mark.parametrize("server", SERVERS)
def test_compose_publishes_one_port_and_on_loopback_only(
    services: dict[str, Any], server: Server
) -> None:
    service = services[server.name]

    assert service["ports"] == [f"127.0.0.1:{server.port}:{server.image.port}"]
    assert "network_mode" not in service


@pytest.mark.parametrize("server", SERVERS)
def test_compose_tells_a_server_what_the_tests_tell_it(
    services: dict[str, Any], server: Server
) -> None:
    told = {name: text.format(port=server.port) for name, text in server.image.environment.items()}
    theirs = services[server.name].get("environment", {})

    assert theirs == told
    assert all(isinstance(text, str) for text in theirs.values())


@pytest.mark.parametrize("server", SERVERS)
def test_compose_mounts_nothing_that_is_not_in_the_folder(
    services: dict[str, Any], server: Server
) -> None:
    """It mounts nothing today: `longshore init` makes queue and table, so there is no script."""
    volumes = services[server.name].get("volumes", [])
    sources = [each.partition(":")[0] for each in volumes]

    assert [source for source in sources if not (FOLDER / source).exists()] == []


def test_tasks_of_shell_and_python_producers_are_done(shop: Shop) -> None:
    shop.run("localstack/local producers/send.sh")
    shop.run("localstack/local python producers/send.py")
    shop.work()

    assert shop.results() == {
        '{"order": 1}': "order 1 goes by sea",
        '{"order": 2, "express": true}': "order 2 goes by air",
    }


def test_tasks_of_a_javascript_producer_are_done(
    shop: Shop, node_modules: Path, tmp_path: Path
) -> None:
    shutil.copy(FOLDER / "producers" / "send.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(node_modules)

    shop.run(f"localstack/local node {tmp_path}/send.mjs")
    shop.work()

    assert shop.results() == {'{"order": 3}': "order 3 goes by sea"}


def test_a_topic_an_event_bus_and_a_bucket_feed_the_queue(shop: Shop) -> None:
    queue = shop.environment["QUEUE"]
    shop.run("localstack/local ./connect.sh")
    for command in BLOCKS[-1]:
        shop.run(re.sub(r":default\b|//default\b", lambda found: found[0][:-7] + queue, command))
    shop.work()

    states = sorted((task["task"], task["state"]) for task in shop.tasks())
    assert states == [
        ("order.ship", "succeeded"),
        ("order.ship", "succeeded"),
        ("store", "succeeded"),
    ]
