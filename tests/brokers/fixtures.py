"""Fixtures for tests that need a server: its address, or a skip that says what to start.

Imported by the conftest.py of a folder whose tests need them, name by name. pytest is needed here
and nowhere else in this package.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn
from uuid import uuid4

import pytest

from tests.brokers.private import PrivateBroker, PrivateServer, dynamodb_in_files
from tests.brokers.servers import (
    DYNAMODB,
    LOCALSTACK,
    MOTO,
    POSTGRES,
    PROMETHEUS,
    RABBITMQ,
    REDIS,
)
from tests.brokers.shell import CannotStartError
from tests.brokers.sources import ROOT, Node
from tests.certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.brokers.servers import Server

REGION = "us-east-1"
BUSY_FOR = 10.0  # with all its other users a server may take its time to say that it is there


@pytest.fixture(scope="session")
def localstack_url() -> str:
    """Endpoint of LocalStack: SQS, SNS, S3 and EventBridge, for example http://127.0.0.1:4566.

    Shared by every test and every xdist worker, so a test names its queues and buckets anew.
    """
    return endpoint(LOCALSTACK)


@pytest.fixture(scope="session")
def moto_url() -> str:
    """Endpoint of the moto server: every service, slow and in memory. Shared, as LocalStack is."""
    return endpoint(MOTO)


@pytest.fixture(scope="session")
def dynamodb_url() -> str:
    """Endpoint of DynamoDB Local. Shared, so a test names its tables anew."""
    return endpoint(DYNAMODB)


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    """URL of RabbitMQ with its account. Shared, so a test names its queues anew."""
    return endpoint(RABBITMQ, "rabbitmq://guest:guest@")


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """URL of PostgreSQL with its account. Shared, so a test has a schema of its own."""
    return endpoint(POSTGRES, "postgresql://postgres@") + "/postgres"


@pytest.fixture
def postgres_schema(postgres_url: str) -> Iterator[str]:
    """URL of a schema with fresh tables, which goes with the test."""
    from longshore_adapters.postgres import ADAPTER  # noqa: PLC0415 - an extra, which few tests need

    url = f"{postgres_url}?schema=test_{uuid4().hex}"
    ADAPTER.init(url)
    yield url
    ADAPTER.deinit(url)


@pytest.fixture
def private_postgres() -> Iterator[PrivateServer]:
    """A running PostgreSQL that this test may kill and start; what it answered outlives it."""
    yield from running(PrivateServer(POSTGRES))


@pytest.fixture(scope="session")
def redis_url() -> str:
    """URL of Redis, database 0. Shared, so a test names its prefix anew, and removes it."""
    return f"{endpoint(REDIS, 'redis://')}/0"


@pytest.fixture
def private_redis() -> Iterator[PrivateServer]:
    """A running Redis that this test may kill and start; what it held dies with it."""
    yield from running(PrivateServer(REDIS))


@pytest.fixture(scope="session")
def rabbitmq_of_the_session() -> Iterator[PrivateBroker]:
    """Start one for all the tests of a session: it takes seconds."""
    broker = PrivateBroker()
    try:
        broker.start()
    except CannotStartError as problem:
        broker.remove()
        without(str(problem))
    yield broker
    broker.remove()


@pytest.fixture
def private_rabbitmq(rabbitmq_of_the_session: PrivateBroker) -> PrivateBroker:
    """A RabbitMQ that this test may kill, stop and start; it runs when the test begins.

    With the management plugin. Queues of other tests may be in it, so a test names its own anew.
    """
    rabbitmq_of_the_session.start()
    return rabbitmq_of_the_session


@pytest.fixture
def private_sqs() -> Iterator[PrivateServer]:
    """A running moto for SQS that this test may kill and start; its queues die with it.

    Not LocalStack, which forgets the same, and takes far longer to start.
    """
    yield from running(PrivateServer(MOTO))


@pytest.fixture
def private_dynamodb() -> Iterator[PrivateServer]:
    """A running DynamoDB Local that this test may kill and start; its tables outlive it."""
    yield from running(dynamodb_in_files())


def running(server: PrivateServer) -> Iterator[PrivateServer]:
    """Start a server of a test's own; where that cannot be, the test skips, and in CI it fails."""
    try:
        server.start()
    except CannotStartError as problem:
        server.remove()
        without(str(problem))
    yield server
    server.remove()


@pytest.fixture
def aws_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Let every AWS client of this test, and of processes it starts, see dummy credentials only.

    Nothing of the user's own: no profile, no files of the home folder, no instance metadata, no
    endpoint from the environment. The region is us-east-1.
    """
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    told = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CA_BUNDLE": authority(tmp_path_factory),
        "AWS_CONFIG_FILE": str(tmp_path / "no-aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-aws-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, text in told.items():
        monkeypatch.setenv(name, text)


def authority(folders: pytest.TempPathFactory) -> str:
    """Name a file with one authority to believe, in place of all that the system does.

    Emulators speak plain HTTP, and to read all of those costs each client 18 ms.
    """
    folder = folders.getbasetemp() / "authority"
    if not folder.exists():
        folder.mkdir()
        Certificates(folder)
    return str(folder / "c.pem")


@pytest.fixture
def asked_for_credentials(aws_environment: None, tmp_path: Path) -> Iterator[Callable[[], int]]:
    """Give the profile `short` credentials that end within a second; how often they were asked for.

    There are no others meanwhile.
    """
    asked, script, config = tmp_path / "asked", tmp_path / "credentials.py", tmp_path / "config"
    script.write_text(
        "import datetime, json, pathlib\n"
        f"pathlib.Path({str(asked)!r}).open('a').write('x')\n"
        "end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'a', 'SecretAccessKey': 's',"
        " 'SessionToken': 't', 'Expiration': end.isoformat()}))\n",
        encoding="utf-8",
    )
    process = f"credential_process = {sys.executable} {script}"
    config.write_text(f"[profile short]\n{process}\n", encoding="utf-8")
    asked.touch()
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("AWS_ACCESS_KEY_ID")
        environment.delenv("AWS_SECRET_ACCESS_KEY")
        environment.setenv("AWS_CONFIG_FILE", str(config))
        yield lambda: asked.stat().st_size


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """A folder with the AWS SDK for JavaScript, as localstack/producers has it."""
    return modules("javascript", ROOT / "localstack" / "producers")


@pytest.fixture(scope="session")
def amqplib_modules() -> Path:
    """A folder with amqplib, as tests/integration/producers/amqp has it."""
    return modules("amqplib", ROOT / "tests" / "integration" / "producers" / "amqp")


def modules(name: str, package: Path) -> Path:
    """Install what a package's lock names; without npm the test skips, and in CI it fails."""
    lock = package / "package-lock.json"
    node = Node(name=name, lock=lock, runs_on="node", needs="npm and node")
    try:
        node.install()
    except CannotStartError as problem:
        without(str(problem))
    return node.folder / "node_modules"


@pytest.fixture(scope="session")
def prometheus_programs() -> tuple[str, str]:
    """The paths of `prometheus` and `promtool`."""
    found = PROMETHEUS.find()
    if found is None:
        without(f"{PROMETHEUS.source.needs} is not installed; run: make brokers")
    prometheus, promtool = found
    return prometheus, promtool


def endpoint(server: Server, scheme: str = "http://") -> str:
    """Where the server answers; without it the test skips, and in CI it fails."""
    if not server.answers(BUSY_FOR):
        without(f"{server.name} is not at {server.address}; run: make brokers")
    return f"{scheme}{server.address}"


def without(reason: str) -> NoReturn:
    """Skip for want of a server, wherever the test is; in CI every server must be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
