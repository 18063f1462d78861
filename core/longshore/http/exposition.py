"""The text format of Prometheus, of several processes made one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_LABEL: Final = "process"
_HEADS: Final = ("HELP", "TYPE")


def merged(texts: Mapping[str, str]) -> str:
    """Put each family together, once, with a label on each sample that says whose it is.

    `texts` are what each process exposes, by the label's value.
    """
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for place, text in texts.items():
        family = ""
        for line in text.split("\n"):  # nothing else ends a line in this format
            words = line.split(" ", 3)
            if words[0] == "#" and len(words) > 2 and words[1] in _HEADS:  # noqa: PLR2004 - "# TYPE name"
                family = words[2]
                known = heads.setdefault(family, [])
                if not any(each.startswith(f"# {words[1]} ") for each in known):
                    known.append(line)
            elif line and not line.startswith("#"):
                samples.setdefault(family, []).append(_labelled(line, place))
    lines = [
        line
        for family in dict.fromkeys((*heads, *samples))
        for line in (*heads.get(family, ()), *samples.get(family, ()))
    ]
    return "".join(f"{line}\n" for line in lines)


def _labelled(sample: str, place: str) -> str:
    """Add the label in front of those that a sample has; names hold neither brace nor space."""
    label = f'{_LABEL}="{place}"'
    brace, space = sample.find("{"), sample.find(" ")
    if 0 <= brace < space or space < 0:
        rest = sample[brace + 1 :]
        comma = "" if rest.startswith("}") else ","
        return f"{sample[:brace]}{{{label}{comma}{rest}"
    return f"{sample[:space]}{{{label}}}{sample[space:]}"
