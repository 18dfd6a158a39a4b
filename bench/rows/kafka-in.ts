import { Admin, Producer } from "@platformatic/kafka";
import { uniqueName } from "../../test/servers/unique-name.ts";
import { Batches } from "./batches.ts";
import type { EventSource } from "./event-source.ts";
import { eventContender } from "./events.ts";
import { endOffset } from "./kafka-out.ts";
import type { Bench, Row } from "./row.ts";

const latencyRate = 1000;

/** One partition, keys by the thousand. */
export const kafkaInRow: Row = {
  name: "kafka-in",
  title: "Kafka → app, keyed records, one partition",
  latencyRate,
  contenders: ["cufflink-unary", "cufflink-stream", "before", "daprd", "floor"],
  requirements: [
    { measure: "rate", contender: "cufflink-unary", of: "daprd", atLeast: 5, aim: 6 },
    { measure: "rate", contender: "cufflink-stream", of: "daprd", atLeast: 5, aim: 10 },
    { measure: "rate", contender: "cufflink-stream", of: "before", atLeast: 0.95 },
  ],
  open(contender, bench) {
    const few = contender === "cufflink-unary" || contender === "daprd";
    return eventContender(contender, bench, {
      system: "kafka",
      keys: 1000,
      ordered: true,
      waiting: bench.count(few ? 40_000 : 120_000),
      latencyRate,
      paced: bench.count(2000),
      open: () => openTopic(bench),
    });
  },
};

/** The same with and without the history of events, which may cost a twentieth. */
export const historyRow: Row = {
  ...kafkaInRow,
  name: "history",
  title: "Kafka → app, stream, with and without the history of events",
  contenders: ["cufflink-stream", "cufflink-forgetful"],
  requirements: [
    { measure: "rate", contender: "cufflink-stream", of: "cufflink-forgetful", atLeast: 0.95 },
    { measure: "cpu", contender: "cufflink-stream", of: "cufflink-forgetful", atMost: 1.05 },
  ],
};

/** What the process takes while events go out one by one. */
export const kafkaMemoryRow: Row = {
  name: "kafka-memory",
  title: "20,000 Kafka events → unary app",
  contenders: ["cufflink-unary", "daprd"],
  requirements: [
    { measure: "peak", contender: "cufflink-unary", of: "daprd", atMost: 1.2, aim: 1 },
  ],
  open: (contender, bench) =>
    eventContender(contender, bench, {
      system: "kafka",
      keys: 1000,
      ordered: true,
      waiting: bench.count(20_000),
      latencyRate,
      paced: 0,
      open: () => openTopic(bench),
    }),
};

async function openTopic(bench: Bench): Promise<EventSource> {
  const kafka = await bench.systems.kafka();
  const topic = uniqueName("in");
  await kafka.createTopic(topic, 1);
  const bootstrapBrokers = kafka.brokers.split(",");
  const producer = new Producer({ clientId: "bench", bootstrapBrokers });
  // What is sent in one turn goes out as one request: by itself the driver sends one a message.
  const batches = new Batches<{ topic: string; key: Buffer; value: Buffer }>(async (messages) => {
    await producer.send({ messages, acks: -1 });
  });
  return {
    component: {
      name: "in",
      type: "kafka",
      metadata: {
        brokers: kafka.brokers,
        topics: topic,
        consumerGroup: topic,
        initialOffset: "oldest",
        authType: "none",
      },
    },
    address: kafka.brokers,
    source: topic,
    send: (key, value) => batches.add({ topic, key: Buffer.from(key), value }),
    async unsettled() {
      const end = await endOffset(kafka.brokers, topic);
      return end - (await committedOffset(bootstrapBrokers, topic));
    },
    async [Symbol.asyncDispose]() {
      await producer.close();
      const admin = new Admin({ clientId: "bench", bootstrapBrokers });
      await admin.deleteTopics({ topics: [topic] });
      await admin.close();
    },
  };
}

/** The group's offset in the topic's one partition; the group is called as the topic. */
async function committedOffset(bootstrapBrokers: string[], topic: string): Promise<number> {
  const admin = new Admin({ clientId: "bench", bootstrapBrokers });
  try {
    const groups = [{ groupId: topic, topics: [{ name: topic, partitionIndexes: [0] }] }];
    const [group] = await admin.listConsumerGroupOffsets({ groups });
    return Number(group?.topics[0]?.partitions[0]?.committedOffset ?? 0n);
  } finally {
    await admin.close();
  }
}
