"""The table of servers: how each is recognised, and how each is started.

Braces in the words of a recipe stand for `{folder}`, the server's own, and `{port}`.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.brokers import probe

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A container: its image, the port inside it, and what it must be told."""

    name: str
    port: int
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An installed server, run in the foreground from a folder of its own.

    `places` are searched before the PATH: Debian keeps some servers out of it, or wraps them.
    Started by root, it runs as `account`, since most servers refuse to run as root.
    """

    package: str
    account: str
    serve: tuple[str, ...]
    prepare: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
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

    def answers(self) -> bool:
        """Ask it in its own protocol."""
        return self.probe.answered(self.port)


RABBITMQ = Server(
    name="rabbitmq",
    port=5672,
    probe=probe.AMQP,
    image=Image(name="rabbitmq:4", port=5672),
    program=Program(
        package="rabbitmq-server",
        account="rabbitmq",
        serve=("rabbitmq-server",),
        places=("/usr/lib/rabbitmq/bin",),
        environment={
            "ERL_EPMD_ADDRESS": probe.HOST,
            "HOME": "{folder}",
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
        package="postgresql",
        account="postgres",
        prepare=(
            *("initdb", "--pgdata={folder}/data", "--username=postgres"),
            *("--auth=trust", "--encoding=UTF8", "--no-sync"),
        ),
        serve=(
            *("postgres", "-D", "{folder}/data", "-k", "{folder}"),
            *("-h", probe.HOST, "-p", "{port}"),
        ),
        places=("/usr/lib/postgresql/*/bin",),
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
        package="mariadb-server",
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
        places=("/usr/sbin", "/usr/libexec"),
    ),
)

REDIS = Server(
    name="redis",
    port=6379,
    probe=probe.REDIS,
    image=Image(name="redis:7.4", port=6379),
    program=Program(
        package="redis-server",
        account="redis",
        serve=(
            *("redis-server", "--bind", probe.HOST, "--port", "{port}", "--dir", "{folder}"),
            *("--save", "", "--appendonly", "no"),
        ),
    ),
)

SERVERS = (RABBITMQ, POSTGRES, MARIADB, REDIS)

# What the present adapters' tests need. Memory, SQLite and null need no server; an adapter that
# does adds its server here, and `make test` then brings it up.
NEEDED: tuple[Server, ...] = ()
