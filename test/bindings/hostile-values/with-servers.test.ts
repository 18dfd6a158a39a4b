import { connect as connectAmqp } from "amqplib";
import { Redis } from "ioredis";
import { createConnection } from "mysql2/promise";
import { Client } from "pg";
import amqp from "../../../src/bindings/amqp/index.ts";
import kafka from "../../../src/bindings/kafka/index.ts";
import mqtt3 from "../../../src/bindings/mqtt/mqtt3/index.ts";
import mysql from "../../../src/bindings/mysql/index.ts";
import postgres from "../../../src/bindings/postgres/index.ts";
import rabbitmq from "../../../src/bindings/rabbitmq/index.ts";
import redis from "../../../src/bindings/redis/redis/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { until } from "../../until.ts";
import { connectPeer } from "../amqp/peer.ts";
import { endAfterTest } from "../contract.ts";
import { recordsOf } from "../kafka/component.ts";
import { rawClient } from "../mqtt/mqtt3/raw-client.ts";
import type { OpenedOutput } from "../opened-output.ts";
import { testHostileValues } from "./suite.ts";

describeWith("redis", (server) => {
  testHostileValues(redis, ["the key"], async () => {
    const client = new Redis(server.port, server.host);
    endAfterTest(() => client.disconnect());
    const mark = uniqueName("mark");
    return {
      properties: { redisHost: `${server.host}:${server.port}`, redisPassword: "" },
      places: {
        "the key": {
          send: (output, value) =>
            output.invoke("create", { key: `${value}${mark}` }, { data: "hello" }),
          async arrived() {
            const keys = await client.keys(`*${mark}`);
            if (keys.length > 0) await client.del(keys);
            return keys.map((key) => key.slice(0, -mark.length));
          },
        },
      },
    };
  });
});

describeWith("kafka", (server) => {
  testHostileValues(kafka, ["the message's key", "a header"], async () => {
    const { brokers } = server;
    const topic = uniqueName("orders");
    await server.createTopic(topic, 1);
    let sent = 0;
    let read = 0;
    const newRecords = async () => {
      const records = sent === 0 ? [] : await recordsOf(brokers, topic, sent);
      return records.slice(read, (read = sent));
    };
    return {
      properties: { brokers, authType: "none", publishTopic: topic },
      places: {
        "the message's key": {
          async send(output, partitionKey) {
            await output.invoke("create", { partitionKey }, { data: "hello" });
            sent++;
          },
          arrived: async () => (await newRecords()).map(({ key }) => String(key)),
        },
        "a header": {
          async send(output, value) {
            await output.invoke("create", { mark: value }, { data: "hello" });
            sent++;
          },
          arrived: async () =>
            (await newRecords()).map(({ headers }) =>
              String([...headers].find(([name]) => String(name) === "mark")?.[1]),
            ),
        },
      },
    };
  });
});

describeWith("rabbitmq", (server) => {
  testHostileValues(rabbitmq, ["the correlation id", "a header"], async () => {
    const queueName = uniqueName("orders");
    const model = await connectAmqp(server.url);
    endAfterTest(() => model.close());
    const channel = await model.createChannel();
    const messages = async () => {
      const message = await channel.get(queueName, { noAck: true });
      return message === false ? [] : [message.properties];
    };
    return {
      properties: { host: server.url, queueName, durable: "true" },
      places: {
        "the correlation id": {
          send: (output, correlationID) =>
            output.invoke("create", { correlationID }, { data: "hello" }),
          arrived: async () => (await messages()).map((one) => String(one.correlationId)),
        },
        "a header": {
          send: (output, mark) => output.invoke("create", { mark }, { data: "hello" }),
          arrived: async () => (await messages()).map((one) => String(one.headers?.["mark"])),
        },
      },
    };
  });
});

