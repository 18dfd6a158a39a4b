import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Producer } from "@platformatic/kafka";
import { connect as connectAmqp } from "amqplib";
import { connectAsync as connectMqtt } from "mqtt";
import { expect } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import file from "../../src/bindings/file/index.ts";
import kafka from "../../src/bindings/kafka/index.ts";
import mqtt3 from "../../src/bindings/mqtt/mqtt3/index.ts";
import rabbitmq from "../../src/bindings/rabbitmq/index.ts";
import webhook from "../../src/bindings/webhook/index.ts";
import { uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { endAfterTest, type Source } from "./contract.ts";

/** Each sender is another program's client, which takes a restart of its server between two events. */
type KafkaServer = {
  readonly brokers: string;
  createTopic(name: string, partitions: number): Promise<unknown>;
};

const notText = Uint8Array.of(0, 255, 254, 128);

export function kafkaSource(server: KafkaServer): Source {
  const { brokers } = server;
  return {
    binding: kafka,
    // The broker takes 1 MiB with all that surrounds a record.
    largest: 1_040_000,
    ordered: { properties: {}, keys: ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] },
    async place() {
      const topic = uniqueName("orders");
      await server.createTopic(topic, 4);
      const producer = () =>
        new Producer<Buffer>({
          clientId: "contract",
          bootstrapBrokers: brokers.split(","),
        });
      type Message = Parameters<ReturnType<typeof producer>["send"]>[0]["messages"][number];
      let shared = producer();
      endAfterTest(() => shared.close());
      const send = async (message: Omit<Message, "topic">): Promise<void> => {
        const options = { messages: [{ topic, ...message }], acks: -1 };
        try {
          await shared.send(options);
        } catch {
          // The server has restarted since.
          await shared.close().catch(() => undefined);
          shared = producer();
          await shared.send(options);
        }
      };
      return {
        properties: {
          brokers,
          authType: "none",
          topics: topic,
          consumerGroup: topic,
          initialOffset: "oldest",
          heartbeatInterval: "200ms",
        },
        send: (data, key) => send({ key: Buffer.from(key), value: Buffer.from(data) }),
        async sendMarked() {
          await send({
            key: Buffer.from("key"),
            value: Buffer.from("x"),
            timestamp: 1_700_000_000_123n,
            headers: new Map([
              [Buffer.from("bytes"), Buffer.from(notText)],
              [Buffer.from("repeat"), Buffer.from("one")],
              [Buffer.from("repeat"), Buffer.from("two")],
              [Buffer.from("empty"), Buffer.alloc(0)],
            ]),
          });
          return ({ metadata, headers }) => {
            expect(metadata).toMatchObject({
              __topic: topic,
              __key: "key",
              __offset: "0",
              __timestamp: "1700000000123",
            });
            expect(headers.map(({ name, value }) => [name, Buffer.from(value)])).toEqual([
              ["bytes", Buffer.from(notText)],
              ["repeat", Buffer.from("one")],
              ["repeat", Buffer.from("two")],
              ["empty", Buffer.alloc(0)],
            ]);
          };
        },
      };
    },
  };
}

/** A quorum queue with a delivery limit, as its owner has made it: the component's metadata do not say so. */
export function quorumSource(server: { readonly url: string }): Source {
  return rabbitmqSource(server, { "x-queue-type": "quorum", "x-delivery-limit": 20 });
}

export function rabbitmqSource(
  server: { readonly url: string },
  declared: Readonly<Record<string, unknown>> = {},
): Source {
  return {
    binding: rabbitmq,
    largest: 2 ** 20,
    ordered: { properties: { prefetchCount: "1" }, keys: ["all"] },
    async place() {
      const queue = uniqueName("orders");
      const open = async () => {
        const connection = await connectAmqp(server.url);
        const channel = await connection.createConfirmChannel();
        // An ended connection is noticed at the next event.
        connection.on("error", () => undefined);
        channel.on("error", () => undefined);
        await channel.assertQueue(queue, { durable: true, arguments: declared });
        return { connection, channel };
      };
      let opened = await open();
      endAfterTest(() => opened.connection.close());
      const publish = async (data: Uint8Array, options: object): Promise<void> => {
        opened.channel.sendToQueue(queue, Buffer.from(data), { persistent: true, ...options });
        await opened.channel.waitForConfirms();
      };
      const send = async (data: Uint8Array, options: object = {}): Promise<void> => {
        try {
          await publish(data, options);
        } catch {
          // The server has restarted since.
          opened = await open();
          await publish(data, options);
        }
      };
      return {
        properties: { host: server.url, queueName: queue, durable: "true" },
        send: (data) => send(data),
        async sendMarked() {
          await send(Buffer.from("x"), {
            messageId: "m-1",
            correlationId: "c-1",
            contentType: "text/x",
            headers: { text: "grün", bytes: Buffer.from(notText), number: 7, flag: true },
          });
          return ({ metadata, headers }) => {
            expect(metadata).toMatchObject({
              routingKey: queue,
              messageId: "m-1",
              correlationId: "c-1",
              contentType: "text/x",
              redelivered: "false",
            });
            const values = new Map(headers.map(({ name, value }) => [name, Buffer.from(value)]));
            expect(Object.fromEntries(values)).toEqual({
              text: Buffer.from("grün"),
              bytes: Buffer.from(notText),
              number: Buffer.from("7"),
              flag: Buffer.from("true"),
            });
          };
        },
      };
    },
  };
}

