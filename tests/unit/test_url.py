"""Options in the URLs of adapters: what is read, and what a refusal says."""

from __future__ import annotations

import pytest

from longshore import url as reading
from longshore.errors import ConfigurationError

READERS = {
    "size": reading.whole(1, 9, "megabytes"),
    "pace": reading.number(0, 2, "seconds"),
    "loud": reading.switch,
    "kind": reading.one_of("big", "small"),
    "name": reading.matching(r"\w{1,3}", "give up to three letters"),
    "where": reading.web_address("http://host"),
    "bands": reading.bands(3),
    "key": reading.matching(r"\d+", "give digits"),
    "note": reading.some,
}


def test_every_option_is_read_and_what_is_left_out_is_not_in_the_answer() -> None:
    given = reading.read_options(
        "dock://here?size=3&pace=0.5&loud=ON&kind=Big&name=abc&where=http://h/&bands=50,10&note=a%20b",
        READERS,
    )

    assert given == {
        "size": 3,
        "pace": 0.5,
        "loud": True,
        "kind": "big",
        "name": "abc",
        "where": "http://h",
        "bands": (10, 50),
        "note": "a b",
    }
    assert reading.read_options("dock://here", READERS) == {}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("size=0", r"size=0 cannot be used .* give a whole number of megabytes from 1 to 9"),
        ("size=1.5", "whole number"),
        ("size=²", "whole number"),
        ("pace=nan", "give seconds from 0 to 2"),
        ("pace=soon", "give seconds"),
        ("loud=maybe", "give on or off"),
        ("kind=huge", "give one of big, small"),
        ("name=abcd", "give up to three letters"),
        ("name=é", "give up to three letters"),
        ("where=host", "give a URL such as http://host"),
        ("bands=0", "different priorities"),
        ("bands=5,5", "different priorities"),
        ("bands=1,2,3,4", "up to 3"),
        ("note=", "note= cannot be used .* leave it out"),
        (
            "colour=red",
            "option 'colour' cannot be used in the dock:// URL; give each of size, pace",
        ),
        ("size=1&size=2", "once at most"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_give(query: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        reading.read_options(f"dock://here?{query}", READERS)


def test_a_secret_is_not_in_the_message() -> None:
    with pytest.raises(ConfigurationError, match="this key cannot be used") as refused:
        reading.read_options("dock://here?key=hunter", READERS, secret=("key",))

    assert "hunter" not in str(refused.value)
