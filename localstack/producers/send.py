"""boto3 alone: an attribute of the message names the task, another carries the trace."""  # noqa: INP001  a script

from __future__ import annotations

import json
import os
import secrets

import boto3

sqs = boto3.client("sqs")
queue_url = sqs.get_queue_url(QueueName=os.environ["QUEUE"])["QueueUrl"]
trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
sent = sqs.send_message(
    QueueUrl=queue_url,
    MessageBody=json.dumps({"order": 2, "express": True}),
    MessageAttributes={
        "task": {"DataType": "String", "StringValue": "order.ship"},
        "traceparent": {"DataType": "String", "StringValue": trace},
    },
)
print(sent["MessageId"])  # noqa: T201  how a script speaks
