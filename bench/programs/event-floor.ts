// Reads a source with the raw driver and acknowledges all, in place of runtime and app. Arguments: ORDER SYSTEM.
import { createRequire } from "node:module";
import { GrpcClient } from "../../src/grpc/client.ts";
import {
  decodeStreamAnswer,
  encodeAcknowledge,
  encodeOpening,
} from "../../src/bindings/gcp/pubsub-messages.ts";
import { parseXml, textAt } from "../../src/text/xml.ts";
import { openSqs, openStorageQueue } from "../load/clouds-floor.ts";
import { Report, reportFailures } from "../apps/report.ts";

reportFailures();
const report = new Report(true);
const { address, source } = report.order;
const readers: Record<string, () => Promise<void>> = {
  ...{ kafka, rabbitmq, mqtt, nats },
  ...{ "redis-streams": redisStreams, sqs, "storage-queues": storageQueues, pubsub },
  "pubsub-client": pubsubClient,
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

/** Ten at a time, the most that SQS gives, by four requests at a time; the ten deleted together. */
async function sqs(): Promise<void> {
  const ask = await openSqs(address, source);
  const read = async (): Promise<void> => {
    for (;;) {
      const asked = { MaxNumberOfMessages: 10, WaitTimeSeconds: 20, AttributeNames: ["All"] };
      const { Messages } = (await ask("ReceiveMessage", asked)) as {
        Messages?: { ReceiptHandle: string; Body: string }[];
      };
      if (Messages === undefined || Messages.length === 0) continue;
      for (const { Body } of Messages) report.event(Buffer.from(Body), 0);
      const Entries = Messages.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle }));
      ask("DeleteMessageBatch", { Entries }).catch(fail);
    }
  };
  await Promise.all(Array.from({ length: 4 }, read));
}

/** 32 at a time, the most that Azure gives; each deleted by itself, 16 at a time. */
async function storageQueues(): Promise<void> {
  const ask = await openStorageQueue(address);
  const messages = `/account/${source}/messages`;
  for (;;) {
    const asked = { numofmessages: "32", visibilitytimeout: "30" };
    const list = parseXml(await ask("GET", messages, asked))?.children ?? [];
    if (list.length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    for (const message of list) report.event(Buffer.from(textAt(message, "MessageText") ?? ""), 0);
    const left = list.values();
    const remove = async (): Promise<void> => {
      for (const message of left) {
        const popreceipt = textAt(message, "PopReceipt") ?? "";
        await ask("DELETE", `${messages}/${textAt(message, "MessageId")}`, { popreceipt });
      }
    };
    await Promise.all(Array.from({ length: 16 }, remove));
  }
}

/** A stream with 1,000 messages out, as Google's client has; what came in one answer is acknowledged by one call. */
async function pubsub(): Promise<void> {
  const [host = "", port = ""] = address.split(":");
  const client = new GrpcClient({ host, port: Number(port), lazy: true });
  const subscription = `projects/shop/subscriptions/${source}`;
  const opening = encodeOpening({
    ...{ subscription, ackDeadline: 30, clientId: "floor", maxMessages: 1000, maxBytes: 64 << 20 },
  });
  async function* requests(): AsyncGenerator<Uint8Array> {
    yield opening;
    await new Promise(() => {});
  }
  const path = "/google.pubsub.v1.Subscriber";
  const stream = client.stream(`${path}/StreamingPull`, requests(), { waitForConnection: true });
  for await (const bytes of stream.messages) {
    const { messages } = decodeStreamAnswer(bytes);
    for (const { data } of messages) report.event(data, 0);
    const ids = messages.map(({ ackId }) => ackId);
    client.unary(`${path}/Acknowledge`, encodeAcknowledge(subscription, ids)).catch(fail);
  }
}

/** Google's own client as it is, with 1,000 messages out. */
async function pubsubClient(): Promise<void> {
  process.env["PUBSUB_EMULATOR_HOST"] = address;
  const installed = createRequire(`${process.env["VENDOR_CLIENT"]}/`);
  const { PubSub } = installed("@google-cloud/pubsub") as GooglePubSub;
  const subscription = new PubSub({ projectId: "shop" }).subscription(source, {
    flowControl: { maxMessages: 1000 },
  });
  subscription.on("error", fail);
  subscription.on("message", (message: { data: Buffer; ack(): void }) => {
    report.event(message.data, 0);
    message.ack();
  });
}

type GooglePubSub = {
  readonly PubSub: new (options: { projectId: string }) => {
    subscription(name: string, options: object): NodeJS.EventEmitter;
  };
};

function fail(error: unknown): void {
  throw error;
}
