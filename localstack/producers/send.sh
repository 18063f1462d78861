#!/bin/sh
# The aws command line: the body is the arguments of the queue's own task.
set -eu
# Spelled out, because version 1 heeds AWS_ENDPOINT_URL for every service but SQS.
sqs() { aws --endpoint-url "$AWS_ENDPOINT_URL" sqs "$@" --output text; }

url=$(sqs get-queue-url --queue-name "$QUEUE" --query QueueUrl)
sqs send-message --queue-url "$url" --message-body '{"order": 1}' --query MessageId
