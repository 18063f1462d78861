#!/bin/sh
# Let a topic, an event bus and a bucket feed the queue. Idempotent.
set -eu
arn="arn:aws:sqs:$AWS_REGION:000000000000:$QUEUE"

topic=$(aws sns create-topic --name "$QUEUE" --query TopicArn --output text)
aws sns subscribe --topic-arn "$topic" --protocol sqs --notification-endpoint "$arn" \
  --output text

aws events put-rule --name "$QUEUE" --event-pattern '{"source": ["shop"]}' --output text
aws events put-targets --rule "$QUEUE" --targets "Id=queue,Arn=$arn" --output text

aws s3 mb "s3://$QUEUE"
aws s3api put-bucket-notification-configuration --bucket "$QUEUE" --notification-configuration \
  "{\"QueueConfigurations\": [{\"QueueArn\": \"$arn\", \"Events\": [\"s3:ObjectCreated:*\"]}]}"
