"""Reading an export back, in the order of its lines and against it."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

from longshore.cli.exit import InputError
from longshore.cli.formats import KIND, VERSION
from longshore.cli.kinds import as_list, as_object, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_EXPORT: Final = "it is no export of Longshore; give what `longshore export` wrote"
_TASKS: Final = b'"tasks": ['
_END: Final = b"]}"


class ExportFile:
    """The tasks of an export, by their places.

    ndjson, and json as `longshore export` lays it out, are read line by line and never held;
    json of another layout is read whole. `InputError` where it is no export, or of a newer
    version. A task that is no JSON is given as its ValueError.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Read the header; the file can seek, and stays the caller's to close."""
        self._file = file
        self._whole: list[Any] | None = None
        self._headed = 1
        first = file.readline()
        self._start = len(first)
        try:
            found = read_json(first)
        except ValueError:
            found = self._read_json(first)
        header = as_object(found) or {}
        if "tasks" in header:
            self._whole = as_list(header["tasks"]) or []
            header = as_object(header.get("header")) or {}
        _check(header)

    def places(self) -> Iterator[tuple[int, int, Any]]:
        """Go through the tasks: the number of the line, the place, and what stands there."""
        if self._whole is not None:
            yield from ((place + 1, place, task) for place, task in enumerate(self._whole))
            return
        self._file.seek(self._start)
        place = self._start
        for number, line in enumerate(self._file, self._headed + 1):
            if self._headed > 1 and line.strip() == _END:
                return
            if line.strip():
                yield number, place, _read(line)
            place += len(line)
        if self._headed > 1:
            message = "the export ends before its end; it was cut off"
            raise InputError(message)

    def at(self, place: int) -> Any:  # noqa: ANN401 - any JSON
        """Read one task again."""
        if self._whole is not None:
            return self._whole[place]
        self._file.seek(place)
        return _read(self._file.readline())

    def _read_json(self, first: bytes) -> Any:  # noqa: ANN401 - any JSON
        """Read the header of our own layout, else everything."""
        second = self._file.readline()
        try:
            if second.strip() != _TASKS:
                return read_json(first + second + self._file.read())
            header = read_json(first.rstrip().removesuffix(b",") + b"}")
        except ValueError as error:
            raise InputError(_NO_EXPORT) from error
        self._start += len(second)
        self._headed = 2
        return header.get("header")


def _check(header: dict[str, Any]) -> None:
    if header.get("kind") != KIND:
        raise InputError(_NO_EXPORT)
    version: object = header.get("version")
    if not isinstance(version, int) or version > VERSION:
        message = (
            f"the export is of version {version!r}, this Longshore reads {VERSION}; upgrade it"
        )
        raise InputError(message)


def _read(line: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return read_json(line.rstrip().removesuffix(b","))
    except ValueError as error:
        return error
