"""What is said of a URL, a server and its settings before any task is trusted to them."""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis

from longshore.clock import SystemClock
from longshore.conformance.queue.hands import message
from longshore.errors import ConfigurationError, StorageError, UnavailableError
from longshore.identity import TaskIds
from longshore.protocol import Record
from longshore.queue import Rejection
from longshore.store import Put
from longshore.task import FINAL, TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore_adapters.redis import ADAPTER
from tests.architecture.places import ROOT
from tests.brokers.fixtures import running
from tests.brokers.ports import free_ports
from tests.brokers.private import PrivateServer
from tests.brokers.servers import REDIS
from tests.certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from longshore.queue import Queue
    from longshore.registry import Backend

pytestmark = pytest.mark.once

LEASE = timedelta(seconds=30)
NO_WAIT = timedelta(0)
SECRET = "hush-hush"  # noqa: S105 - of a server that this test starts


def named(backend: Backend, name: str = "q") -> Queue:
    assert backend.queue is not None
    return backend.queue(name)


def prefixed(url: str, options: str = "") -> str:
    return f"{url}?prefix=setup-{uuid4().hex}{options}"


def private_url(server: PrivateServer, options: str = "", login: str = "") -> str:
    return f"redis://{login}127.0.0.1:{server.port}?prefix=setup{options}"


def client_of(url: str) -> Any:
    return redis.Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]


def told(server: PrivateServer, **settings: str) -> Any:
    client: Any = redis.Redis(port=server.port)
    for name, value in settings.items():
        client.config_set(name.replace("_", "-"), value)
    return client


@pytest.fixture
def url(redis_url: str) -> Iterator[str]:
    url = prefixed(redis_url)
    yield url
    ADAPTER.deinit(url)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("redis://", "names neither|where a host"),
        ("redis:///", "names neither host nor socket"),
        ("redis://ho st", "where a host would be"),
        ("redis://host:70000", "port 70000.*1 to 65535"),
        ("redis://host/shop", "number of a database"),
        ("redis://host/1?db=2", "database once"),
        ("redis://host?nope=1", "option 'nope'"),
        ("redis://host?prefix=a{b}", "letters, digits"),
        ("redis://host?clock=moon", "server, host"),
        ("redis://host?timeout=0", "0.01 to 3600"),
        ("redis://host?verify=off", "begin the URL with rediss"),
        ("rediss://host?cert_file=/c.pem", "both of them"),
        ("rediss:///run/redis.sock", "TLS over a Unix socket"),
    ],
)
async def test_a_bad_url_is_refused_with_what_to_give_instead(url: str, wanted: str) -> None:
    with pytest.raises(ConfigurationError, match=wanted):
        async with ADAPTER.open(url, SystemClock()):
            pass


async def test_without_redis_py_the_error_names_the_extra(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis.exceptions", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'longshore\[redis\]'"):
        async with ADAPTER.open(url, SystemClock()):
            pass


async def test_a_server_that_is_not_there_is_unavailable(private_redis: PrivateServer) -> None:
    private_redis.kill()

    with pytest.raises(UnavailableError, match=r"cannot be reached.*start it, or check the URL"):
        async with ADAPTER.open(private_url(private_redis), SystemClock()):
            pass
    with (
        pytest.raises(UnavailableError, match="cannot be reached"),
        ADAPTER.open_sync(private_url(private_redis), SystemClock()),
    ):
        pass


@pytest.mark.parametrize("login", ["", ":wrong-word@", "somebody:wrong-word@"])
async def test_a_wrong_password_is_named_and_not_shown(
    private_redis: PrivateServer, login: str
) -> None:
    told(private_redis, requirepass=SECRET)

    with pytest.raises(UnavailableError, match="password") as raised:
        async with ADAPTER.open(private_url(private_redis, login=login), SystemClock()):
            pass

    assert "wrong-word" not in str(raised.value)


async def test_the_right_password_is_used(private_redis: PrivateServer) -> None:
    told(private_redis, requirepass=SECRET)
    url = private_url(private_redis, login=f":{SECRET}@")

    async with ADAPTER.open(url, SystemClock()) as backend:
        assert await named(backend).send([message()]) == [None]


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
async def test_a_server_that_would_evict_tasks_is_refused(
    private_redis: PrivateServer, policy: str
) -> None:
    told(private_redis, maxmemory="100mb", maxmemory_policy=policy)

    with pytest.raises(StorageError, match=rf"{policy}.*CONFIG SET maxmemory-policy noeviction"):
        async with ADAPTER.open(private_url(private_redis), SystemClock()):
            pass
    [finding] = ADAPTER.examine(private_url(private_redis), [])
    assert (finding.verdict, policy in finding.text) == ("fail", True)


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
async def test_a_policy_that_spares_keys_without_expiry_is_accepted(
    private_redis: PrivateServer, policy: str
) -> None:
    client = told(private_redis, maxmemory="100mb", maxmemory_policy=policy)

    async with ADAPTER.open(private_url(private_redis), SystemClock()) as backend:
        await enqueue(backend)
        await stored(backend)

    assert {client.ttl(key) for key in client.scan_iter()} == {-1}


