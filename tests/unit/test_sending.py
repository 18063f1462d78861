"""Messages that leave in the caller's thread, and the rows that follow them."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from longshore.client import Preparer
from longshore.clock import ManualClock
from longshore.definition import define
from longshore.draft import Draft, EnqueueOptions
from longshore.errors import EnqueueError, TooLargeError, UnavailableError
from longshore.identity import TaskIds
from longshore.queue import QueueCapabilities
from longshore.sending import DirectClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.errors import LongshoreError
    from longshore.protocol import Record
    from longshore.queue import Outgoing

CAPABILITIES = QueueCapabilities(adapter="wire", max_delay=timedelta(minutes=15), max_body=1000)


class Wire:
    """A broker that keeps what it is sent, and fails when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.away = 0
        self.refused: list[bytes] = []

    def capabilities(self, queue: str) -> QueueCapabilities:
        return CAPABILITIES

    def send(self, queue: str, messages: Sequence[Outgoing]) -> list[LongshoreError | None]:
        self.away -= 1
        if self.away >= 0:
            raise UnavailableError("wire", "it is away")
        refused = [any(word in one.body for word in self.refused) for one in messages]
        for no, one in zip(refused, messages, strict=True):
            if not no:
                self.sent.append((queue, one.body))
        return [UnavailableError("wire", "no") if no else None for no in refused]


class Desk:
    """Makes records, and takes the rows that follow."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.rows: list[Record] = []
        self.writing: Future[None] | None = None
        self.client = DirectClient(self.wire, self._record)

    def records(self, *texts: str, options: EnqueueOptions | None = None) -> list[Record]:
        definition = define(echo, name="echo")
        drafts = [Draft(definition, [text], options or EnqueueOptions()) for text in texts]
        return Preparer(TaskIds()).records(drafts, ManualClock().now())

    def _record(self, records: Sequence[Record]) -> Future[None] | None:
        self.rows += records
        return self.writing


def echo(text: str) -> str:
    return text


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_messages_leave_at_once_and_rows_follow(desk: Desk) -> None:
    records = desk.records("a", "b")

    enqueued = desk.client.submit(records)

    assert [one.id for one in enqueued] == [record.spec.id for record in records]
    assert desk.wire.sent == [("default", record.spec.body) for record in records]
    assert desk.rows == records


@pytest.mark.parametrize(
    ("options", "takes"),
    [
        (EnqueueOptions(), True),
        (EnqueueOptions(delay="15 minutes"), True),
        (EnqueueOptions(delay="16 minutes"), False),
        (EnqueueOptions(key="k"), False),
    ],
    ids=repr,
)
def test_what_the_log_has_to_decide_is_left_to_it(
    desk: Desk, options: EnqueueOptions, *, takes: bool
) -> None:
    assert desk.client.takes(desk.records("a", options=options)) is takes


def test_a_broker_that_did_not_answer_is_asked_once_more(desk: Desk) -> None:
    desk.wire.away = 1

    desk.client.submit(desk.records("a"))

    assert len(desk.wire.sent) == 1


def test_a_broker_that_is_away_is_said_to_be_and_leaves_no_row(desk: Desk) -> None:
    desk.wire.away = 2

    with pytest.raises(UnavailableError):
        desk.client.submit(desk.records("a", "b"))

    assert desk.rows == []


def test_of_a_batch_those_that_went_are_told_from_those_that_did_not(desk: Desk) -> None:
    desk.wire.refused = [b"spoilt"]
    records = desk.records("good", "spoilt", "fine")

    with pytest.raises(EnqueueError) as raised:
        desk.client.submit(records)

    assert list(raised.value.failed) == [1]
    assert desk.rows == [records[0], records[2]]


def test_a_message_too_large_is_refused_before_any_is_sent(desk: Desk) -> None:
    with pytest.raises(TooLargeError, match="wire's limit"):
        desk.client.submit(desk.records("a", "b" * 1000))

    assert desk.wire.sent == []


def test_closing_waits_for_rows_on_their_way(desk: Desk) -> None:
    desk.writing = Future()
    desk.client.submit(desk.records("a"))
    Timer(0.05, desk.writing.set_result, [None]).start()

    desk.client.close()

    assert desk.writing.done()
