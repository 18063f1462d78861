"""Whatever is wrong with a URL, however its password is written: no error shows a part of it."""

from __future__ import annotations

import asyncio

import pytest

from longshore.clock import SystemClock
from longshore.errors import ConfigurationError
from longshore.registry import find_adapter
from longshore.settings import Settings, mask_url

SCHEMES = (
    *("rabbitmq", "rabbitmqs", "redis", "rediss", "sqs"),
    *("dynamodb", "s3", "sqlite", "memory", "null"),
)
PASSWORDS = (
    "hush/shy",
    "hush?shy",
    "hush#shy",
    "hush@shy",
    "hush?shy=shy",
    "hush@shy/shy",
    "hush%41/shy",
)
PARTS = ("hush", "shy")


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_an_error_about_a_url_shows_no_part_of_a_password(scheme: str, password: str) -> None:
    adapter = find_adapter(f"{scheme}://")

    async def opened() -> None:
        async with asyncio.timeout(0), adapter.open(url, SystemClock()):
            pass

    for rest in ("host:99999", "host/v?nope=1", "ho st"):
        url = f"{scheme}://user:{password}@{rest}"
        said = ""
        try:
            await opened()
        except (ConfigurationError, TimeoutError) as error:
            said = str(error).replace(rest, "")

        assert not [part for part in PARTS if part in said]


@pytest.mark.parametrize("url", ["user:hush@host", "//user:hush@host/v"])
def test_what_is_no_url_shows_no_password_either(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        find_adapter(url)

    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_masked_url_shows_no_part_of_a_password(password: str) -> None:
    masked = mask_url(f"rabbitmq://user:{password}@host/v?prefix=a")

    assert not [part for part in PARTS if part in masked]


def test_of_several_urls_in_a_text_each_is_masked() -> None:
    masked = mask_url("rabbitmq://a:hush@one?x=1 and then rabbitmq://b:shy@two")

    assert masked == "rabbitmq://a:***@one?x=1 and then rabbitmq://b:***@two"


def test_a_good_url_still_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ConfigurationError, match=r"option 'nope'.*each of prefix"):
        asyncio.run(_open("rabbitmq://user:hush@host/v?nope=1"))


async def _open(url: str) -> None:
    async with find_adapter(url).open(url, SystemClock()):
        pass


def test_settings_that_cannot_be_read_show_no_password() -> None:
    long = "hush" * 50
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(
            url="user:hush@host",
            quueue_url="rabbitmq://user:hush/shy@host",
            log_url=f"rabbitmq://user:{long} {long}@host",
        )

    assert not [part for part in PARTS if part in str(raised.value)]