async def test_a_replica_is_refused(private_redis: PrivateServer) -> None:
    told(private_redis).replicaof("127.0.0.1", "1")

    with pytest.raises(StorageError, match="give the address of the primary"):
        async with ADAPTER.open(private_url(private_redis), SystemClock()):
            pass


async def test_a_user_without_rights_is_told_which(private_redis: PrivateServer) -> None:
    client = told(private_redis)
    client.acl_setuser("clerk", enabled=True, passwords=["+word"], commands=["+info"], keys=["*"])
    url = private_url(private_redis, login="clerk:word@")

    async with ADAPTER.open(url, SystemClock()) as backend:
        with pytest.raises(UnavailableError, match="does not allow this user"):
            await named(backend).send([message()])


async def test_the_rights_that_the_readme_names_are_enough(private_redis: PrivateServer) -> None:
    rights = "+@all -@admin -@dangerous +info +config|get ~{longshore}:*"
    assert rights in (ROOT / "adapters/longshore_adapters/redis/README.md").read_text("utf-8")
    told(private_redis).execute_command("ACL", "SETUSER", "clerk", "on", ">word", *rights.split())
    url = f"redis://clerk:word@127.0.0.1:{private_redis.port}"

    async with ADAPTER.open(url, SystemClock()) as backend:
        await enqueue(backend)
        await stored(backend)
        queue, log = named(backend), backend.task_log
        assert log is not None
        waiting = asyncio.ensure_future(queue.receive(limit=2, wait=LEASE, lease=LEASE))
        [first] = await waiting
        waiting = asyncio.ensure_future(queue.receive(limit=2, wait=LEASE, lease=LEASE))
        await asyncio.sleep(0.1)
        await queue.send([message()])
        await waiting
        await queue.reject([Rejection(delivery=first, reason="error")])
        await log.find(TaskQuery())
        await log.prune(states=FINAL, before=SystemClock().now(), limit=1)
        await queue.declare()
        await queue.delete()

    assert "keys removed" in ADAPTER.deinit(url)[0]
    assert ADAPTER.examine(url, [])[0].verdict == "ok"


@pytest.mark.parametrize(
    ("settings", "survives"),
    [
        ({"save": ""}, "alone: .* forgets all"),
        ({"save": "60 1"}, "last snapshot"),
        ({"appendonly": "yes", "appendfsync": "everysec"}, "may undo the last second"),
        ({"appendonly": "yes", "appendfsync": "always"}, "and a power cut .*appendfsync always"),
    ],
)
async def test_what_a_write_survives_is_read_from_the_server(
    private_redis: PrivateServer, settings: dict[str, str], survives: str
) -> None:
    told(private_redis, **settings)

    async with ADAPTER.open(private_url(private_redis), SystemClock()) as backend:
        assert backend.task_log is not None
        capabilities = backend.task_log.capabilities
    verdicts = {one.name: one.verdict for one in ADAPTER.examine(private_url(private_redis), [])}

    assert re.search(survives, capabilities.survives)
    assert verdicts["Redis disk"] == ("ok" if "appendonly" in settings else "warn")


async def test_full_memory_refuses_new_tasks_and_lets_held_ones_end(
    private_redis: PrivateServer,
) -> None:
    client = told(private_redis, maxmemory_policy="noeviction")
    async with ADAPTER.open(private_url(private_redis), SystemClock()) as backend:
        queue = named(backend)
        await queue.send([message(b"held"), message(b"more")])
        [held] = await queue.receive(limit=1, wait=NO_WAIT, lease=LEASE)
        client.config_set("maxmemory", "1mb")

        with pytest.raises(UnavailableError, match=r"out of memory.*maxmemory"):
            await queue.send([message()])
        acked = await queue.ack([held])
        client.config_set("maxmemory", "0")

        assert acked == [None]
        assert (await queue.depth()).ready == 1


async def test_other_data_under_the_prefix_is_said(url: str, redis_url: str) -> None:
    prefix = url.partition("prefix=")[2]
    client_of(redis_url).set(f"{{{prefix}}}:queue:q:messages", "mine")

    async with ADAPTER.open(url, SystemClock()) as backend:
        with pytest.raises(StorageError, match="other data"):
            await named(backend).send([message()])


