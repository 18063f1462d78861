from __future__ import annotations

from datetime import timedelta

import pytest

from longshore.errors import ConfigurationError
from longshore_adapters.sqs.names import names_of
from longshore_adapters.sqs.options import Options, parse_url


def test_a_bare_url_leaves_everything_to_the_environment() -> None:
    assert parse_url("sqs://") == Options()


def test_every_option_is_read() -> None:
    role = "arn:aws:iam::123456789012:role/team/worker"

    options = parse_url(
        "sqs://123456789012?region=eu-central-1&endpoint_url=http%3A%2F%2F127.0.0.1%3A4566"
        f"&profile=shop&role_arn={role}&role_session_name=w1&external_id=theirs&prefix=shop-"
        "&bands=10,50&retention=7&short_polls=on"
    )

    assert options == Options(
        account="123456789012",
        region="eu-central-1",
        endpoint_url="http://127.0.0.1:4566",
        profile="shop",
        role_arn=role,
        role_session_name="w1",
        external_id="theirs",
        prefix="shop-",
        bands=(50, 10),
        retention=timedelta(days=7),
        short_polls=True,
    )


@pytest.mark.parametrize(
    "url",
    [
        "sqs://account",
        "sqs://12345678901",
        "sqs://?unknown=1",
        "sqs://?region=a&region=b",
        "sqs://?region=",
        "sqs://?endpoint_url=127.0.0.1:4566",
        "sqs://?role_arn=worker",
        "sqs://?external_id=x",
        "sqs://?role_arn=arn:aws:iam::123456789012:role/r&external_id=x",
        "sqs://?role_session_name=a%20b",
        "sqs://?prefix=a.b",
        "sqs://?bands=0",
        "sqs://?bands=101",
        "sqs://?bands=high",
        "sqs://?bands=5,5",
        "sqs://?bands=1,2,3,4,5,6,7,8,9,10",
        "sqs://?retention=0",
        "sqs://?retention=15",
        "sqs://?short_polls=maybe",
    ],
)
def test_a_bad_url_is_refused_with_what_to_write_instead(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be used .*(give|write|leave|it is for)"):
        parse_url(url)


def test_a_queue_is_one_of_sqs_and_its_dead_letters() -> None:
    names = names_of("orders", parse_url("sqs://?prefix=shop-"))

    assert names.every == ("shop-orders", "shop-orders-dlq")
    assert names.band_of(0) == names.band_of(100) == "shop-orders"


def test_a_fifo_queue_has_dead_letters_that_are_fifo() -> None:
    names = names_of("orders.fifo", Options())

    assert (names.fifo, names.every) == (True, ("orders.fifo", "orders-dlq.fifo"))


def test_a_priority_goes_to_the_band_that_it_reaches() -> None:
    names = names_of("orders", parse_url("sqs://?bands=10,50"))

    places = {priority: names.band_of(priority) for priority in (0, 9, 10, 49, 50, 100)}

    assert places == {
        0: "orders",
        9: "orders",
        10: "orders-p10",
        49: "orders-p10",
        50: "orders-p50",
        100: "orders-p50",
    }


@pytest.mark.parametrize("name", ["a b", "naïve", "", "a/b", "x" * 81, "a.fifo.fifo", ".fifo"])
def test_a_name_that_sqs_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of an SQS queue"):
        names_of(name, Options())


def test_a_name_must_leave_room_for_its_dead_letters() -> None:
    assert names_of("x" * 76, Options()).dead == "x" * 76 + "-dlq"
    with pytest.raises(ConfigurationError, match="1 too long"):
        names_of("x" * 77, Options())


def test_a_fifo_queue_has_no_bands() -> None:
    with pytest.raises(ConfigurationError, match="FIFO queue, which has no bands"):
        names_of("orders.fifo", parse_url("sqs://?bands=10"))
