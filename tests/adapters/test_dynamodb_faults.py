"""DynamoDB through a proxy that loses answers, throttles, and leaves things undone."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from botocore.session import get_session

from longshore.clock import ManualClock, SystemClock
from longshore.errors import StorageError, TooLargeError, UnavailableError
from longshore.identity import TaskIds
from longshore.protocol import (
    Answer,
    Change,
    Claim,
    End,
    Note,
    Outcome,
    Record,
    Renewal,
    Settle,
    Verb,
)
from longshore.store import ABSENT, Add, Delete, Put
from longshore.task import FINAL, TaskError, TaskSpec, TaskState
from longshore.task_log import TaskQuery
from longshore_adapters.dynamodb import ADAPTER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from longshore.registry import Backend
    from longshore.store import Store
    from longshore.task_log import TaskLog

    Told: TypeAlias = "dict[str, Any]"
    Forward: TypeAlias = "Callable[[Told], Awaitable[Told]]"
    Fault: TypeAlias = "Callable[[Told, Forward], Awaitable[tuple[int, Told] | None]]"

pytestmark = pytest.mark.once

LEASE = timedelta(seconds=60)
SOON = timedelta(seconds=20)
BATCHES = ["auto", "off"]


# ------------------------------------------------------------------------------------- the proxy


@dataclass
class Proxy:
    """Hands requests on, unless a fault is planned for the operation."""

    upstream: str
    url: str = ""
    planned: defaultdict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    seen: list[str] = field(default_factory=list[str])

    def plan(self, operation: str, *faults: Fault) -> None:
        self.planned[operation] += faults

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        headers, body = await _message(reader)
        operation = headers["x-amz-target"].partition(".")[2]
        self.seen.append(operation)

        async def forward(asked: Told) -> Told:
            return await self._forward(headers, asked)

        faults = self.planned[operation]
        fault = faults.pop(0) if faults else _honest
        answer = await fault(json.loads(body), forward)
        if answer is None:
            return False
        status, said = answer
        writer.write(_response(status, said))
        await writer.drain()
        return True

    async def _forward(self, headers: dict[str, str], asked: Told) -> Told:
        parts = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        body = json.dumps(asked).encode()
        kept = {name: headers[name] for name in ("x-amz-target", "authorization", "x-amz-date")}
        lines = [f"{name}: {value}" for name, value in kept.items()]
        lines += [f"host: {parts.netloc}", "content-type: application/x-amz-json-1.0"]
        head = "\r\n".join(["POST / HTTP/1.1", *lines, f"content-length: {len(body)}", "", ""])
        writer.write(head.encode() + body)
        _, told = await _message(reader)
        writer.close()
        answer: Told = json.loads(told)
        return answer


async def _message(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    fields = [line.partition(":") for line in head.split("\r\n")[1:] if line]
    headers = {name.lower(): value.strip() for name, _, value in fields}
    return headers, await reader.readexactly(int(headers["content-length"]))


def _response(status: int, said: Told) -> bytes:
    body = json.dumps(said).encode()
    head = [f"HTTP/1.1 {status} ", "content-type: application/x-amz-json-1.0"]
    return "\r\n".join([*head, f"content-length: {len(body)}", "", ""]).encode() + body


async def _honest(asked: Told, forward: Forward) -> tuple[int, Told]:
    said = await forward(asked)
    return (400 if "__type" in said else 200), said


async def lost(asked: Told, forward: Forward) -> None:
    """Let it be done, and lose the answer."""
    await forward(asked)


async def throttled(_asked: Told, _forward: Forward) -> tuple[int, Told]:
    return 400, {"__type": "x#ProvisionedThroughputExceededException", "message": "slow down"}


def refusing(code: str, message: str = "no") -> Fault:
    async def refuse(_asked: Told, _forward: Forward) -> tuple[int, Told]:
        return 400, {"__type": f"x#{code}", "message": message}

    return refuse


def failing_statement(place: int, code: str, message: str = "slow down") -> Fault:
    """Let all but one statement of a batch be done."""

    async def fail(asked: Told, forward: Forward) -> tuple[int, Told]:
        rest = [one for at, one in enumerate(asked["Statements"]) if at != place]
        said = await forward({**asked, "Statements": rest})
        said["Responses"].insert(place, {"Error": {"Code": code, "Message": message}})
        return 200, said

    return fail


async def half_read(asked: Told, forward: Forward) -> tuple[int, Told]:
    """Answer only the first key of each table."""
    first, rest = {}, {}
    for table, wanted in asked["RequestItems"].items():
        first[table] = {**wanted, "Keys": wanted["Keys"][:1]}
        rest[table] = {**wanted, "Keys": wanted["Keys"][1:]}
    said = await forward({"RequestItems": first})
    return 200, {**said, "UnprocessedKeys": rest}


async def half_written(asked: Told, forward: Forward) -> tuple[int, Told]:
    """Write only the first item of each table."""
    first = {table: wanted[:1] for table, wanted in asked["RequestItems"].items()}
    rest = {table: wanted[1:] for table, wanted in asked["RequestItems"].items() if wanted[1:]}
    said = await forward({"RequestItems": first})
    return 200, {**said, "UnprocessedItems": rest}


# ---------------------------------------------------------------------------------- the fixtures


@pytest.fixture
async def proxy(dynamodb_url: str) -> AsyncIterator[Proxy]:
    made = Proxy(dynamodb_url)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made


@pytest.fixture
def table(dynamodb_url: str, aws_environment: None) -> Iterator[str]:
    assert aws_environment is None
    name = f"longshore-{uuid4().hex}"
    url = f"dynamodb://{name}?endpoint_url={dynamodb_url}"
    ADAPTER.init(url)
    yield name
    ADAPTER.deinit(url)


@pytest.fixture
def batch() -> str:
    return "auto"


@pytest.fixture
async def backend(table: str, proxy: Proxy, batch: str) -> AsyncIterator[Backend]:
    url = f"dynamodb://{table}?endpoint_url={proxy.url}&skew=ignore&batch={batch}"
    async with ADAPTER.open(url, ManualClock()) as opened:
        yield opened


@pytest.fixture
def log(backend: Backend) -> TaskLog:
    assert backend.task_log is not None
    return backend.task_log


@pytest.fixture
def store(backend: Backend) -> Store:
    assert backend.store is not None
    return backend.store


def spec(body: bytes = b"{}") -> TaskSpec:
    now = ManualClock().now()
    return TaskSpec(id=TaskIds()(), name="render", queue="default", body=body, created_at=now)


def bid(of: TaskSpec) -> Claim:
    return Claim(spec=of, claim_id=uuid4().hex, worker="worker", lease=LEASE, due_at=of.created_at)


def record(of: TaskSpec) -> Record:
    return Record(spec=of, state=TaskState.QUEUED, due_at=of.created_at)


def success(of: TaskSpec) -> Outcome:
    return Outcome(task_id=of.id, token=1, end=End.SUCCESS, result=b"1")


async def claimed(log: TaskLog, *specs: TaskSpec) -> None:
    answers = await log.claim([bid(one) for one in specs])
    assert {answer.answer for answer in answers} == {Answer.WON}


# --------------------------------------------------------------------------------- lost answers

SINGLE = {"auto": "BatchExecuteStatement", "off": "UpdateItem"}
INSERT = {"auto": "BatchExecuteStatement", "off": "PutItem"}


@pytest.mark.parametrize("batch", BATCHES)
async def test_a_record_whose_answer_was_lost_is_known_as_inserted(
    log: TaskLog, proxy: Proxy, batch: str
) -> None:
    specs = [spec(), spec()]
    proxy.plan(INSERT[batch], lost)

    answers = await log.record([record(one) for one in specs])

    assert [answer.inserted for answer in answers] == [True, True]


@pytest.mark.parametrize("batch", BATCHES)
async def test_an_adoption_whose_answer_was_lost_is_won(
    log: TaskLog, proxy: Proxy, batch: str
) -> None:
    specs = [spec(), spec()]
    proxy.plan(INSERT[batch], lost)

    answers = await log.claim([bid(one) for one in specs])

    assert [(answer.answer, answer.token) for answer in answers] == [(Answer.WON, 1)] * 2


@pytest.mark.parametrize("batch", BATCHES)
async def test_a_start_whose_answer_was_lost_is_won_under_its_own_token(
    log: TaskLog, proxy: Proxy, batch: str
) -> None:
    specs = [spec(), spec()]
    await log.record([record(one) for one in specs])
    proxy.plan(SINGLE[batch], lost)

    answers = await log.claim([bid(one) for one in specs])

    assert [(answer.answer, answer.token) for answer in answers] == [(Answer.WON, 1)] * 2


@pytest.mark.parametrize("batch", BATCHES)
async def test_a_finish_whose_answer_was_lost_is_accepted(
    log: TaskLog, proxy: Proxy, batch: str
) -> None:
    specs = [spec(), spec()]
    await claimed(log, *specs)
    proxy.plan(SINGLE[batch], lost)

    answers = await log.finish([success(one) for one in specs])

    assert [(answer.accepted, answer.settle) for answer in answers] == [(True, Settle.ACK)] * 2
    assert [len(await log.attempts(one.id)) for one in specs] == [1, 1]


async def test_a_body_survives_a_lost_answer_and_another_write_behind_it(
    log: TaskLog, proxy: Proxy, table: str, dynamodb_url: str
) -> None:
    """The refused write did happen, and the row that stands still refers to what it brought."""
    one = spec(b"x" * 9000)
    url = f"dynamodb://{table}?endpoint_url={dynamodb_url}&skew=ignore"

    async def lost_behind_a_cancel(asked: Told, forward: Forward) -> None:
        await forward(asked)
        async with ADAPTER.open(url, ManualClock()) as other:
            assert other.task_log is not None
            await other.task_log.transition([Change(task_id=one.id, verb=Verb.CANCEL)])

    proxy.plan("PutItem", lost_behind_a_cancel)

    [answer] = await log.claim([bid(one)])

    [row] = await log.get([one.id])
    assert answer.token == 1
    assert row is not None
    assert row.body == one.body
    assert row.cancel_requested_at is not None


async def test_a_put_if_absent_whose_answer_was_lost_is_known_as_done(
    store: Store, proxy: Proxy
) -> None:
    proxy.plan("UpdateItem", lost)

    [entry] = await store.put([Put(key="leader", value=b"me", if_version=ABSENT)])

    assert [entry] == await store.get(["leader"])
    assert entry is not None


async def test_an_add_whose_answer_was_lost_counts_once(store: Store, proxy: Proxy) -> None:
    await store.add([Add(key="n")])
    proxy.plan("UpdateItem", lost)

    totals = await store.add([Add(key="n")])

    assert totals == [2]


async def test_an_add_whose_answer_was_lost_counts_once_though_others_added_meanwhile(
    store: Store, proxy: Proxy, table: str, dynamodb_url: str
) -> None:
    await store.add([Add(key="n")])
    url = f"dynamodb://{table}?endpoint_url={dynamodb_url}&skew=ignore"
    async with ADAPTER.open(url, ManualClock()) as theirs:
        assert theirs.store is not None
        other = theirs.store

        async def lost_and_overtaken(asked: Told, forward: Forward) -> None:
            await forward(asked)
            await other.add([Add(key="n", amount=10)])

        proxy.plan("UpdateItem", lost_and_overtaken, _honest)
        await asyncio.gather(*(store.add([Add(key="n", amount=100)]) for _ in range(5)))

        [entry] = await other.get(["n"])

    assert entry is not None
    assert entry.value == b"511"


async def test_a_counter_forgets_those_who_have_long_stopped_adding(
    proxy: Proxy, table: str
) -> None:
    clock = ManualClock()
    url = f"dynamodb://{table}?endpoint_url={proxy.url}&skew=ignore"
    item: Told = {}

    async def read(asked: Told, forward: Forward) -> tuple[int, Told]:
        said = await forward(asked)
        item.update(said["Responses"][table][0])
        return 200, said

    for n in range(30):
        async with ADAPTER.open(url, clock) as backend:
            assert backend.store is not None
            [total] = await backend.store.add([Add(key="n")])
            assert total == n + 1
            clock.advance(timedelta(minutes=11))
            if n == 29:
                proxy.plan("BatchGetItem", read)
                await backend.store.get(["n"])

    assert sum(name.startswith("w") for name in item) < 20


async def test_a_delete_whose_answer_was_lost_is_known_as_done(store: Store, proxy: Proxy) -> None:
    await store.put([Put(key="key", value=b"")])
    proxy.plan("UpdateItem", lost)

    assert await store.delete([Delete(key="key")]) == [True]


# ------------------------------------------------------------------------------------ throttling


async def test_throttled_calls_are_repeated(log: TaskLog, proxy: Proxy) -> None:
    specs = [spec(), spec()]
    proxy.plan("BatchExecuteStatement", throttled, throttled)
    proxy.plan("BatchGetItem", throttled)

    answers = await log.claim([bid(one) for one in specs])

    assert {answer.answer for answer in answers} == {Answer.WON}


async def test_a_statement_put_off_is_repeated_and_its_neighbours_are_not(
    log: TaskLog, proxy: Proxy
) -> None:
    specs = [spec(), spec(), spec()]
    fault = failing_statement(1, "ThrottlingError")
    proxy.plan("BatchExecuteStatement", fault, failing_statement(0, "InternalServerError"))

    answers = await log.record([record(one) for one in specs])

    assert [answer.inserted for answer in answers] == [True] * 3
    assert proxy.seen.count("BatchExecuteStatement") == 3


async def test_a_table_that_stays_throttled_is_unavailable(store: Store, proxy: Proxy) -> None:
    proxy.plan("UpdateItem", *[throttled] * 100)

    with pytest.raises(UnavailableError, match="throttled"):
        await store.put([Put(key="key", value=b"")])


async def test_what_was_left_unprocessed_is_asked_again(log: TaskLog, proxy: Proxy) -> None:
    specs = [spec(b"x" * 5000) for _ in range(4)]
    proxy.plan("BatchWriteItem", half_written, half_written)
    proxy.plan("BatchGetItem", half_read, half_read)

    await log.record([record(one) for one in specs])
    rows = await log.get([one.id for one in specs])

    assert [row and row.body for row in rows] == [one.body for one in specs]


# ------------------------------------------------------------------------------- one bad of many


async def test_a_row_the_service_finds_too_large_harms_no_other(log: TaskLog, proxy: Proxy) -> None:
    specs = [spec(), spec(), spec()]
    said = "Item size has exceeded the maximum allowed size"
    proxy.plan("BatchExecuteStatement", failing_statement(1, "ValidationError", said))

    answers = await log.record([record(one) for one in specs])

    assert [answer.inserted for answer in answers] == [True, False, True]
    assert isinstance(answers[1].error, TooLargeError)


async def test_an_end_above_the_limit_harms_no_other(log: TaskLog) -> None:
    specs = [spec(), spec()]
    await claimed(log, *specs)
    large = Outcome(
        task_id=specs[0].id,
        token=1,
        end=End.SUCCESS,
        result=b"x" * (log.capabilities.max_row + 1),
    )

    answers = await log.finish([large, success(specs[1])])

    assert [answer.accepted for answer in answers] == [False, True]
    assert isinstance(answers[0].error, TooLargeError)


# -------------------------------------------------------------------------------- what is missing


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDeniedException", "dynamodb:UpdateItem"),
        ("ExpiredTokenException", "credentials"),
        ("InvalidSignatureException", "clock"),
        ("RequestExpired", "clock"),
        ("UnrecognizedClientException", "credentials"),
    ],
)
async def test_what_somebody_may_be_about_to_allow_is_unavailable_as_it_is_on_sqs(
    store: Store, proxy: Proxy, code: str, said: str
) -> None:
    proxy.plan("UpdateItem", refusing(code))

    with pytest.raises(UnavailableError, match=said):
        await store.put([Put(key="key", value=b"")])

    [entry] = await store.put([Put(key="key", value=b"")])
    assert entry is not None


async def test_credentials_that_end_are_renewed(
    table: str, dynamodb_url: str, asked_for_credentials: Callable[[], int]
) -> None:
    url = f"dynamodb://{table}?endpoint_url={dynamodb_url}&skew=ignore&profile=short"
    async with ADAPTER.open(url, ManualClock()) as backend:
        assert backend.store is not None
        asked = asked_for_credentials()

        [entry] = await backend.store.put([Put(key="key", value=b"")])

    assert entry is not None
    assert asked_for_credentials() > asked >= 1


async def test_credentials_that_cannot_be_renewed_now_are_asked_for_again(
    table: str, dynamodb_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An error that says less than "not now" would have a worker give up the ends of its tasks."""
    end = datetime.now(UTC) + timedelta(minutes=1)  # so near that each call renews them
    keys = {"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t"}
    given = f"print({json.dumps({**keys, 'Expiration': end.isoformat()})!r})\n"
    script = tmp_path / "credentials.py"
    script.write_text(given)
    config = tmp_path / "config"
    config.write_text(f"[profile vault]\ncredential_process = {sys.executable} {script}\n")
    url = f"dynamodb://{table}?endpoint_url={dynamodb_url}&skew=ignore&profile=vault"

    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        patch.setenv("AWS_CONFIG_FILE", str(config))
        async with ADAPTER.open(url, ManualClock()) as backend:
            assert backend.store is not None
            script.write_text("raise SystemExit('the vault is sealed')\n")
            with pytest.raises(UnavailableError, match="the vault is sealed"):
                await backend.store.put([Put(key="key", value=b"")])
            script.write_text(given)

            [entry] = await backend.store.put([Put(key="key", value=b"")])

    assert entry is not None