describeWith("mosquitto", (server) => {
  testHostileValues(mqtt3, ["the topic"], async () => {
    const root = uniqueName("orders");
    const { received } = await rawClient(server.url, `${root}/#`);
    let sent = 0;
    return {
      properties: { url: server.url, topic: root, consumerID: uniqueName("shop") },
      places: {
        "the topic": {
          async send(output, value) {
            await output.invoke("create", { topic: `${root}/${value}` }, { data: "hello" });
            sent++;
          },
          async arrived() {
            await until(() => received.length >= sent, { what: "the messages" });
            sent = 0;
            return received.splice(0).map(({ topic }) => topic.slice(root.length + 1));
          },
        },
      },
    };
  });
});

describeWith("mariadb", (server) => {
  testHostileValues(mysql, ["a parameter by place", "a parameter by name"], async () => {
    const client = await createConnection(server.url);
    endAfterTest(() => client.end());
    const table = uniqueName("orders").replaceAll("-", "_");
    await client.query(`CREATE TABLE ${table} (payload longtext)`);
    const insert = (output: OpenedOutput, mark: string, params: unknown) =>
      output.invoke("exec", {
        sql: `INSERT INTO ${table} VALUES (${mark})`,
        params: JSON.stringify(params),
      });
    const arrived = async (): Promise<string[]> => {
      const [rows] = await client.query(`DELETE FROM ${table} RETURNING payload`);
      return (rows as { payload: string }[]).map(({ payload }) => payload);
    };
    return {
      properties: { url: `admin:opensesame@tcp(${server.host}:${server.port})/shop` },
      places: {
        "a parameter by place": {
          send: (output, value) => insert(output, "?", [value]),
          arrived,
        },
        "a parameter by name": {
          send: (output, value) => insert(output, ":value", { value }),
          arrived,
        },
      },
    };
  });
});

describeWith("postgres", (server) => {
  testHostileValues(postgres, ["a parameter"], async () => {
    const client = new Client(server.url);
    await client.connect();
    endAfterTest(() => client.end());
    const table = uniqueName("orders").replaceAll("-", "_");
    await client.query(`CREATE TABLE ${table} (payload text)`);
    return {
      properties: { connectionString: server.url },
      places: {
        "a parameter": {
          send: (output, value) =>
            output.invoke("exec", {
              sql: `INSERT INTO ${table} VALUES ($1)`,
              params: JSON.stringify([value]),
            }),
          async arrived() {
            const sql = `DELETE FROM ${table} RETURNING payload`;
            return (await client.query<{ payload: string }>(sql)).rows.map(
              ({ payload }) => payload,
            );
          },
        },
      },
    };
  });
});

describeWith("artemis", (server) => {
  const places = ["the address", "the subject", "a header", "a header's name", "an annotation"];
  testHostileValues(amqp, places, async () => {
    const root = uniqueName("orders");
    const peer = await connectPeer(server.url);
    const messages = async (address = root) => {
      const came = await peer.receive(address, await peer.count(address));
      return came.flatMap(({ message }) => message ?? []);
    };
    const sent = (metadata: (value: string) => Record<string, string>) => ({
      send: (output: OpenedOutput, value: string) =>
        output.invoke("create", metadata(value), { data: "hello" }),
    });
    let address = "";
    return {
      properties: { url: server.url, address: root, capability: "queue" },
      places: {
        "the address": {
          ...sent((value) => ({ address: (address = `${root}${value}`) })),
          async arrived() {
            const isRefused = /\p{Cc}/u.test(address) || address.length > 4096;
            return isRefused ? [] : (await messages(address)).map(() => address.slice(root.length));
          },
        },
        "the subject": {
          ...sent((subject) => ({ subject })),
          arrived: async () => (await messages()).map(({ subject }) => String(subject)),
        },
        "a header": {
          ...sent((value) => ({ "header:mark": value })),
          arrived: async () =>
            (await messages()).map((one) => String(one.application_properties?.["mark"])),
        },
        "a header's name": {
          ...sent((value) => ({ [`header:${value}`]: "x" })),
          arrived: async () =>
            (await messages()).flatMap((one) => Object.keys(one.application_properties ?? {})),
        },
        "an annotation": {
          ...sent((value) => ({ "annotation:x-opt-mark": value })),
          arrived: async () =>
            (await messages()).map((one) => String(one.message_annotations?.["x-opt-mark"])),
        },
      },
    };
  });
});