export function mqttSource(server: { readonly url: string }): Source {
  return {
    binding: mqtt3,
    largest: 2 ** 20,
    async place() {
      const topic = uniqueName("orders");
      const consumerID = uniqueName("shop");
      const properties = { url: server.url, topic: `${topic}/#`, consumerID };
      const send = async (name: string, data: Uint8Array): Promise<void> => {
        const client = await connectMqtt(server.url);
        await client.publishAsync(name, Buffer.from(data), { qos: 1 });
        await client.endAsync();
      };
      // Who has never been there gets nothing: the session is made before the first event.
      const client = await connectMqtt(server.url, {
        clientId: `${consumerID}-consumer`,
        clean: false,
        protocolVersion: 4,
      });
      await client.subscribeAsync(properties.topic, { qos: 1 });
      await client.endAsync();
      return {
        properties,
        send: (data) => send(topic, data),
        async sendMarked() {
          await send(`${topic}/grün`, Buffer.from("x"));
          return ({ metadata, headers }) => {
            expect(metadata).toEqual({ topic: `${topic}/grün` });
            expect(headers).toEqual([]);
          };
        },
      };
    },
  };
}

export const fileSource: Source = {
  binding: file,
  largest: 2 ** 20,
  async place() {
    const folder = await mkdtemp(join(tmpdir(), "cufflink-contract-"));
    endAfterTest(() => rm(folder, { recursive: true }));
    let files = 0;
    const put = async (name: string, data: Uint8Array): Promise<void> => {
      await writeFile(join(folder, `${name}.part`), data);
      await rename(join(folder, `${name}.part`), join(folder, name));
    };
    return {
      properties: { folder, quietTime: "20ms", scanInterval: "200ms" },
      send: (data) => put(`${++files}.bin`, data),
      async sendMarked() {
        await put("grün file.csv", Buffer.from("12345"));
        return ({ metadata }) =>
          expect(metadata).toMatchObject({ fileName: "grün file.csv", size: "5" });
      },
    };
  },
};

/** Its sender repeats until the answer is 2xx, as senders of webhooks do. */
type Posted = { readonly body: string | Buffer; readonly headers?: [string, string][] };

export const webhookSource: Source = postedSource(webhook);

/** A sender that repeats what was not answered with 2xx, for a binding that listens. */
export function postedSource(
  binding: AnyBinding,
  properties: Record<string, string> = {},
  signed: () => Record<string, string> = () => ({}),
): Source {
  return {
    binding,
    largest: 2 ** 20,
    async place() {
      const address = `127.0.0.1:${await reservePort()}`;
      const ended = new AbortController();
      const sending: Promise<void>[] = [];
      endAfterTest(async () => {
        ended.abort();
        await Promise.all(sending);
      });
      const post = async (path: string, init: Posted): Promise<void> => {
        const { signal } = ended;
        while (!signal.aborted) {
          try {
            const response = await fetch(`http://${address}${path}`, {
              ...{ method: "POST", ...init, signal },
              headers: [...Object.entries(signed()), ...(init.headers ?? [])],
            });
            await response.arrayBuffer();
            if (response.ok) return;
          } catch {
            // Nobody listens yet.
          }
          await pause(10, undefined, { signal }).catch(() => undefined);
        }
      };
      return {
        properties: { ...properties, address, path: "/orders" },
        async send(data) {
          sending.push(post("/orders", { body: Buffer.from(data) }));
        },
        async sendMarked() {
          const headers: [string, string][] = [
            ["x-bytes", "gr\u00fcn"],
            ["content-type", "text/x"],
          ];
          sending.push(post("/orders?a=1&b=%20", { body: "x", headers }));
          return ({ metadata, headers: came }) => {
            expect(metadata).toMatchObject({
              method: "POST",
              path: "/orders",
              query: "a=1&b=%20",
              contentType: "text/x",
            });
            const bytes = came.find(({ name }) => name === "x-bytes")?.value;
            expect(Buffer.from(bytes ?? [])).toEqual(Buffer.from("grün", "latin1"));
          };
        },
      };
    },
  };
}
