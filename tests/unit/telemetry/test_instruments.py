"""The table of metrics: what is documented is what there is."""

from __future__ import annotations

from pathlib import Path

from longshore.telemetry import INSTRUMENTS, Kind

PAGE = Path(__file__).parents[3] / "docs" / "telemetry.md"


def test_every_metric_has_its_row_in_the_documentation() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()

    for one in INSTRUMENTS:
        names = ", ".join(f"`{each.name}`" for each in one.attributes) or "none"
        cells = [f"`{one.name}`", f"`{one.prometheus}`", one.kind, f"`{one.unit}`", names, one.text]
        assert f"| {' | '.join(cells)} |" in page


def test_every_attribute_has_its_row_with_what_bounds_it() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()

    for attribute in {each for one in INSTRUMENTS for each in one.attributes}:
        values = ", ".join(f"`{value}`" for value in attribute.values) or attribute.bound
        assert values
        assert f"| `{attribute.name}` | {values} |" in page


def test_names_are_unique_and_units_are_those_of_their_kind() -> None:
    assert len({one.name for one in INSTRUMENTS}) == len(INSTRUMENTS)
    assert len({one.prometheus for one in INSTRUMENTS}) == len(INSTRUMENTS)
    assert all(one.unit == "s" for one in INSTRUMENTS if one.kind is Kind.HISTOGRAM)
