"""What may be fetched, and by whom."""

from __future__ import annotations

import pytest

from longshore.codec.fetch import ByScheme, is_allowed
from longshore.errors import MessageError


class Store:
    def __init__(self, name: bytes) -> None:
        self._name = name

    async def fetch(self, url: str, *, limit: int) -> bytes:
        return self._name + f" {url} {limit}".encode()


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("s3://large/a", True),
        ("s3://large/a/b", True),
        ("s3://large/", True),
        ("s3://large", True),
        ("s3://larger/a", False),
        ("s3://other/large/a", False),
        ("s3://shared/ours/a", True),
        ("s3://shared/oursnot/a", False),
        ("s3://shared/a", False),
        ("S3://large/a", False),
        ("https://large/a", False),
        ("large/a", False),
        ("", False),
    ],
)
def test_only_what_lies_in_an_allowed_place_is_fetched(url: str, *, allowed: bool) -> None:
    assert is_allowed(url, ["s3://large", "s3://shared/ours/"]) is allowed


def test_without_places_nothing_is_fetched() -> None:
    assert not is_allowed("s3://large/a", [])


async def test_several_stores_are_told_apart_by_the_scheme() -> None:
    both = ByScheme({"s3": Store(b"s3"), "gs": Store(b"gs")})

    assert await both.fetch("gs://b/k", limit=5) == b"gs gs://b/k 5"
    with pytest.raises(MessageError, match="nothing here fetches 'file'"):
        await both.fetch("file:///etc/passwd", limit=5)
