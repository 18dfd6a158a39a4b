// Reads a source with the raw driver and acknowledges all, in place of runtime and app. Arguments: ORDER SYSTEM.
import { Report, reportFailures } from "../apps/report.ts";

reportFailures();
const report = new Report(true);
const { address, source } = report.order;
const readers: Record<string, () => Promise<void>> = {
  ...{ kafka, rabbitmq, mqtt, nats },
  "redis-streams": redisStreams,
};
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

/** A pull of 500 at a time, each message acknowledged. */
async function nats(): Promise<void> {
  const { connect, createInbox } = await import("@nats-io/transport-node");
  const client = await connect({ servers: address });
  const config = {
    ...{ durable_name: "bench", ack_policy: "explicit", max_ack_pending: 1000 },
    deliver_policy: "all",
  };
  const body = JSON.stringify({ stream_name: source, config });
  await client.request(`$JS.API.CONSUMER.CREATE.${source}.bench`, body, { timeout: 30_000 });
  const batch = 500;
  for (;;) {
    const inbox = createInbox();
    const messages = client.subscribe(inbox);
    const pull = JSON.stringify({ batch, expires: 1_000_000_000 });
    client.publish(`$JS.API.CONSUMER.MSG.NEXT.${source}.bench`, pull, { reply: inbox });
    let came = 0;
    for await (const message of messages) {
      // What is no message is the end of the pull.
      if (message.reply === undefined || message.reply === "") break;
      report.event(message.data, 0);
      message.respond("+ACK");
      if (++came === batch) break;
    }
  }
}

async function redisStreams(): Promise<void> {
  const { Redis } = await import("ioredis");
  const client = new Redis(address);
  const acknowledging = new Redis(address, { enableAutoPipelining: true });
  for (;;) {
    const found = (await client.callBuffer(
      ...["XREADGROUP", "GROUP", "bench", "floor", "COUNT", "500", "BLOCK", "1000"],
      ...["STREAMS", source, ">"],
    )) as [stream: Buffer, entries: [Buffer, Buffer[]][]] | null;
    for (const [id, fields] of found?.[1] ?? []) {
      const data = fields[3];
      if (data === undefined) throw new Error("an entry has no data");
      report.event(data, 0);
      void acknowledging.xack(source, "bench", id);
    }
  }
}
