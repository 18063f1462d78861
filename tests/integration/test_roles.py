"""What a role's printed policy lets it do, on a server that enforces policies (issue 4, A).

The play goes through all that producers, workers and operators do, each with a user of its own
that has exactly the policy of `longshore permissions`. Its log is once in moto, which enforces, and
once in DynamoDB Local, which knows the batches that moto does not; what those ask is compared.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, get_args
from uuid import uuid4

import boto3.session
import pytest
from click.testing import CliRunner

from longshore.cli import main
from longshore.clock import SystemClock
from longshore.errors import UnavailableError
from longshore.queue import SupportsPurge
from longshore.registry import Role
from longshore_adapters.dynamodb import ADAPTER as LOG
from longshore_adapters.dynamodb import schema
from longshore_adapters.sqs import ADAPTER as SQS
from tests.brokers.fixtures import authority, endpoint, running
from tests.brokers.private import PrivateServer
from tests.brokers.servers import DYNAMODB, MOTO
from tests.integration.roles import ACCOUNT, REGION, Iam, asked, granted, kinds, recording, texts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence

    from longshore.queue import Queue
    from tests.adapters.sqs_proxy import Proxy
    from tests.integration.roles import Pair

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]

ROLES: Final = get_args(Role)
APP: Final = """
from longshore import Longshore, Retry

app = Longshore()


@app.task(retry=Retry(attempts=2, backoff=1))
def add(a: int, pad: str = "") -> int:
    if a < 0:
        raise ValueError("no")
    return a + 1
"""
FOREIGN: Final[Mapping[str, Any]] = {
    "MessageBody": '{"a": 5}',
    "MessageAttributes": {"task": {"DataType": "String", "StringValue": "add"}},
}


@dataclass
class Play:
    """An application on servers that tell what they were asked, and the users of its roles."""

    queue_url: str
    log_url: str
    proxies: tuple[Proxy, ...]
    users: dict[Role, Mapping[str, str]] = field(default_factory=dict[Role, "Mapping[str, str]"])
    asked: dict[Role, set[Pair]] = field(
        default_factory=lambda: {role: set[tuple[str, str]]() for role in ROLES}
    )

    @property
    def settings(self) -> dict[str, str]:
        return {
            "LONGSHORE_APP": "shop:app",
            "LONGSHORE_KEEP_SUCCEEDED": "1ms",
            "LONGSHORE_MESSAGE_RETENTION": "1s",
            "LONGSHORE_QUEUES": '{"orders.fifo": {}}',
            "LONGSHORE_QUEUE_URL": self.queue_url,
            "LONGSHORE_URL": self.log_url,
        }

    def policy(self, role: Role) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = json.loads(self.cli("permissions", role))["Statement"]
        return found

    @contextmanager
    def by(self, role: Role) -> Generator[None]:
        """Be one of the role, and note what it asks."""
        for proxy in self.proxies:
            proxy.bodies.clear()
        with pytest.MonkeyPatch.context() as environment:
            for name, text in self.users[role].items():
                environment.setenv(name, text)
            yield
        self.asked[role] |= {pair for proxy in self.proxies for pair in asked(proxy)}

    def cli(self, *words: str, given: str | None = None) -> str:
        ran = CliRunner().invoke(main, list(words), input=given)
        assert ran.exit_code == 0, (words, ran.output, ran.exc_info)
        return ran.stdout

    def tried(self, *words: str) -> None:
        """Do what moto has not built, and answers 500 once it has asked the policy."""
        CliRunner().invoke(main, list(words))

    def sent(self, *messages: Mapping[str, Any]) -> None:
        """Add messages as others do, of which the log knows nothing."""
        session: Any = boto3.session.Session()
        client = session.client("sqs", endpoint_url=self.proxies[0].url)
        url = client.get_queue_url(QueueName="default")["QueueUrl"]
        for message in messages:
            client.send_message(QueueUrl=url, **message)
        client.close()


def set_up(play: Play) -> None:
    with play.by("operator"):
        play.cli("init")


def produce(play: Play) -> None:
    shop = importlib.import_module("shop")
    with play.by("producer"), shop.app:
        add = shop.add
        one = add.enqueue(1)
        add.enqueue(-1)
        add.enqueue(-2)
        add.using(key="once").enqueue(2)
        shop.app.enqueue_many([add.using(key=f"many {n}").message(n) for n in range(2)])
        shop.app.enqueue_many([add.message(n, "x" * 400_000) for n in range(2)])
        add.using(queue="orders.fifo", delay="1s").enqueue(3)
        later = add.using(delay="1 hour").enqueue(4)
        later.cancel()
        assert one.attempts() == []
        play.sent({"MessageBody": "unreadable"}, *[FOREIGN] * 3)


def work(play: Play) -> None:
    with play.by("worker"):
        for _ in range(3):
            play.cli("work", "--once", "--queues", "default,orders.fifo")
        while json.loads(play.cli("list", "--state", "succeeded", "--json"))["tasks"]:
            play.cli("schedule", "--once")  # removes what is old enough by now


def operate(play: Play) -> None:
    with play.by("operator"):
        listed = json.loads(play.cli("list", "--state", "failed", "--json"))["tasks"]
        failed, *others = [task["id"] for task in listed]
        play.cli("stats")
        play.cli("show", failed)
        play.cli("dlq", "list")
        play.cli("retry", failed, *others)
        play.cli("cancel", failed, *others)
        play.cli("dlq", "redrive", "--all", "--yes")
        play.tried("dlq", "redrive", "--queue", "default", "--all", "--native", "--yes")
        play.cli("purge", "--waiting", "--queue", "default", "--yes")
        play.cli("queues", "pause", "default")
        play.cli("queues", "resume", "default")
        play.cli("workers")
        play.cli("delete", failed)
        kept = play.cli("export", "--deleted")
        play.cli("deinit", "--yes")
        play.cli("init")
        play.cli("import", "-", "--requeue", given=kept)
        play.cli("deinit", "--yes")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """The application can be imported, and nobody's credentials are found."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(APP, encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith(("AWS_", "LONGSHORE_"))]:
            environment.delenv(name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "nobody")
        environment.setenv("AWS_CA_BUNDLE", authority(tmp_path_factory))
        environment.setenv("AWS_CONFIG_FILE", str(folder / "none"))
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment.setattr(sys, "path", [str(folder), *sys.path])
        yield environment
    sys.modules.pop("shop", None)


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    yield from running(PrivateServer(MOTO))


