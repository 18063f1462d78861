"""Passwords in URLs reach no log line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.settings import mask_url


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://user:pw@host:5432/db", "postgresql://user:***@host:5432/db"),
        ("redis://:pw@host", "redis://:***@host"),
        ("amqp://user:p@ss/w@rd@host/v", "amqp://user:***@host/v"),
        ("amqp://user:p?w@host/v", "amqp://user:***@host/v"),
        ("amqp://user:12/34@host/v", "amqp://user:***@host/v"),
        ("sqs://host/q?secret_key=abc&region=x", "sqs://host/q?secret_key=***&region=x"),
        ("redis://u:p@h/0?email=a@b.c", "redis://u:***@h/0?email=a@b.c"),
        ("could not reach redis://u:p@h:1", "could not reach redis://u:***@h:1"),
        ("sqlite:///longshore.db", "sqlite:///longshore.db"),
        ("memory://?sync=true", "memory://?sync=true"),
        ("redis://user@host:6379/0", "redis://user@host:6379/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("", ""),
    ],
)
def test_a_masked_url_shows_no_password_and_little_less(url: str, masked: str) -> None:
    assert mask_url(url) == masked


@given(
    scheme=st.sampled_from(["postgresql", "redis", "amqps", "x-y+z.1"]),
    user=st.text("abcXYZ019-_.%", max_size=8),
    password=st.text(min_size=1, max_size=30).filter(lambda text: "***" not in text),
    host=st.text("abc019.-", min_size=1, max_size=10),
)
def test_no_password_gets_through_the_mask(
    scheme: str, user: str, password: str, host: str
) -> None:
    secret = f"<{password}>".replace("?", "").replace("#", "")

    masked = mask_url(f"{scheme}://{user}:{secret}@{host}/db")

    assert masked == f"{scheme}://{user}:***@{host}/db"
