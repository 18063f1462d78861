"""Traces: read where they can be, and ignored where they cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.codec.trace import from_xray, traced
from longshore.message import Message
from tests.unit.producers import OTHER_TRACE, TRACE

XRAY = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
FROM_XRAY = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
NOTHING = Message(id="1", type="t")


def having(traceparent: str | None, state: str | None = None) -> Message:
    return Message(id="1", type="t", traceparent=traceparent, tracestate=state)


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (XRAY, FROM_XRAY),
        (XRAY.replace("Sampled=1", "Sampled=0"), FROM_XRAY[:-1] + "0"),
        (XRAY.replace(";Sampled=1", ""), FROM_XRAY[:-1] + "0"),
        (XRAY + ";Lineage=a:b", FROM_XRAY),
        (XRAY.upper().replace("ROOT", "Root").replace("PARENT", "Parent"), FROM_XRAY[:-1] + "0"),
        (" Parent=53995c3f42cd8ad8 ; Root=1-5759e988-bd862e3fe1be46a994272793", None),
    ],
)
def test_a_trace_of_xray_is_written_as_the_w3c_has_it(header: str, trace: str | None) -> None:
    assert from_xray(header) == (trace or FROM_XRAY[:-1] + "0")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Root=1-5759e988-bd862e3fe1be46a994272793",
        XRAY.replace("1-5759e988", "2-5759e988"),
        XRAY.replace("bd862e3f", "bd862e3"),
        XRAY.replace("53995c3f42cd8ad8", "0" * 16),
        "Root=1-00000000-" + "0" * 24 + ";Parent=53995c3f42cd8ad8",
        "Root;Parent;Sampled",
        "Self=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
        ";" * 100_000,
    ],
)
def test_a_header_of_xray_that_is_none_is_ignored(header: str) -> None:
    assert from_xray(header) is None
    assert traced(NOTHING, {"awstraceheader": header}) is NOTHING


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "00",
        TRACE.upper(),
        TRACE + "-extra",
        "ff" + TRACE[2:],
        "00-" + "0" * 32 + TRACE[35:],
        TRACE[:36] + "0" * 16 + "-01",
        TRACE.replace("-01", "-0"),
        TRACE.replace("0af7", "\u0660af7"),
        "01-" + "1" * 100_000,
    ],
)
def test_a_trace_that_is_none_is_ignored_wherever_it_stands(bad: str) -> None:
    assert traced(NOTHING, {"traceparent": bad}) is NOTHING
    assert traced(having(bad), {"traceparent": TRACE}).traceparent == TRACE
    assert traced(having(TRACE), {"traceparent": bad}).traceparent == TRACE
    assert traced(having(bad), {"awstraceheader": XRAY}).traceparent == FROM_XRAY


def test_a_later_version_may_say_more() -> None:
    later = "cc" + TRACE[2:] + "-what-the-future-brings"

    assert traced(NOTHING, {"traceparent": later}).traceparent == later


def test_the_last_hop_comes_first_then_the_origin_then_xray() -> None:
    every = {"traceparent": OTHER_TRACE, "tracestate": "hop=1", "awstraceheader": XRAY}

    hop = traced(having(TRACE, "origin=1"), every)
    origin = traced(having(TRACE, "origin=1"), {"awstraceheader": XRAY})

    assert (hop.traceparent, hop.tracestate) == (OTHER_TRACE, "hop=1")
    assert hop.extensions == {"traceorigin": TRACE}
    assert (origin.traceparent, origin.tracestate) == (TRACE, "origin=1")


def test_a_hop_that_is_the_origin_changes_nothing() -> None:
    message = having(TRACE, "a=1")

    assert traced(message, {"traceparent": TRACE}) is message


@given(header=st.text())
def test_no_header_does_more_than_give_no_trace(header: str) -> None:
    assert traced(NOTHING, {"awstraceheader": header, "traceparent": header}) is NOTHING
