import type { Msg } from "@nats-io/transport-node";
import { connect as connectAmqp } from "amqplib";
import { Redis } from "ioredis";
import { createConnection } from "mysql2/promise";
import { Client } from "pg";
import kafka from "../../../src/bindings/kafka/index.ts";
import mqtt3 from "../../../src/bindings/mqtt/mqtt3/index.ts";
import mysql from "../../../src/bindings/mysql/index.ts";
import nats from "../../../src/bindings/nats/index.ts";
import postgres from "../../../src/bindings/postgres/index.ts";
import rabbitmq from "../../../src/bindings/rabbitmq/index.ts";
import redis from "../../../src/bindings/redis/redis/index.ts";
import redisStreams from "../../../src/bindings/redis/redis.streams/index.ts";
import { makeStream, natsClient } from "../nats/contract-source.ts";
import { redisClient } from "../redis/redis.streams/contract-source.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { until } from "../../until.ts";
import { endAfterTest } from "../contract.ts";
import type { OpenedOutput } from "../opened-output.ts";
import { recordsOf } from "../kafka/component.ts";
import { rawClient } from "../mqtt/mqtt3/raw-client.ts";
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

describeWith("nats", (server) => {
  testHostileValues(nats, ["the subject", "a header", "the id"], async () => {
    const client = natsClient(server);
    const stream = await makeStream(client);
    const came: Msg[] = [];
    await client.run(async (connection) => {
      connection.subscribe(">", {
        callback: (_, message) => void (message.subject.startsWith(stream) && came.push(message)),
      });
      await connection.flush();
    });
    const arrived = async () => {
      await client.run((connection) => connection.flush());
      return came.splice(0);
    };
    const subject = `${stream}.a`;
    const named = async (name: string) =>
      (await arrived()).map(({ headers }) => headers?.get(name) ?? "");
    return {
      properties: { servers: server.url, stream: "none", consumer: "none" },
      places: {
        "the subject": {
          send: (output, value) => output.invoke("create", { subject: `${stream}.${value}` }),
          arrived: async () => (await arrived()).map((one) => one.subject.slice(stream.length + 1)),
        },
        "a header": {
          send: (output, value) => output.invoke("publish", { subject, "header:mark": value }),
          arrived: () => named("mark"),
        },
        "the id": {
          send: (output, msgId) => output.invoke("create", { subject, msgId }),
          arrived: () => named("Nats-Msg-Id"),
        },
      },
    };
  });
});

describeWith("redis", (server) => {
  testHostileValues(redisStreams, ["a field's value", "a field's name"], async () => {
    const client = redisClient(server);
    const stream = uniqueName("orders");
    const arrived = async (at: number) => {
      const entries = await client.xrange(stream, "-", "+");
      await client.del(stream);
      return entries.map(([, fields]) => fields[at] ?? "");
    };
    return {
      properties: {
        ...{ redisHost: `${server.host}:${server.port}`, redisPassword: "" },
        ...{ stream, consumerGroup: "none" },
      },
      places: {
        "a field's value": {
          send: (output, value) => output.invoke("create", { "field:mark": value }),
          arrived: () => arrived(3),
        },
        "a field's name": {
          send: (output, value) => output.invoke("create", { [`field:${value}`]: "x" }),
          arrived: () => arrived(2),
        },
      },
    };
  });
});
