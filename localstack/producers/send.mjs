// The AWS SDK for JavaScript: the body is a whole CloudEvent. Sent again with the same id and
// source, it is still one task.
import { randomUUID } from "node:crypto";
import { GetQueueUrlCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

// Given as an option, the endpoint holds; else the SDK goes to the host of the queue's URL.
const sqs = new SQSClient({ endpoint: process.env.AWS_ENDPOINT_URL });
const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: process.env.QUEUE }));
const event = {
  specversion: "1.0",
  id: randomUUID(),
  source: "/shop",
  type: "order.ship",
  time: new Date().toISOString(),
  data: { order: 3 },
};
const sent = await sqs.send(
  new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(event) }),
);
console.log(sent.MessageId);
