import {
  Admin,
  Consumer,
  Producer,
  stringDeserializers,
  stringSerializers,
} from "@platformatic/kafka";
import { expect, test } from "vitest";
import { isLong } from "../long.ts";
import { describeWith, uniqueName } from "./describe-with.ts";
import { exchange } from "./exchange.ts";
import { isAlive } from "./ports.ts";

const apiVersions = Buffer.from("0000000a0012000000000007ffff", "hex");

describeWith("kafka", (kafka) => {
  test("creates a topic with the partitions asked for", async () => {
    const topic = uniqueName("orders");
    await kafka.createTopic(topic, 3);
    expect(await partitions(kafka.brokers, topic)).toBe(3);
  });

  test("creates a topic when it is first used", async () => {
    const topic = uniqueName("orders");
    await send(kafka.brokers, topic, "one");
    expect(await partitions(kafka.brokers, topic)).toBe(1);
  });
});

// The faults of `test/faults` stand on these; they take a start of the server each.
describeWith("kafka", { own: true, properties: { "num.partitions": "5" } }, (kafka) => {
  const limit = 120_000;

  test.runIf(isLong)(
    "keeps topics and records over a restart and over a kill",
    { timeout: limit },
    async () => {
      await kafka.createTopic("kept", 2);
      await send(kafka.brokers, "kept", "yes");
      const before = kafka.pid;
      await kafka.restart();
      expect(kafka.pid).not.toBe(before);
      expect(await partitions(kafka.brokers, "kept")).toBe(2);
      await kafka.kill();
      await kafka.start();
      expect(await firstValue(kafka.brokers, "kept")).toBe("yes");
    },
  );

  test.runIf(isLong)("has the options it was given", async () => {
    await send(kafka.brokers, "created", "one");
    expect(await partitions(kafka.brokers, "created")).toBe(5);
  });

  test.runIf(isLong)("is gone after stop", { timeout: limit }, async () => {
    const pid = kafka.pid ?? 0;
    expect(isAlive(pid)).toBe(true);
    await kafka.stop();
    expect(isAlive(pid)).toBe(false);
    await expect(exchange(kafka, apiVersions, /./)).rejects.toThrow(/ECONNREFUSED/);
  });
});

async function partitions(brokers: string, topic: string): Promise<number | undefined> {
  const admin = new Admin({ clientId: "servers", bootstrapBrokers: brokers.split(",") });
  try {
    const metadata = await admin.metadata({ topics: [topic] });
    return metadata.topics.get(topic)?.partitionsCount;
  } finally {
    await admin.close();
  }
}

async function send(brokers: string, topic: string, value: string): Promise<void> {
  const producer = new Producer({
    clientId: "servers",
    bootstrapBrokers: brokers.split(","),
    autocreateTopics: true,
    serializers: stringSerializers,
  });
  try {
    await producer.send({ messages: [{ topic, value }] });
  } finally {
    await producer.close();
  }
}

async function firstValue(brokers: string, topic: string): Promise<string | undefined> {
  const consumer = new Consumer({
    clientId: "servers",
    groupId: uniqueName("readers"),
    bootstrapBrokers: brokers.split(","),
    deserializers: stringDeserializers,
  });
  try {
    const stream = await consumer.consume({ topics: [topic], mode: "earliest" });
    for await (const message of stream) return message.value;
    return undefined;
  } finally {
    await consumer.close(true);
  }
}