async def test_a_missing_table_names_the_command_that_makes_it(
    dynamodb_url: str, aws_environment: None
) -> None:
    assert aws_environment is None
    url = f"dynamodb://longshore-{uuid4().hex}?endpoint_url={dynamodb_url}"

    with pytest.raises(StorageError, match="longshore init"):
        async with ADAPTER.open(url, SystemClock()):
            pass


async def test_a_server_without_batches_is_written_to_item_by_item(
    log: TaskLog, proxy: Proxy
) -> None:
    async def lacks(_asked: Told, _forward: Forward) -> tuple[int, Told]:
        return 500, {"__type": "InternalFailure", "message": "?"}

    proxy.plan("BatchExecuteStatement", *[lacks] * 20)

    answers = await log.record([record(spec()) for _ in range(3)])
    await log.record([record(spec()) for _ in range(3)])

    asked_once = proxy.seen.count("BatchExecuteStatement")
    assert [answer.inserted for answer in answers] == [True] * 3
    assert proxy.seen.count("PutItem") == 6
    assert asked_once <= 4


# ---------------------------------------------------------------------------- clocks that differ


async def test_a_clock_that_is_off_takes_nothing_over(table: str, dynamodb_url: str) -> None:
    url = f"dynamodb://{table}?endpoint_url={dynamodb_url}"
    one = spec()
    clock = ManualClock()
    async with ADAPTER.open(f"{url}&skew=ignore", clock) as right, ADAPTER.open(url, clock) as off:
        assert right.task_log is not None
        assert off.task_log is not None
        await claimed(right.task_log, one)
        clock.advance(LEASE * 2)

        [refused] = await off.task_log.claim([bid(one)])
        [taken] = await right.task_log.claim([bid(one)])

    assert (refused.answer, refused.until) == (Answer.BUSY, clock.now() + LEASE)
    assert (taken.answer, taken.token) == (Answer.WON, 2)


