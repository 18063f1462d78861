from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.brokers.probe import AMQP, DYNAMODB, MOTO, MYSQL, POSTGRES, REDIS, Probe, localstack

if TYPE_CHECKING:
    from tests.unit.brokers.conftest import Listen

AMQP_START = b"\x01\x00\x00\x00\x00\x01\xf5\x00\x0a\x00\x0a\x00\x09"
MARIADB_GREETING = b"\x5a\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB\x00"
MYSQL_REFUSAL = b"\x45\x00\x00\x00\xff\x6a\x04Host is not allowed to connect"
PATIENCE = 0.2
LOCALSTACK = localstack(["sns", "sqs"])
REFUSAL = b'{"__type":"com.amazonaws.dynamodb.v20120810#MissingAuthenticationToken"}'


def http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def health(**services: str) -> bytes:
    return http(200, json.dumps({"services": services}).encode())


def postgres_error(code: bytes) -> bytes:
    """What it says in place of a session, and why."""
    fields = b"SFATAL\x00VFATAL\x00C" + code + b"\x00Mno session\x00\x00"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


ANSWERS = [
    pytest.param(AMQP, AMQP_START, id="amqp"),
    pytest.param(DYNAMODB, http(400, REFUSAL), id="dynamodb"),
    pytest.param(
        LOCALSTACK, health(s3="disabled", sns="running", sqs="available"), id="localstack"
    ),
    pytest.param(MOTO, http(200, b"<head>\n<title>Moto</title>"), id="moto"),
    pytest.param(MYSQL, MARIADB_GREETING, id="mariadb"),
    pytest.param(POSTGRES, b"R\x00\x00\x00\x08\x00\x00\x00\x00", id="postgres"),
    pytest.param(POSTGRES, postgres_error(b"28000"), id="postgres-without-such-an-account"),
    pytest.param(REDIS, b"+PONG\r\n", id="redis"),
    pytest.param(REDIS, b"-NOAUTH Authentication required.\r\n", id="redis-with-password"),
]
STRANGERS = [
    pytest.param(AMQP, b"AMQP\x00\x00\x09\x01", id="amqp-of-another-version"),
    pytest.param(AMQP, b"HTTP/1.1 400 Bad Request\r\n\r\n", id="amqp-is-http"),
    pytest.param(DYNAMODB, http(200, b"<html></html>"), id="dynamodb-is-a-web-page"),
    pytest.param(LOCALSTACK, health(sns="disabled", sqs="running"), id="localstack-without-sns"),
    pytest.param(LOCALSTACK, health(sns="error", sqs="running"), id="localstack-with-broken-sns"),
    pytest.param(LOCALSTACK, health(sns="running"), id="localstack-that-knows-no-sqs"),
    pytest.param(MOTO, http(404, b"<title>Moto</title>"), id="moto-says-not-found"),
    pytest.param(MYSQL, MYSQL_REFUSAL, id="mariadb-refuses-us"),
    pytest.param(POSTGRES, b"SSH-2.0-OpenSSH_9.2\r\n", id="postgres-is-ssh"),
    pytest.param(POSTGRES, postgres_error(b"57P03"), id="postgres-is-starting"),
    pytest.param(REDIS, b"-ERR unknown command\r\n", id="redis-is-something-else"),
    pytest.param(REDIS, b"", id="redis-says-nothing"),
]


@pytest.mark.parametrize(("probe", "answer"), ANSWERS)
def test_a_server_is_recognised_by_its_protocol(
    listen: Listen, probe: Probe, answer: bytes
) -> None:
    port = listen(hears=probe.says, says=answer)

    answered = probe.answered(port)

    assert answered


@pytest.mark.parametrize(("probe", "answer"), STRANGERS)
def test_a_peer_of_another_protocol_is_no_answer(
    listen: Listen, probe: Probe, answer: bytes
) -> None:
    port = listen(hears=probe.says, says=answer)

    answered = probe.answered(port, PATIENCE)

    assert not answered


@pytest.mark.parametrize(
    "probe",
    [
        pytest.param(AMQP, id="amqp"),
        pytest.param(DYNAMODB, id="dynamodb"),
        pytest.param(LOCALSTACK, id="localstack"),
        pytest.param(MOTO, id="moto"),
        pytest.param(MYSQL, id="mysql"),
        pytest.param(POSTGRES, id="postgres"),
        pytest.param(REDIS, id="redis"),
    ],
)
def test_a_closed_port_is_no_answer(closed_port: int, probe: Probe) -> None:
    answered = probe.answered(closed_port, PATIENCE)

    assert not answered