@pytest.fixture(scope="module")
def iam(server: PrivateServer, environment: pytest.MonkeyPatch) -> Iam:
    """Its users; nobody is let in without a policy any more."""
    found = Iam(server.url)
    found.enforce()
    return found


@pytest.fixture(scope="module")
def played(server: PrivateServer, iam: Iam, environment: pytest.MonkeyPatch) -> Play:
    """What was asked in both plays."""
    table = f"roles-{uuid4().hex[:8]}"
    with recording(server.url) as enforced, recording(f"http://{endpoint(DYNAMODB, '')}") as local:
        queue_url = f"sqs://{ACCOUNT}?region={REGION}&endpoint_url={enforced.url}"
        made_before_indexes(iam, table)
        log_url = f"dynamodb://{table}?region={REGION}&endpoint_url="
        play = Play(queue_url, "", (enforced, local))
        for proxy, batch in ((enforced, "off"), (local, "on")):
            play.log_url = f"{log_url}{proxy.url}&batch={batch}"
            for setting, text in play.settings.items():
                environment.setenv(setting, text)
            for role in ROLES:
                play.users[role] = iam.user(f"{role}-{batch}", play.policy(role))
            for act in (set_up, produce, work, operate):
                act(play)
            sys.modules.pop("shop")
    return play


