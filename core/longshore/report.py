"""Reports: what a task has to say about its run, as a tree of notes for people and programs.

A task whose report holds an error, anywhere in the tree, has failed. The JSON form is described
by `schemas/report.json`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import isfinite
from threading import Lock
from typing import Final, NoReturn, TypeAlias, cast

from longshore.errors import ConfigurationError, LongshoreError

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

MAX_DEPTH: Final = 32
MAX_NODES: Final = 10_000
MAX_DATA_DEPTH: Final = 16
MAX_NOTES_PER_KIND: Final = 1_000
SMALLEST_REPORT: Final = 256
"""Bytes that `truncate` needs to say anything at all."""

_MAX_INT_BITS: Final = 1024
_SHORT_MESSAGE: Final = 200
_TOO_MANY: Final = f"it has more than {MAX_NODES:,} notes; sum some of them up in one"


class ReportError(LongshoreError):
    """A report, or the JSON of one, is not of the shape described by its schema."""

    def __init__(self, problem: str) -> None:
        """`problem` completes the sentence, and says what to give instead."""
        super().__init__(f"the report cannot be used: {problem}")
        self.problem = problem


class ReportKind(StrEnum):
    """The kinds of note, from the least to the worst."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """The place in the order from least (0) to worst (3)."""
        return tuple(ReportKind).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A note and the notes below it; never changes.

    `data` is copied and must be JSON: text keys, finite numbers, at most 16 levels. A tree has
    at most 32 levels (`depth`) and 10,000 notes (`nodes`); these caps hold for every Report
    there is, so nothing that walks one can run out of stack. Raises ReportError otherwise.
    """

    kind: ReportKind
    message: str
    data: Mapping[str, Json] = field(default_factory=dict[str, Json], hash=False)
    children: tuple[Report, ...] = ()
    depth: int = field(init=False, repr=False, compare=False)
    nodes: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check this note and count; the children were checked when they were made."""
        object.__setattr__(self, "message", _text(self.message, "message"))
        object.__setattr__(self, "kind", _kind(self.kind))
        object.__setattr__(self, "data", _object(self.data))
        object.__setattr__(self, "children", tuple(self.children))
        object.__setattr__(self, "depth", 1 + max((c.depth for c in self.children), default=0))
        object.__setattr__(self, "nodes", 1 + sum(c.nodes for c in self.children))
        if self.depth > MAX_DEPTH:
            _refuse(f"it is deeper than {MAX_DEPTH} levels; put the notes side by side")
        if self.nodes > MAX_NODES:
            _refuse(_TOO_MANY)

    @classmethod
    def info(cls, message: str, /, **data: Json) -> Report:
        """Make a note that is neither good nor bad."""
        return cls(kind=ReportKind.INFO, message=message, data=data)

    @classmethod
    def success(cls, message: str, /, **data: Json) -> Report:
        """Make a note of something done."""
        return cls(kind=ReportKind.SUCCESS, message=message, data=data)

    @classmethod
    def warning(cls, message: str, /, **data: Json) -> Report:
        """Make a note of something to look at; the task does not fail by it."""
        return cls(kind=ReportKind.WARNING, message=message, data=data)

    @classmethod
    def error(cls, message: str, /, **data: Json) -> Report:
        """Make a note of something that failed, and the task with it."""
        return cls(kind=ReportKind.ERROR, message=message, data=data)

    @classmethod
    def from_result(cls, value: object) -> Report:
        """Read a handler's answer: a Report is itself, None a note, anything else a success.

        The value is not put into the report: it is the task's result, and kept there.
        """
        if isinstance(value, Report):
            return value
        if value is None:
            return cls.info("the task ended without a report")
        return cls.success("the task returned a result")

    @classmethod
    def from_dict(cls, raw: object) -> Report:
        """Read the JSON form back, unknown properties ignored. Raises ReportError.

        Safe on hostile input: it stops at the caps whatever the depth, cycles included.
        """
        notes, spans = [_note(raw)], list[range]()
        for note in notes:  # grows as it goes, so that depth costs no stack
            below = _children(note)
            spans.append(range(len(notes), len(notes) + len(below)))
            if spans[-1].stop > MAX_NODES:
                _refuse(_TOO_MANY)
            notes.extend(_note(child) for child in below)
        reports = dict[int, Report]()
        for index in reversed(range(len(notes))):
            children = tuple(reports.pop(child) for child in spans[index])
            reports[index] = _report(notes[index], children)
        return reports[0]

    def to_dict(self) -> dict[str, Json]:
        """Write the JSON form, in new dicts and lists; empty `data` and `children` are left out."""
        whole = dict[str, Json]()
        stack: list[tuple[Report, dict[str, Json]]] = [(self, whole)]
        while stack:
            report, written = stack.pop()
            written.update(kind=report.kind.value, message=report.message)
            if report.data:
                written["data"] = _object(report.data)
            if report.children:
                below = [dict[str, Json]() for _ in report.children]
                written["children"] = below
                stack.extend(zip(report.children, below, strict=True))
        return whole

    def add(self, child: Report) -> Report:
        """Answer this report with one more child, the last. For many use `with_children`."""
        return self.with_children((*self.children, child))

    def with_children(self, children: Iterable[Report]) -> Report:
        """Answer this report with these children instead of its own."""
        return replace(self, children=tuple(children))

    def walk(self) -> Iterator[Report]:
        """Go through every note, each before its children and these in order."""
        stack: list[Report] = [self]
        while stack:
            report = stack.pop()
            yield report
            stack.extend(reversed(report.children))

    @property
    def worst(self) -> ReportKind:
        """The worst kind of any note: error, then warning, success, info."""
        return max((report.kind for report in self.walk()), key=lambda kind: kind.rank)

    @property
    def has_error(self) -> bool:
        """Whether any note is an error, which means that the task failed."""
        return self.worst is ReportKind.ERROR


class ReportBuilder:
    """Collects the notes of a running handler, from any of its threads.

    Never fails a task: data that is not JSON is replaced by a note of why, and above 1,000
    notes of a kind the later ones are counted and not kept. Notes keep the order they came in.
    """

    __slots__ = ("_counts", "_lock", "_notes")

    def __init__(self) -> None:
        self._lock = Lock()
        self._notes: list[Report] = []
        self._counts: Counter[ReportKind] = Counter()

    def info(self, message: str, /, **data: Json) -> None:
        """Add a note that is neither good nor bad."""
        self._append(ReportKind.INFO, message, data)

    def success(self, message: str, /, **data: Json) -> None:
        """Add a note of something done."""
        self._append(ReportKind.SUCCESS, message, data)

    def warning(self, message: str, /, **data: Json) -> None:
        """Add a note of something to look at."""
        self._append(ReportKind.WARNING, message, data)

    def error(self, message: str, /, **data: Json) -> None:
        """Add a note of something that failed: the task will have failed, without an exception."""
        self._append(ReportKind.ERROR, message, data)

    def take(self, report: Report) -> None:
        """Add a note that was built elsewhere, with all below it."""
        with self._lock:
            self._counts[report.worst] += 1
            self._notes.append(report)

    def build(self) -> Report | None:
        """Answer the report so far: None without notes, a lone note itself, else one over all.

        May be called again after more notes.
        """
        with self._lock:
            notes, counts = tuple(self._notes), Counter(self._counts)
        if len(notes) <= 1:
            return notes[0] if notes else None
        worst_first = sorted(counts, key=lambda kind: -kind.rank)
        message = ", ".join(f"{counts[kind]:,} {kind}" for kind in worst_first)
        left_out = counts.total() - len(notes)
        data: dict[str, Json] = {"left_out": left_out} if left_out else {}
        return Report(kind=worst_first[0], message=message, data=data, children=notes)

    def _append(self, kind: ReportKind, message: str, data: Mapping[str, Json]) -> None:
        try:
            note = Report(kind=kind, message=str(message), data=data)
        except ReportError as error:
            why: dict[str, Json] = {"data_left_out": error.problem}
            note = Report(kind=kind, message=str(message), data=why)
        with self._lock:
            self._counts[kind] += 1
            if self._counts[kind] <= MAX_NOTES_PER_KIND:
                self._notes.append(note)


def truncate(report: Report, max_bytes: int) -> Report:
    """Answer the report, or what matters most of it, within `max_bytes` of compact JSON.

    Above the limit the worst notes are kept, earlier before later, each with the notes above
    it; one that is too long loses its data and the end of its message. A last child of the root
    says how many were left out and shortened, and `worst` stays what it was. Where not even the
    worst note fits below those above it, that note alone is kept, cut. Bytes are counted with
    non-ASCII text escaped, which is never less than UTF-8.

    Raises ConfigurationError below 256 bytes.
    """
    if max_bytes < SMALLEST_REPORT:
        message = f"a report cannot be cut to {max_bytes} bytes; allow {SMALLEST_REPORT} or more"
        raise ConfigurationError(message)
    if _size(report) <= max_bytes:
        return report
    notes, above = _listed(report)
    reserved = _own_size(_remainder(len(notes), len(notes), max_bytes))
    kept = _most_important(notes, above, max_bytes - reserved)
    if not kept:
        return _worst_alone(notes, max_bytes)
    shortened = sum(note != notes[index] for index, note in kept.items())
    rest = _remainder(len(notes) - len(kept), shortened, max_bytes)
    return _rebuilt(kept, above).add(rest)


def _listed(report: Report) -> tuple[list[Report], list[int]]:
    """List the notes without their children, and for each the index above it (root: -1)."""
    notes, above = list[Report](), list[int]()
    stack = [(report, -1)]
    while stack:
        note, parent = stack.pop()
        stack.extend((child, len(notes)) for child in reversed(note.children))
        notes.append(note.with_children(()))
        above.append(parent)
    return notes, above


def _most_important(notes: list[Report], above: list[int], room: int) -> dict[int, Report]:
    """Choose notes, worst first, whole or shortened, as fit; none when the worst does not."""
    shortened = [Report(kind=note.kind, message=_cut(note.message)) for note in notes]
    forms = [(form, [_own_size(note) for note in form]) for form in (notes, shortened)]
    kept = dict[int, Report]()
    for index in sorted(range(len(notes)), key=lambda i: (-notes[i].kind.rank, i)):
        chain = [i for i in _path(above, index) if i not in kept]
        for form, sizes in forms:
            cost = sum(sizes[i] for i in chain)
            if cost <= room and len(kept) + len(chain) < MAX_NODES:
                kept.update((i, form[i]) for i in chain)
                room -= cost
                break
        if not kept:
            break
    return kept


def _path(above: list[int], index: int) -> Iterator[int]:
    while index >= 0:
        yield index
        index = above[index]


def _rebuilt(kept: Mapping[int, Report], above: list[int]) -> Report:
    below: dict[int, list[Report]] = {index: [] for index in (-1, *kept)}
    for index in sorted(kept, reverse=True):
        below[above[index]].append(kept[index].with_children(reversed(below[index])))
    return below[-1][0]


def _worst_alone(notes: list[Report], max_bytes: int) -> Report:
    worst = max(notes, key=lambda note: note.kind.rank)
    left_out: dict[str, Json] = {"left_out": len(notes) - 1}
    length = _SHORT_MESSAGE
    while True:
        report = Report(kind=worst.kind, message=_cut(worst.message, length), data=left_out)
        if _size(report) <= max_bytes:
            return report
        length //= 2


def _remainder(left_out: int, shortened: int, max_bytes: int) -> Report:
    message = f"{left_out:,} notes left out, {shortened:,} shortened, to fit {max_bytes:,} bytes"
    return Report.info(message, left_out=left_out, shortened=shortened)


def _cut(message: str, length: int = _SHORT_MESSAGE) -> str:
    return message if len(message) <= length else message[:length] + "…"


def _size(report: Report) -> int:
    return len(json.dumps(report.to_dict(), separators=(",", ":")))


def _own_size(note: Report) -> int:
    """Bytes a note adds to a tree at most: itself, a comma, and its empty list of children."""
    return _size(note) + len(',"children":[],')


def _note(raw: object) -> Mapping[object, object]:
    if isinstance(raw, Mapping):
        return cast("Mapping[object, object]", raw)
    return _refuse(f"a note is an object with kind and message, not {_name(raw)}")


def _children(note: Mapping[object, object]) -> Sequence[object]:
    children = note.get("children", ())
    if isinstance(children, (list, tuple)):
        return cast("Sequence[object]", children)
    return _refuse(f"children is a list of notes, not {_name(children)}")


def _report(note: Mapping[object, object], children: tuple[Report, ...]) -> Report:
    kind, message = _kind(note.get("kind")), _text(note.get("message"), "message")
    return Report(kind=kind, message=message, data=_object(note.get("data", {})), children=children)


def _kind(kind: object) -> ReportKind:
    if isinstance(kind, str) and kind in ReportKind.__members__.values():
        return ReportKind(kind)
    return _refuse(f"kind is one of {', '.join(ReportKind)}, not {_name(kind)}")


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        _refuse(f"{what} is text, not {_name(value)}")
    return value.encode(errors="replace").decode()  # half a surrogate pair fits no store


def _object(data: object, depth: int = 1) -> dict[str, Json]:
    if not isinstance(data, Mapping):
        _refuse(f"data is an object, not {_name(data)}")
    items = cast("Mapping[object, object]", data).items()
    return {_text(key, "a key of data"): _json(value, depth + 1) for key, value in items}


def _json(value: object, depth: int) -> Json:
    if isinstance(value, str):
        return _text(value, "data")
    if value is None or (isinstance(value, int) and value.bit_length() <= _MAX_INT_BITS):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    if depth > MAX_DATA_DEPTH:
        _refuse(f"data is deeper than {MAX_DATA_DEPTH} levels; store it elsewhere")
    if isinstance(value, Mapping):
        return _object(cast("Mapping[object, object]", value), depth)
    if isinstance(value, (list, tuple)):
        return [_json(item, depth + 1) for item in cast("Sequence[object]", value)]
    return _refuse(f"data holds {_name(value)}; give text, a number or an object of these")


def _name(value: object) -> str:
    if isinstance(value, str):
        return repr(_cut(value, 40))
    return repr(value) if isinstance(value, float) else f"a value of type {type(value).__name__}"


def _refuse(problem: str) -> NoReturn:
    raise ReportError(problem)