# --------------------------------------------------------------------------- a server that is away


@asynccontextmanager
async def moto_at(port: int) -> AsyncGenerator[None]:
    """Run a server of our own, and kill it."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once, and is ours
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(SOON.total_seconds()):
            while not await _answers(port):
                await asyncio.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.mark.usefixtures("aws_environment")
async def test_a_connection_outlives_its_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    url = f"dynamodb://longshore?endpoint_url=http://127.0.0.1:{port}&batch=off&skew=ignore"
    one, two = spec(), spec()

    async with moto_at(port):
        await asyncio.to_thread(ADAPTER.init, url)
        opened = ADAPTER.open(url, ManualClock())
        backend = await opened.__aenter__()
        assert backend.task_log is not None
        await claimed(backend.task_log, one)
    with pytest.raises(UnavailableError):
        await backend.task_log.finish([success(one)])
    async with moto_at(port):
        await asyncio.to_thread(ADAPTER.init, url)
        await claimed(backend.task_log, two)
        [answer] = await backend.task_log.finish([success(two)])
        await opened.__aexit__(None, None, None)

    assert answer.accepted


# ------------------------------------------------------------------------------- what is believed


async def test_a_renewal_leaves_the_version_alone_so_that_a_finish_needs_no_read(
    log: TaskLog, proxy: Proxy
) -> None:
    one = spec()
    await claimed(log, one)
    await log.renew([Renewal(task_id=one.id, token=1, lease=LEASE * 2)])
    proxy.seen.clear()

    [answer] = await log.finish([success(one)])

    assert answer.accepted
    assert proxy.seen == ["UpdateItem"]


async def test_a_note_does_not_stand_in_the_way_of_the_finish(log: TaskLog, proxy: Proxy) -> None:
    one = spec()
    await claimed(log, one)
    await log.note([Note(task_id=one.id, token=1, progress=0.5)])
    proxy.seen.clear()

    [answer] = await log.finish([success(one)])

    assert answer.accepted
    assert proxy.seen == ["UpdateItem"]


async def learned(log: TaskLog, *, recorded: bool) -> None:
    """Let the log learn what the claims of the queue find."""
    one = spec()
    if recorded:
        await log.record([record(one)])
    await claimed(log, one)


async def test_a_task_claimed_unread_is_found_among_the_failed(log: TaskLog, proxy: Proxy) -> None:
    await learned(log, recorded=True)
    one = spec()
    await log.record([record(one)])
    proxy.seen.clear()
    await claimed(log, one)
    unread = "BatchGetItem" not in proxy.seen

    [answer] = await log.finish([Outcome(task_id=one.id, token=1, end=End.FAILURE)])

    failed = await log.find(TaskQuery(states=frozenset({TaskState.FAILED})))
    assert unread
    assert (answer.accepted, answer.settle) == (True, Settle.DEAD_LETTER)
    assert [task.id for task in failed.tasks] == [one.id]


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_wrong_belief_is_found_out(log: TaskLog, *, recorded: bool) -> None:
    await learned(log, recorded=recorded)
    paused, ended, new = spec(), spec(), spec()
    await log.record([Record(spec=paused, state=TaskState.PAUSED, due_at=paused.created_at)])
    await log.record([Record(spec=ended, state=TaskState.CANCELLED, due_at=ended.created_at)])

    answers = await log.claim([bid(paused), bid(ended), bid(new)])

    assert [answer.answer for answer in answers] == [Answer.HELD, Answer.DONE, Answer.WON]


async def test_two_claims_of_a_task_in_a_batch_are_decided_in_turn(log: TaskLog) -> None:
    await learned(log, recorded=True)
    one = spec()
    await log.record([record(one)])
    lost = replace(bid(one), lease=timedelta(seconds=-10))

    answers = await log.claim([lost, replace(bid(one), max_rescues=0)])

    assert [answer.answer for answer in answers] == [Answer.WON, Answer.POISON]


async def test_parts_go_with_the_row_they_belong_to(
    log: TaskLog, table: str, dynamodb_url: str
) -> None:
    one = spec(b"x" * 1_000_000)
    await log.record([record(one)])
    await claimed(log, one)
    error = TaskError(type="E", message="no", traceback="line\n" * 9000)
    for token in range(1, 30):
        failed = Outcome(
            task_id=one.id, token=token, end=End.FAILURE, error=error, retry_in=timedelta(0)
        )
        await log.finish([failed])
        await claimed(log, one)
    large = Outcome(task_id=one.id, token=30, end=End.SUCCESS, result=b"y" * 500_000)
    await log.finish([large])
    late = ManualClock().now() + LEASE

    [row] = await log.get([one.id])
    attempts = await log.attempts(one.id)
    removed = await log.prune(states=FINAL, before=late, limit=10)

    assert row is not None
    assert (row.body, row.result) == (one.body, large.result)
    assert len(attempts) == row.token
    assert removed == 1
    assert keys_of_tasks(table, dynamodb_url) == []


async def test_a_day_with_nothing_to_remove_is_not_read_again_until_there_may_be(
    table: str, proxy: Proxy
) -> None:
    """The scheduler prunes each minute, and days of rows that are kept longer stay for weeks."""
    clock = ManualClock()
    age = timedelta(days=7)
    url = f"dynamodb://{table}?endpoint_url={proxy.url}&skew=ignore"
    async with ADAPTER.open(url, clock) as backend:
        log = backend.task_log
        assert log is not None

        async def pruned() -> tuple[int, int]:
            proxy.seen.clear()
            before = clock.now() - age
            removed = await log.prune(
                states=frozenset({TaskState.SUCCEEDED}), before=before, limit=500
            )
            return removed, proxy.seen.count("BatchGetItem")

        open_still, failed, done = spec(), spec(), spec()
        await claimed(log, open_still, failed, done)
        await log.finish([success(done)])
        await log.finish([Outcome(task_id=failed.id, token=1, end=End.FAILURE)])
        clock.advance(timedelta(days=9))
        first, once_more, third = [await pruned() for _ in range(3)]
        await log.finish([success(open_still)])
        clock.advance(age + timedelta(minutes=1))
        last = await pruned()

    assert (first[0], once_more[0], third) == (1, 0, (0, 0))
    assert last[0] == 1


def keys_of_tasks(table: str, endpoint: str) -> list[str]:
    client: Any = get_session().create_client("dynamodb", endpoint_url=endpoint)
    items = client.scan(TableName=table, ProjectionExpression="p, s")["Items"]
    client.close()
    return [item["s"]["S"] for item in items if item["p"]["S"].startswith("T#")]