def made_before_indexes(iam: Iam, table: str) -> None:
    """Make a table as an old version would have, so that `init` adds what it lacks."""
    described = schema.table(table)
    old = {name: described[name] for name in ("TableName", "KeySchema", "BillingMode")}
    client = iam.root("dynamodb")
    client.create_table(**old, AttributeDefinitions=schema.attributes("p", "s"))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_does_its_work_with_the_policy_that_is_printed_and_needs_all_of_it(
    played: Play, role: Role
) -> None:
    """That the plays came to their ends is the first half: who is not allowed is refused."""
    assert kinds(played.asked[role]) == kinds(granted(played.policy(role)))


@dataclass
class Place:
    """A queue and a table of root's on the server that enforces, for any user to try."""

    iam: Iam
    queue_url: str
    log_url: str

    def allowed(self, user: str, statements: Sequence[Mapping[str, Any]]) -> None:
        """Be a user with this policy from now on."""
        for name, text in self.iam.user(user, statements).items():
            os.environ[name] = text

    def statements(self, *roles: Role) -> list[Mapping[str, Any]]:
        """What the roles are allowed, together."""
        return [
            statement
            for role in roles
            for statement in (
                *SQS.permissions(self.queue_url, ["default"], role),
                *LOG.permissions(self.log_url, ["default"], role),
            )
        ]

    def probed(self) -> set[str]:
        """The actions that the doctor finds denied."""
        return {
            permit.action
            for permit in (
                *SQS.probe(self.queue_url, ["default"]),
                *LOG.probe(self.log_url, ["default"]),
            )
            if permit.allowed is False
        }


@pytest.fixture
def place(server: PrivateServer, iam: Iam, environment: pytest.MonkeyPatch) -> Iterator[Place]:
    with recording(server.url) as proxy, pytest.MonkeyPatch.context() as own:
        queue_url = f"sqs://{ACCOUNT}?region={REGION}&endpoint_url={proxy.url}"
        log_url = f"dynamodb://place?region={REGION}&endpoint_url={proxy.url}&batch=off"
        place = Place(iam, queue_url, log_url)
        for name, text in iam.everything.items():
            own.setenv(name, text)
        LOG.init(log_url)
        on_queue(queue_url, lambda queue: queue.declare())
        yield place


def on_queue(url: str, work: Callable[[Queue], Awaitable[object]]) -> object:
    async def run() -> object:
        async with SQS.open(url, SystemClock()) as opened:
            assert opened.queue is not None
            return await work(opened.queue("default"))

    return asyncio.run(run())


async def emptied(queue: Queue) -> None:
    assert isinstance(queue, SupportsPurge)
    await queue.purge()


VERBS: Final[Mapping[str, Callable[[Queue], Awaitable[object]]]] = {
    "count": lambda queue: queue.depth(),
    "purge": emptied,
    "receive": lambda queue: queue.receive(limit=1, wait=timedelta(0), lease=timedelta(seconds=9)),
    "remove": lambda queue: queue.delete(),
}


@pytest.mark.parametrize(
    ("role", "verbs"),
    [
        ("producer", ["count", "purge", "receive", "remove"]),
        ("worker", ["purge", "remove"]),
        ("operator", ["receive"]),
    ],
)
def test_a_role_is_refused_what_is_not_its_work(
    place: Place, role: Role, verbs: Sequence[str]
) -> None:
    place.allowed(f"a-{role}", place.statements(role))

    for verb in verbs:
        with pytest.raises(UnavailableError, match="AWS does not allow"):
            on_queue(place.queue_url, VERBS[verb])


TRIED: Final = (
    *("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    *("sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:SendMessage"),
    *("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"),
    *("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:PutItem"),
    *("dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"),
)


@pytest.mark.parametrize("lacking", [None, *TRIED])
def test_the_doctor_finds_whatever_one_action_a_policy_lacks(
    place: Place, lacking: str | None
) -> None:
    """Of those that moto can be asked about: it has no batches of statements."""
    without = [
        {**one, "Action": [each for each in texts(one["Action"]) if each != lacking]}
        for one in place.statements(*ROLES)
    ]
    place.allowed(f"lacks-{lacking or 'nothing'}".replace(":", "-"), without)

    assert place.probed() - {
        f"dynamodb:PartiQL{verb}" for verb in ("Delete", "Insert", "Update")
    } == ({lacking} if lacking else set())
