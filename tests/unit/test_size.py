"""Sizes as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.errors import ConfigurationError
from longshore.size import parse_size


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (1, 1),
        ("512", 512),
        ("64k", 65_536),
        ("512MB", 536_870_912),
        (" 512 mb ", 536_870_912),
        ("512MiB", 536_870_912),
        ("1.5 GiB", 1_610_612_736),
        ("2T", 2_199_023_255_552),
    ],
)
def test_a_size_is_read_in_powers_of_1024(written: int | str, expected: int) -> None:
    assert parse_size(written) == expected


@pytest.mark.parametrize(
    "written", [0, -1, "", "0MB", "-1MB", "much", "1.2.3k", "5 apples", True, 1.5, None, "9" * 20]
)
def test_what_is_no_size_is_refused_with_an_example(written: Any) -> None:
    with pytest.raises(ConfigurationError, match="512MB"):
        parse_size(written)
