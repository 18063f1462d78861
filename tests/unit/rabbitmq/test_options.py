from __future__ import annotations

from datetime import timedelta

import pytest

from longshore.errors import ConfigurationError
from longshore_adapters.rabbitmq import frames
from longshore_adapters.rabbitmq.ladder import route
from longshore_adapters.rabbitmq.names import names_of
from longshore_adapters.rabbitmq.options import Host, Options, parse_url
from longshore_adapters.rabbitmq.versions import check_version


def test_what_the_url_does_not_say_has_its_default() -> None:
    options = parse_url("rabbitmq://broker")

    assert options == Options(hosts=(Host("broker", 5672),))
    assert (options.user, options.vhost, options.type, options.heartbeat) == (
        "guest",
        "/",
        "quorum",
        30,
    )
    assert options.consumer_timeout == timedelta(minutes=30)


def test_every_part_of_the_url_is_read() -> None:
    options = parse_url(
        "rabbitmqs://us%40er:p%3Aw@one,[::1]:5000,three:1234/my%2Fhost?prefix=shop-&type=classic"
        "&bands=50,10&ladder=on&heartbeat=5&consumer_timeout=2h&retention=14d"
        "&management=https://one:15671/&ca_file=/ca.pem&cert_file=/c.pem&key_file=/k.pem&verify=off"
    )

    assert options == Options(
        hosts=(Host("one", 5671), Host("[::1]", 5000), Host("three", 1234)),
        user="us@er",
        password="p:w",  # noqa: S106 - of nobody
        vhost="my/host",
        tls=True,
        ca_file="/ca.pem",
        cert_file="/c.pem",
        key_file="/k.pem",
        verify=False,
        prefix="shop-",
        type="classic",
        bands=(10, 50),
        ladder=True,
        heartbeat=5,
        consumer_timeout=timedelta(hours=2),
        retention=timedelta(days=14),
        management="https://one:15671",
    )


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(parse_url("rabbitmq://me:secret@broker"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rabbitmq://", "host"),
        ("rabbitmq://broker:99999", "port"),
        ("rabbitmq://broker/a/b", "%2F"),
        ("rabbitmq://broker?nope=1", "nope"),
        ("rabbitmq://broker?prefix=a&prefix=b", "once"),
        ("rabbitmq://broker?type=stream", "stream forgets nothing"),
        ("rabbitmq://broker?type=mirrored", "quorum, classic"),
        ("rabbitmq://broker?bands=0", "1 to 100"),
        ("rabbitmq://broker?bands=5,5", "different"),
        ("rabbitmq://broker?heartbeat=0", "seconds"),
        ("rabbitmq://broker?consumer_timeout=30", "30m"),
        ("rabbitmq://broker?retention=0d", "whole number"),
        ("rabbitmq://broker?ladder=yes", "on or off"),
        ("rabbitmq://broker?management=broker:15672", "http"),
        ("rabbitmq://broker?verify=off", "rabbitmqs"),
        ("rabbitmqs://broker?cert_file=/c.pem", "both"),
        ("rabbitmqs://broker?ca_file=", "ca_file=.*give it a value"),
        ("rabbitmq://broker?prefix=a%20b", "letters"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_can(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_url(url)


@pytest.mark.parametrize("name", ["amq.q", "", "q" * 252])
def test_names_that_rabbitmq_would_not_take_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        names_of(name, parse_url("rabbitmq://broker"))


def test_a_name_is_so_long_at_most_that_the_ladder_can_lead_to_it() -> None:
    plain, ladder = parse_url("rabbitmq://broker"), parse_url("rabbitmq://broker?ladder=on")
    longest = "q" * 199

    exchange, key = route(timedelta(seconds=5), names_of(longest, ladder), ladder)

    assert frames.publish_head(1, exchange, key)
    assert names_of(longest + "q", plain).name
    with pytest.raises(ConfigurationError, match="ladder"):
        names_of(longest + "q", ladder)


@pytest.mark.parametrize(
    ("query", "version", "said"),
    [
        ("", "3.8.9", "too old"),
        ("bands=10", "3.10.8", r"4\.3"),
        ("bands=10", "4.2.1", r"4\.3"),
    ],
)
def test_what_an_old_server_would_ignore_is_refused(query: str, version: str, said: str) -> None:
    problem = check_version(parse_url(f"rabbitmq://broker?{query}"), version)

    with pytest.raises(ConfigurationError, match=said):
        raise problem or AssertionError


@pytest.mark.parametrize(
    ("query", "version"),
    [("", "3.10.8"), ("bands=10", "4.3.0"), ("type=classic&bands=10", "3.8.9"), ("", "unknown")],
)
def test_what_a_server_can_do_is_not_refused(query: str, version: str) -> None:
    assert check_version(parse_url(f"rabbitmq://broker?{query}"), version) is None
