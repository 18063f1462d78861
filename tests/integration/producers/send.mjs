// Sends one message with the AWS SDK for JavaScript: queue URL, body, attributes as JSON.
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const [QueueUrl, MessageBody, attributes] = process.argv.slice(2);
const MessageAttributes = Object.fromEntries(
  Object.entries(JSON.parse(attributes)).map(([name, StringValue]) => [
    name,
    { DataType: "String", StringValue },
  ]),
);
const sqs = new SQSClient({ endpoint: new URL(QueueUrl).origin });
const sent = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, MessageAttributes }));
console.log(sent.MessageId);
