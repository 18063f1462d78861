"""A message of every format, to be broken in every way."""

from __future__ import annotations

from typing import Final

from longshore.codec import encode
from longshore.message import Message
from tests.unit.producers import (
    POINTER,
    S3_TEST,
    TRACE,
    celery,
    event,
    eventbridge,
    kombu,
    over_amqp,
    over_amqp_beside,
    record,
    s3,
    sns,
    text,
)

XRAY: Final = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
OWN: Final = Message(id="0198f3aa-0000-7000-8000-000000000000", type="echo", data={"a": 1})
BINARY: Final = {f"cloudEvents_{name}": str(value) for name, value in event().items()}
TIMED: Final = over_amqp_beside(event(time=1795341600000, taskpriority=3, taskdelete=True))

SAMPLES: Final[dict[str, tuple[bytes, dict[str, str]]]] = {
    "own": (encode(OWN), {}),
    "structured": (text(event(data={"a": 1}, traceparent=TRACE, taskpriority=3)), {}),
    "compressed": (
        text(event(dataencoding="gzip", data_base64="H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==")),
        {},
    ),
    "binary": (b'{"a": 1}', BINARY | {"content-type": "application/json"}),
    "sns": (text(sns(event(data="[1]"), task="echo", traceparent=TRACE)), {}),
    "sns, plain": (text(sns("[1, 2]", task="echo")), {}),
    "eventbridge": (text(eventbridge()), {"awstraceheader": XRAY}),
    "s3": (text(s3(record("a+b"), record("%C3%BC", "ObjectRemoved:Delete"))), {}),
    "s3 in sns": (text(sns(s3())), {}),
    "s3 test": (text(S3_TEST), {}),
    "pointer": (text(POINTER), {"ExtendedPayloadSize": "300000"}),
    "data elsewhere": (text(event(dataref="s3://large/data", dataencoding="gzip")), {}),
    "own, elsewhere": (
        text(event(id=OWN.id, source=OWN.source, dataref="s3://l/k", datarefholds="message")),
        {},
    ),
    "celery": (kombu(celery([1], {"a": 2}, eta="2026-11-22T12:00:00Z", timelimit=[5, 3])), {}),
    "celery, plain": (text(celery()), {}),
    "celery, amqp": over_amqp(celery([1], {"a": 2}, eta="2026-11-22T12:00:00Z", retries=1)),
    "binary, amqp": (b"[1]", {f"cloudEvents:{n}": t for n, t in TIMED.items()}),
    "plain": (b'{"order": 42}', {"task": "echo", "traceparent": TRACE}),
    "text": ("grün".encode(), {"task": "echo", "content-type": "text/plain"}),
}
