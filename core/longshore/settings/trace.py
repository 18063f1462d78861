"""Which source gave which value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT: Final = "default"
GIVEN: Final = "given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one source says. `names` holds a field's own name in the source, where it has one."""

    source: str
    values: Mapping[str, object]
    names: Mapping[str, str] = field(default_factory=dict[str, str])

    def name_of(self, setting: str) -> str:
        """Where in the source a field's value stands."""
        return self.names.get(setting, self.source)

    def has(self, path: Sequence[str]) -> bool:
        """Whether the source says anything of a field, or of a key inside its table."""
        table: Mapping[str, object] | None = self.values
        for step in path:
            if table is None or step not in table:
                return False
            inner = table[step]
            table = cast("Mapping[str, object]", inner) if isinstance(inner, Mapping) else None
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A variable that is set, looks as if it were ours, and changes nothing."""

    name: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All sources that were read, the strongest first.

    Traces are equal whatever they hold: two settings with the same values are the same settings.
    """

    layers: tuple[Layer, ...] = field(default=(), compare=False)
    ignored: tuple[Ignored, ...] = field(default=(), compare=False)

    @property
    def given(self) -> Mapping[str, object]:
        """What code gave."""
        for layer in self.layers:
            if layer.source == GIVEN:
                return layer.values
        return {}

    def source(self, path: Sequence[str]) -> str:
        """Name the source of a field, or of a key inside a field's table."""
        for length in range(len(path), 0, -1):
            for layer in self.layers:
                if layer.has(path[:length]):
                    return layer.name_of(path[0])
        return DEFAULT
