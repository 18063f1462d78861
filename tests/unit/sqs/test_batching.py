from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import LeaseLostError, UnavailableError
from longshore_adapters.sqs.batching import Batch, all_unavailable, packed
from longshore_adapters.sqs.limits import MAX_ENTRIES, MAX_MESSAGE
from longshore_adapters.sqs.wire import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence


def batch_of(count: int) -> Batch:
    entries = [Entry({"ReceiptHandle": str(number)}) for number in range(count)]
    return Batch("DeleteMessageBatch", "q", entries)


def ids(entries: Sequence[dict[str, str]]) -> list[str]:
    return [entry["Id"] for entry in entries]


@given(st.lists(st.integers(1, MAX_MESSAGE), max_size=40))
def test_every_entry_is_in_one_request_that_is_not_too_large(sizes: list[int]) -> None:
    entries = [Entry({}, size) for size in sizes]

    requests = list(packed(entries))

    assert [place for places in requests for place in places] == list(range(len(sizes)))
    assert all(0 < len(places) <= MAX_ENTRIES for places in requests)
    assert all(sum(sizes[place] for place in places) <= MAX_MESSAGE for places in requests)


def test_small_entries_fill_requests() -> None:
    assert [len(places) for places in packed([Entry({}, 1)] * 25)] == [10, 10, 5]


def test_answers_are_matched_by_id_whatever_their_order() -> None:
    batch = batch_of(3)

    again = batch.read(
        {
            "Successful": [{"Id": "2"}, {"Id": "0"}],
            "Failed": [{"Id": "1", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}],
        }
    )

    assert not again
    assert [type(answer) for answer in batch.answers] == [type(None), LeaseLostError, type(None)]


def test_only_what_is_the_service_s_fault_is_asked_for_again() -> None:
    batch = batch_of(3)

    again = batch.read(
        {
            "Successful": [{"Id": "0"}],
            "Failed": [
                {"Id": "1", "SenderFault": False, "Code": "InternalError"},
                {"Id": "2", "SenderFault": True, "Code": "AccessDenied"},
            ],
        }
    )

    assert again
    assert ids(batch.entries) == ["1"]
    assert batch.read({"Successful": [{"Id": "1"}]}) is False
    assert batch.answers[:2] == [None, None]


def test_an_entry_that_is_not_answered_is_not_taken_for_done() -> None:
    batch = batch_of(2)

    again = batch.read({"Successful": [{"Id": "0"}]})

    assert again
    assert isinstance(batch.answers[1], UnavailableError)


def test_only_where_nothing_was_answered_is_there_an_error_to_raise() -> None:
    away = UnavailableError("away")

    assert all_unavailable([away, away]) is away
    assert all_unavailable([away, None]) is None
    assert all_unavailable([]) is None
