// Reads a source with the raw driver and acknowledges all, in place of runtime and app. Arguments: ORDER SYSTEM.
import { Report, reportFailures } from "../apps/report.ts";

reportFailures();
const report = new Report(true);
const { address, source } = report.order;
const readers: Record<string, () => Promise<void>> = { kafka, rabbitmq, mqtt };
await readers[process.argv[3] ?? ""]!();

async function kafka(): Promise<void> {
  const { Consumer } = await import("@platformatic/kafka");
  const consumer = new Consumer({
    clientId: "floor",
    groupId: source,
    bootstrapBrokers: address.split(","),
  });
  const stream = await consumer.consume({ topics: [source], mode: "earliest", autocommit: 1000 });
  stream.on("data", ({ value }: { value: Buffer }) => report.event(value, 0));
}

async function rabbitmq(): Promise<void> {
  const { connect } = await import("amqplib");
  const connection = await connect(address);
  const channel = await connection.createChannel();
  await channel.prefetch(100);
  await channel.consume(source, (message) => {
    if (message === null) throw new Error("the queue is gone");
    report.event(message.content, 0);
    channel.ack(message);
  });
}

async function mqtt(): Promise<void> {
  const { connect } = await import("mqtt");
  const client = connect(address, { clientId: `${source}-consumer`, clean: false, keepalive: 30 });
  client.on("message", (_, payload) => report.event(payload, 0));
  client.on("error", (error) => {
    throw error;
  });
}