async def test_every_key_has_the_prefix_for_its_hash_tag(url: str, redis_url: str) -> None:
    prefix, client = url.partition("prefix=")[2], client_of(redis_url)

    async with ADAPTER.open(url, SystemClock()) as backend:
        await enqueue(backend)
        await stored(backend)
        await named(backend).declare()

    ours = {key for key in client.scan_iter() if prefix.encode() in key}
    assert ours
    assert all(key.startswith(b"{%s}:" % prefix.encode()) for key in ours)


async def test_prefixes_do_not_see_each_other_and_deinit_spares_the_others(redis_url: str) -> None:
    one, two = prefixed(redis_url), prefixed(redis_url)
    async with (
        ADAPTER.open(one, SystemClock()) as first,
        ADAPTER.open(two, SystemClock()) as second,
    ):
        await named(first).send([message()])
        await named(second).send([message(b"other")])

        said = [ADAPTER.deinit(one), ADAPTER.deinit(one)]

        assert ["keys removed" in said[0][0], "nothing there" in said[1][0]] == [True, True]
        assert (await named(first).depth()).ready == 0
        assert (await named(second).depth()).ready == 1
    ADAPTER.deinit(two)


def test_init_may_be_repeated(url: str) -> None:
    assert ADAPTER.init(url) == ADAPTER.init(url)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's own user may use, wherever pytest's are."""
    with TemporaryDirectory(prefix="longshore-") as made:
        Path(made).chmod(0o777)
        yield Path(made)


def serving(*words: str) -> Iterator[PrivateServer]:
    program = replace(REDIS.program, serve=(*REDIS.program.serve, *words))
    yield from running(PrivateServer(replace(REDIS, program=program)))


@pytest.fixture
def socket(folder: Path) -> Iterator[str]:
    path = f"{folder}/socket"
    for _ in serving("--unixsocket", path, "--unixsocketperm", "777"):
        yield path


async def test_a_unix_socket_is_used(socket: str) -> None:
    url = f"redis://{socket}?db=3"
    async with ADAPTER.open(url, SystemClock()) as backend:
        await enqueue(backend)
        with ADAPTER.open_sync(url, SystemClock()) as producer:
            producer.enqueue([record()])

        assert (await named(backend).depth()).ready == 2


@pytest.fixture
def tls(folder: Path) -> Iterator[tuple[int, Certificates]]:
    certificates, [port] = Certificates(folder), free_ports(1)
    for each in folder.iterdir():
        each.chmod(0o644)
    for _ in serving(
        *("--tls-port", str(port), "--tls-auth-clients", "no"),
        *(
            "--tls-cert-file",
            str(certificates.certificate),
            "--tls-key-file",
            str(certificates.key),
        ),
        *("--tls-ca-cert-file", str(certificates.certificate)),
    ):
        yield port, certificates


async def test_everything_goes_over_tls(tls: tuple[int, Certificates]) -> None:
    port, certificates = tls
    url = f"rediss://localhost:{port}?ca_file={certificates.certificate}"
    async with ADAPTER.open(url, SystemClock()) as backend:
        await enqueue(backend)
        with ADAPTER.open_sync(url, SystemClock()) as producer:
            producer.enqueue([record()])

        assert (await named(backend).depth()).ready == 2


async def test_a_certificate_that_nobody_vouches_for_is_refused_unless_it_is_taken_unseen(
    tls: tuple[int, Certificates],
) -> None:
    url = f"rediss://localhost:{tls[0]}"

    with pytest.raises(UnavailableError, match="certificate"):
        async with ADAPTER.open(url, SystemClock()):
            pass
    with (
        pytest.raises(UnavailableError, match="certificate"),
        ADAPTER.open_sync(url, SystemClock()),
    ):
        pass

    async with ADAPTER.open(f"{url}?verify=off", SystemClock()) as backend:
        await enqueue(backend)


def record() -> Record:
    now = SystemClock().now()
    spec = TaskSpec(id=TaskIds()(), name="render", queue="q", body=b"{}", created_at=now)
    return Record(spec=spec, state=TaskState.QUEUED, due_at=now)


async def enqueue(backend: Backend) -> None:
    assert backend.together is not None
    [recorded] = await backend.together.enqueue([record()])
    assert recorded.inserted


async def stored(backend: Backend) -> None:
    assert backend.store is not None
    [entry] = await backend.store.put([Put(key="k", value=b"v", ttl=LEASE)])
    assert entry is not None
