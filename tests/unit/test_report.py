"""Reports (T06): trees of notes, their JSON form, and cutting them to a size."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from longshore.errors import ConfigurationError
from longshore.report import (
    MAX_DATA_DEPTH,
    MAX_DEPTH,
    MAX_NODES,
    MAX_NOTES_PER_KIND,
    SMALLEST_REPORT,
    Json,
    Report,
    ReportBuilder,
    ReportError,
    ReportKind,
    truncate,
)

SCHEMA = json.loads(files("longshore").joinpath("schemas/report.json").read_text("utf-8"))
VALIDATOR: Any = Draft202012Validator(SCHEMA)  # its methods' types are only partly known

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
notes = st.builds(
    Report,
    kind=st.sampled_from(ReportKind),
    message=texts | st.text("ü😀x", min_size=300, max_size=400),
    data=st.dictionaries(texts, values, max_size=2),
)
reports = st.recursive(
    notes,
    lambda inner: st.builds(Report.with_children, notes, st.lists(inner, max_size=5)),
    max_leaves=20,
)


def chain(levels: int) -> Report:
    report = Report.info("leaf")
    for _ in range(levels - 1):
        report = Report.info("above").add(report)
    return report


def raw_chain(levels: int) -> dict[str, Any]:
    raw: dict[str, Any] = {"kind": "info", "message": "leaf"}
    for _ in range(levels - 1):
        raw = {"kind": "info", "message": "above", "children": [raw]}
    return raw


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def size(report: Report) -> int:
    return len(json.dumps(report.to_dict(), separators=(",", ":")))


@pytest.mark.parametrize("kind", ReportKind)
def test_each_kind_of_note_is_made_by_its_name(kind: ReportKind) -> None:
    make = getattr(Report, kind.value)

    report = make("42 rows", rows=42, message="shadowed")

    assert report.kind is kind
    assert report.message == "42 rows"
    assert report.data == {"rows": 42, "message": "shadowed"}
    assert report.children == ()


def test_adding_a_child_makes_a_new_report() -> None:
    report = Report.info("import")

    added = report.add(Report.success("one")).add(Report.warning("two"))

    assert report.children == ()
    assert [child.message for child in added.children] == ["one", "two"]
    assert (added.nodes, added.depth) == (3, 2)


def test_with_children_replaces_them() -> None:
    report = Report.info("import").add(Report.error("old"))

    replaced = report.with_children(Report.success(name) for name in "ab")

    assert [child.message for child in replaced.children] == ["a", "b"]
    assert not replaced.has_error


def test_a_report_does_not_change() -> None:
    data: dict[str, Any] = {"rows": [1]}
    report = Report(kind=ReportKind.INFO, message="import", data=data)
    field = "message"

    data["rows"].append(2)
    report.to_dict()["data"] = {}

    assert report.data == {"rows": [1]}
    with pytest.raises(FrozenInstanceError):
        setattr(report, field, "export")


def test_an_error_anywhere_in_the_tree_fails_the_task() -> None:
    deep = Report.success("all").add(Report.info("part").add(Report.error("row 7")))

    assert deep.has_error
    assert deep.worst is ReportKind.ERROR


@pytest.mark.parametrize(
    ("kinds", "worst"),
    [
        ("info", "info"),
        ("info success", "success"),
        ("success warning info", "warning"),
        ("warning error success", "error"),
    ],
)
def test_the_worst_kind_counts(kinds: str, worst: str) -> None:
    children = (Report(kind=ReportKind(kind), message="note") for kind in kinds.split())

    report = Report.info("all").with_children(children)

    assert report.worst == worst
    assert report.has_error is (worst == "error")


def test_walk_goes_through_notes_in_document_order() -> None:
    first = Report.info("1").with_children([Report.info("1.1"), Report.info("1.2")])

    walked = [note.message for note in Report.info("0").add(first).add(Report.info("2")).walk()]

    assert walked == ["0", "1", "1.1", "1.2", "2"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "info"),
        (42, "success"),
        (0, "success"),
        (Report.error("no"), "error"),
    ],
    ids=["none", "value", "falsy", "report"],
)
def test_a_result_becomes_a_report(value: object, kind: str) -> None:
    report = Report.from_result(value)

    assert report.kind == kind
    assert report is value or report.data == {}


@given(reports)
def test_the_json_form_is_read_back_as_the_same_report(report: Report) -> None:
    raw = json.loads(json.dumps(report.to_dict()))

    read = Report.from_dict(raw)

    assert read == report
    assert (read.nodes, read.depth) == (report.nodes, report.depth)


@given(reports)
def test_the_json_form_fits_the_schema(report: Report) -> None:
    raw = json.loads(json.dumps(report.to_dict()))

    assert list(VALIDATOR.iter_errors(raw)) == []


def test_a_plain_note_has_no_empty_parts() -> None:
    raw = Report.info("done").to_dict()

    assert raw == {"kind": "info", "message": "done"}


def test_unknown_properties_are_ignored() -> None:
    raw: dict[str, Any] = {"kind": "info", "message": "done", "colour": "red", "children": []}

    read = Report.from_dict(raw)

    assert read == Report.info("done")


def test_a_report_survives_the_way_from_a_child_process() -> None:
    report = Report.info("all", rows=[1]).add(Report.error("row 7"))

    arrived = pickle.loads(pickle.dumps(report))  # noqa: S301 - our own bytes

    assert arrived == report
    assert arrived.nodes == 2


NO_REPORTS: dict[str, Any] = {
    "none": None,
    "text": "done",
    "list": [],
    "empty": {},
    "no message": {"kind": "info"},
    "unknown kind": {"kind": "fatal", "message": "no"},
    "kind of another type": {"kind": 1, "message": "no"},
    "message of another type": {"kind": "info", "message": 1},
    "data of another type": {"kind": "info", "message": "no", "data": []},
    "no data": {"kind": "info", "message": "no", "data": None},
    "children of another type": {"kind": "info", "message": "no", "children": {}},
    "a child that is none": {"kind": "info", "message": "no", "children": [None]},
    "a child without kind": {"kind": "info", "message": "no", "children": [{"message": "x"}]},
}


@pytest.mark.parametrize("raw", NO_REPORTS.values(), ids=NO_REPORTS)
def test_what_is_no_report_is_refused_as_the_schema_does(raw: Any) -> None:
    with pytest.raises(ReportError, match="the report cannot be used: "):
        Report.from_dict(raw)

    assert not VALIDATOR.is_valid(raw)


@given(
    st.recursive(
        values,
        lambda inner: st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["info", "error", "fatal"]),
                "message": texts,
                "children": st.lists(inner, max_size=3),
            }
        ),
    )
)
def test_any_json_is_a_report_or_refused(raw: object) -> None:
    try:
        report = Report.from_dict(raw)
    except ReportError:
        valid = VALIDATOR.is_valid(raw)
        assert not valid
    else:
        assert Report.from_dict(report.to_dict()) == report


def test_a_tree_at_the_depth_cap_is_kept_whole() -> None:
    report = chain(MAX_DEPTH)

    assert report.depth == MAX_DEPTH
    assert Report.from_dict(report.to_dict()) == report
    assert Report.from_dict(raw_chain(MAX_DEPTH)) == report


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 5_000, 50_000])
def test_a_tree_above_the_depth_cap_is_refused_and_never_overflows_the_stack(levels: int) -> None:
    raw = raw_chain(levels)

    with pytest.raises(ReportError, match=r"deeper than 32 levels|more than 10,000 notes"):
        Report.from_dict(raw)
    with pytest.raises(ReportError, match="deeper than 32 levels"):
        chain(levels)


def test_a_tree_that_contains_itself_is_refused() -> None:
    raw: dict[str, Any] = {"kind": "info", "message": "loop"}
    raw["children"] = [raw, raw]

    with pytest.raises(ReportError, match="more than 10,000 notes"):
        Report.from_dict(raw)


def test_a_tree_at_the_note_cap_is_kept_and_one_more_is_refused() -> None:
    full = Report.info("all").with_children([Report.info("row")] * (MAX_NODES - 1))

    assert full.nodes == MAX_NODES
    assert Report.from_dict(full.to_dict()) == full
    with pytest.raises(ReportError, match="sum some of them up"):
        full.add(Report.info("one more"))
    raw = full.to_dict() | {"children": [{"kind": "info", "message": "row"}] * MAX_NODES}
    with pytest.raises(ReportError, match="sum some of them up"):
        Report.from_dict(raw)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1: 2}, {"a": {1}}, object(), b"raw", 2**1025],
    ids=["nan", "inf", "number as key", "set", "object", "bytes", "long number"],
)
def test_data_that_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(
        ReportError, match=r"data holds a value of type|data holds (nan|inf)|a key of data is text"
    ):
        Report.info("import", value=value)


def test_data_is_at_most_16_levels_deep() -> None:
    report = Report.info("import", value=nested(MAX_DATA_DEPTH - 1))

    assert Report.from_dict(report.to_dict()) == report
    with pytest.raises(ReportError, match="data is deeper than 16 levels"):
        Report.info("import", value=nested(MAX_DATA_DEPTH))
    with pytest.raises(ReportError, match="data is deeper than 16 levels"):
        Report.info("import", value=nested(5_000))


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    report = Report.warning("file \udcff", name="\udcff")

    assert report.message == "file ?"
    assert report.data == {"name": "?"}


def test_a_handler_that_notes_nothing_has_no_report() -> None:
    builder = ReportBuilder()

    assert builder.build() is None


@pytest.mark.parametrize("kind", ReportKind)
def test_a_lone_note_is_the_report(kind: ReportKind) -> None:
    builder = ReportBuilder()

    getattr(builder, kind.value)("42 rows", rows=42)

    assert builder.build() == Report(kind=kind, message="42 rows", data={"rows": 42})


def test_several_notes_hang_in_order_below_one_of_the_worst_kind() -> None:
    builder = ReportBuilder()
    builder.success("a")
    builder.error("b")
    builder.success("c")

    report = builder.build()

    assert report is not None
    assert report.kind is ReportKind.ERROR
    assert report.message == "1 error, 2 success"
    assert [child.message for child in report.children] == ["a", "b", "c"]


def test_notes_after_a_build_are_in_the_next_one() -> None:
    builder = ReportBuilder()
    builder.info("a")
    first = builder.build()
    builder.info("b")

    second = builder.build()

    assert first == Report.info("a")
    assert second is not None
    assert len(second.children) == 2


def test_data_that_is_not_json_costs_the_data_and_not_the_task() -> None:
    builder = ReportBuilder()
    wrong: Any = {1, 2}

    builder.warning("import", rows=wrong)

    report = builder.build()
    assert report is not None
    assert report.kind is ReportKind.WARNING
    assert "data holds a value of type set" in str(report.data["data_left_out"])


def test_notes_from_many_threads_are_all_kept() -> None:
    builder = ReportBuilder()

    with ThreadPoolExecutor(8) as threads:
        for number in range(500):
            threads.submit(builder.info, str(number))

    report = builder.build()
    assert report is not None
    assert {child.message for child in report.children} == {str(n) for n in range(500)}


def test_a_flood_of_notes_drops_none_of_the_rare_worse_ones() -> None:
    builder = ReportBuilder()
    for number in range(MAX_NODES + 1):
        builder.info(str(number))
    builder.error("the last row is broken")

    report = builder.build()

    assert report is not None
    assert report.has_error
    assert report.message == "1 error, 10,001 info"
    assert report.data == {"left_out": MAX_NODES + 1 - MAX_NOTES_PER_KIND}
    assert len(report.children) == MAX_NOTES_PER_KIND + 1


@given(report=reports, max_bytes=st.integers(SMALLEST_REPORT, 3_000))
def test_a_truncated_report_fits_and_keeps_its_worst_kind(report: Report, max_bytes: int) -> None:
    cut = truncate(report, max_bytes)

    assert size(cut) <= max_bytes
    assert cut.worst is report.worst
    assert (cut == report) is (size(report) <= max_bytes)
    assert truncate(cut, max_bytes) == cut


def test_a_report_that_fits_is_left_alone() -> None:
    report = Report.info("import").add(Report.error("row 7"))

    assert truncate(report, 1_000) is report


def test_the_worst_notes_are_kept_with_those_above_them() -> None:
    rows = [Report.info(f"row {number}") for number in range(500)]
    broken = Report.info("part 2").with_children([*rows, Report.error("row 501", line=501)])
    report = Report.info("all").with_children([Report.info("part 1"), broken])

    cut = truncate(report, 600)

    part = cut.children[-2]
    assert part.message == "part 2"
    assert part.children[-1] == Report.error("row 501", line=501)
    assert cut.children[-1].message.endswith("shortened, to fit 600 bytes")
    assert cut.children[-1].data["left_out"] == report.nodes - (cut.nodes - 1)


def test_a_note_too_long_loses_its_data_and_the_end_of_its_message() -> None:
    report = Report.info("all").add(Report.error("x" * 5_000, traceback="y" * 5_000))

    cut = truncate(report, 1_000)

    assert cut.children[0] == Report.error("x" * 200 + "…")
    assert cut.children[1].data == {"left_out": 0, "shortened": 1}


def test_the_worst_note_stands_alone_where_nothing_else_fits() -> None:
    deep = Report.error("ü" * 5_000)
    for _ in range(MAX_DEPTH - 1):
        deep = Report.info("ö" * 100).add(deep)

    cut = truncate(deep, SMALLEST_REPORT)

    assert cut.kind is ReportKind.ERROR
    assert cut.message.startswith("ü")
    assert cut.data == {"left_out": MAX_DEPTH - 1}
    assert cut.children == ()


def test_a_full_tree_of_long_notes_is_cut_without_going_above_the_note_cap() -> None:
    report = Report.info("all").with_children([Report.info("x" * 210)] * (MAX_NODES - 1))

    cut = truncate(report, size(report) - 1)

    assert cut.nodes <= MAX_NODES
    assert size(cut) < size(report)


def test_a_size_too_small_to_say_anything_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="allow 256 or more"):
        truncate(Report.info("x"), SMALLEST_REPORT - 1)


def test_the_schema_is_valid_and_closed_over_itself() -> None:
    Draft202012Validator.check_schema(SCHEMA)

    deep = raw_chain(10)
    deep["children"][0]["children"][0]["kind"] = "fatal"

    assert not VALIDATOR.is_valid(deep)
    assert VALIDATOR.is_valid(raw_chain(10))
