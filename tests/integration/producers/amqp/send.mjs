// Sends one message with amqplib: URL, queue, body, headers as JSON; prints the id it gave it.
import { randomUUID } from "node:crypto";
import { connect } from "amqplib";

const [url, queue, body, headers] = process.argv.slice(2);
const { "content-type": contentType = "application/json", ...rest } = JSON.parse(headers);
const messageId = randomUUID();
const connection = await connect(url);
const channel = await connection.createConfirmChannel();
channel.sendToQueue(queue, Buffer.from(body), {
  contentType,
  headers: rest,
  messageId,
  persistent: true,
});
await channel.waitForConfirms();
await connection.close();
console.log(messageId);
