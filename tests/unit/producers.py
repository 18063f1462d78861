"""What other producers send, as they write it; the fields that do not matter here are left out."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

TOPIC = "arn:aws:sns:eu-central-1:123456789012:orders"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER_TRACE = "00-11111111111111111111111111111111-2222222222222222-00"


def text(value: object) -> bytes:
    return json.dumps(value).encode()


def event(**attributes: object) -> dict[str, object]:
    return {"specversion": "1.0", "id": "7b", "source": "/billing", "type": "echo", **attributes}


def sns(message: object, message_id: str = "m-1", **attributes: str) -> dict[str, object]:
    """What SNS writes to a queue without raw delivery."""
    return {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-11-22T10:00:00.000Z",
        "SignatureVersion": "1",
        "Signature": "…",
        "MessageAttributes": {
            name: {"Type": "String", "Value": value} for name, value in attributes.items()
        },
    }


def eventbridge(kind: str = "Object Created", **fields: object) -> dict[str, object]:
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-11-22T00:00:00Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:s3:::uploads"],
        "detail": {"bucket": {"name": "uploads"}, "object": {"key": "a b.txt"}},
        **fields,
    }


def record(key: str = "a.txt", name: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-11-22T10:00:00.000Z",
        "eventName": name,
        "s3": {"bucket": {"name": "uploads"}, "object": {"key": key, "sequencer": "0055AE"}},
    }


def s3(*records: object) -> dict[str, object]:
    return {"Records": list(records) or [record()]}


S3_TEST = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads"}
POINTER = [
    "software.amazon.payloadoffloading.PayloadS3Pointer",
    {"s3BucketName": "large", "s3Key": "some/key"},
]


def celery(
    args: list[object] | None = None,
    kwargs: dict[str, object] | None = None,
    *,
    flow: dict[str, object] | None = None,
    media: str = "application/json",
    **headers: object,
) -> dict[str, Any]:
    """What Celery's client writes for SQS, before kombu puts it into base64."""
    links = {"callbacks": None, "errbacks": None, "chain": None, "chord": None, **(flow or {})}
    body = json.dumps([args or [], kwargs or {}, links])
    return {
        "body": base64.b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": media,
        "headers": {
            "lang": "py",
            "task": "echo",
            "id": "3f9b4f9e-7a35-4b8c-8f5e-6a6f0f6f8f10",
            "eta": None,
            "expires": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": "3f9b4f9e-7a35-4b8c-8f5e-6a6f0f6f8f10",
            "parent_id": None,
            **headers,
        },
        "properties": {"correlation_id": "3f9b", "body_encoding": "base64", "priority": 0},
    }


def over_amqp(envelope: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """What Celery's client sends to an AMQP broker instead: its body, and attributes beside it."""
    kept = {name: envelope[name] for name in ("content-type", "content-encoding")}
    return base64.b64decode(envelope["body"]), over_amqp_beside(envelope["headers"] | kept)


def over_amqp_beside(given: Mapping[str, object]) -> dict[str, str]:
    """Headers of AMQP as decoders see them, see docs/wire-format.md."""
    return {name: in_words(value) for name, value in given.items() if value is not None}


def in_words(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str) else json.dumps(value)


def kombu(envelope: dict[str, Any]) -> bytes:
    return base64.b64encode(text(envelope))
