from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.brokers.probe import AMQP, MYSQL, POSTGRES, REDIS, Probe

if TYPE_CHECKING:
    from tests.unit.brokers.conftest import Listen

AMQP_START = b"\x01\x00\x00\x00\x00\x01\xf5\x00\x0a\x00\x0a\x00\x09"
MARIADB_GREETING = b"\x5a\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB\x00"
MYSQL_REFUSAL = b"\x45\x00\x00\x00\xff\x6a\x04Host is not allowed to connect"
PATIENCE = 0.2

ANSWERS = [
    pytest.param(AMQP, AMQP_START, id="amqp"),
    pytest.param(MYSQL, MARIADB_GREETING, id="mariadb"),
    pytest.param(POSTGRES, b"N", id="postgres-without-tls"),
    pytest.param(POSTGRES, b"S", id="postgres-with-tls"),
    pytest.param(REDIS, b"+PONG\r\n", id="redis"),
    pytest.param(REDIS, b"-NOAUTH Authentication required.\r\n", id="redis-with-password"),
]
STRANGERS = [
    pytest.param(AMQP, b"AMQP\x00\x00\x09\x01", id="amqp-of-another-version"),
    pytest.param(AMQP, b"HTTP/1.1 400 Bad Request\r\n\r\n", id="amqp-is-http"),
    pytest.param(MYSQL, MYSQL_REFUSAL, id="mariadb-refuses-us"),
    pytest.param(POSTGRES, b"SSH-2.0-OpenSSH_9.2\r\n", id="postgres-is-ssh"),
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
        pytest.param(MYSQL, id="mysql"),
        pytest.param(POSTGRES, id="postgres"),
        pytest.param(REDIS, id="redis"),
    ],
)
def test_a_closed_port_is_no_answer(closed_port: int, probe: Probe) -> None:
    answered = probe.answered(closed_port, PATIENCE)

    assert not answered
