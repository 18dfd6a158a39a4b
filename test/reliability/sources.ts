import { connect } from "amqplib";
import { connectAsync } from "mqtt";
import { stringSerializers, Producer } from "@platformatic/kafka";
import type { Systems } from "../../bench/systems/systems.ts";
import { uniqueName } from "../servers/unique-name.ts";
import type { ProducedEvent } from "./events.ts";
import type { Component } from "./runtime.ts";

/** A system that events come from, and the input component for it. */
export type Source = AsyncDisposable & {
  readonly component: Component;
  /** What a Dapr user would set against loss, beside a Resiliency resource. */
  readonly tuned: Readonly<Record<string, string>>;
  /** Resolves once the server has confirmed the event. */
  send(event: ProducedEvent): Promise<void>;
};

export const sourceNames = ["kafka", "rabbitmq", "mqtt3"] as const;
export type SourceName = (typeof sourceNames)[number];
export const titles: Record<SourceName, string> = {
  kafka: "Kafka",
  rabbitmq: "RabbitMQ",
  mqtt3: "MQTT 3",
};

/** Opens a topic, queue or session of its own, which keeps what is sent while nobody reads. */
export function openSource(
  name: SourceName,
  systems: Systems,
  partitions: number,
): Promise<Source> {
  return { kafka: openTopic, rabbitmq: openQueue, mqtt3: openSession }[name](systems, partitions);
}

async function openTopic(systems: Systems, partitions: number): Promise<Source> {
  const kafka = await systems.kafka();
  const topic = uniqueName("reliability");
  await kafka.createTopic(topic, partitions);
  const producer = new Producer({
    clientId: topic,
    bootstrapBrokers: [kafka.brokers],
    serializers: stringSerializers,
  });
  const metadata = {
    ...{ brokers: kafka.brokers, topics: topic, consumerGroup: topic, authType: "none" },
    ...{ initialOffset: "oldest", direction: "input" },
  };
  return {
    component: { name: "in", type: "bindings.kafka", metadata },
    tuned: { consumeRetryEnabled: "true" },
    async send(event) {
      const message = { topic, key: event.key, value: JSON.stringify(event) };
      await producer.send({ messages: [message], acks: -1 });
    },
    [Symbol.asyncDispose]: async () => producer.close(),
  };
}

async function openQueue(systems: Systems): Promise<Source> {
  const { url } = await systems.rabbitmq();
  const queue = uniqueName("reliability");
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(queue, { durable: true });
  const metadata = {
    ...{ host: url, queueName: queue, durable: "true", deleteWhenUnused: "false" },
  };
  return {
    component: { name: "in", type: "bindings.rabbitmq", metadata },
    tuned: {},
    send: (event) =>
      new Promise((resolve, reject) => {
        channel.sendToQueue(
          queue,
          Buffer.from(JSON.stringify(event)),
          { persistent: true },
          (error) => (error ? reject(error) : resolve()),
        );
      }),
    async [Symbol.asyncDispose]() {
      await channel.deleteQueue(queue);
      await connection.close();
    },
  };
}

async function openSession(systems: Systems): Promise<Source> {
  const { url } = await systems.mosquitto();
  const topic = uniqueName("reliability");
  const clientId = `${topic}-consumer`;
  // The session is made before the runtime comes, so that every event sent has a reader that waits for it.
  const session = await connectAsync(url, { clientId, clean: false });
  await session.subscribeAsync(topic, { qos: 1 });
  await session.endAsync();
  const producer = await connectAsync(url);
  const metadata = {
    ...{ url, topic, consumerID: topic, cleanSession: "false", qos: "1" },
  };
  return {
    component: { name: "in", type: "bindings.mqtt3", metadata },
    tuned: {},
    async send(event) {
      await producer.publishAsync(topic, JSON.stringify(event), { qos: 1 });
    },
    async [Symbol.asyncDispose]() {
      await producer.endAsync();
      // A clean connection of its name ends the session.
      await (await connectAsync(url, { clientId, clean: true })).endAsync();
    },
  };
}
