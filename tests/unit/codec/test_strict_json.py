"""JSON as it is read: a worker keeps nothing of a body beyond what was read from it."""

from __future__ import annotations

from typing import cast

from longshore.codec.strict_json import read_json


def _value(body: bytes) -> object:
    return cast("dict[str, object]", read_json(body))["id"]


def test_no_value_that_was_read_is_kept_for_the_next_body() -> None:
    body = b'{"id": "01a226e8-67b8-7071-9ccb-7615226960b1"}'

    first, second = _value(body), _value(body)

    assert first == second
    assert first is not second
