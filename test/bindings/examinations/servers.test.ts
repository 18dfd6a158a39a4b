import { randomUUID } from "node:crypto";
import { connect as connectAmqp } from "amqplib";
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import kafka from "../../../src/bindings/kafka/index.ts";
import mqtt3 from "../../../src/bindings/mqtt/mqtt3/index.ts";
import mysql from "../../../src/bindings/mysql/index.ts";
import nats from "../../../src/bindings/nats/index.ts";
import postgres from "../../../src/bindings/postgres/index.ts";
import rabbitmq from "../../../src/bindings/rabbitmq/index.ts";
import redisStreams from "../../../src/bindings/redis/redis.streams/index.ts";
import redis from "../../../src/bindings/redis/redis/index.ts";
import { componentName, startComponent } from "../../../src/testkit/binding/component-runtime.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { knownOf as examine } from "./examined.ts";

describeWith("redis", (server) => {
  const redisHost = `${server.host}:${server.port}`;
  const client = new Redis(server.port, server.host);

  test("redis: a user that may not write, and one that the server does not know", async () => {
    const user = uniqueName("reader");
    await client.call("ACL", "SETUSER", user, "on", ">pw", "~*", "+get", "+ping", "+acl");
    const properties = { redisHost, redisUsername: user, redisPassword: "pw" };
    expect(await examine(redis, properties)).toEqual({
      ...{ reachable: "passed", authenticated: "passed" },
      "may write SET": "failed",
    });
    expect(await examine(redis, { ...properties, redisPassword: "wrong" })).toEqual({
      ...{ reachable: "passed", authenticated: "failed" },
    });
  });

  test("redis: one that may not ask for its rights is known, and the rest stays open", async () => {
    const user = uniqueName("writer");
    await client.call("ACL", "SETUSER", user, "on", ">pw", "~*", "+set", "+ping");
    const properties = { redisHost, redisUsername: user, redisPassword: "pw" };
    expect(await examine(redis, properties)).toEqual({
      ...{ reachable: "passed", authenticated: "passed" },
    });
  });

  test("redis.streams: no stream is made, and a key that is none is told", async () => {
    const stream = uniqueName("stream");
    const properties = { redisHost, stream, consumerGroup: "g", direction: "input" };
    const { [`exists stream ${stream}`]: exists } = await examine(redisStreams, {
      ...properties,
      direction: "output",
    });
    expect(exists).toBe("passed");
    expect(await client.exists(stream)).toBe(0);
    await client.set(stream, "text");
    expect(await examine(redisStreams, properties)).toMatchObject({
      [`exists stream ${stream}`]: "failed",
    });
    client.disconnect();
  });
});

describeWith("rabbitmq", (server) => {
  test("rabbitmq: a queue that is not there is told, and not made", async () => {
    const queueName = uniqueName("queue");
    const { runtime, close } = await startComponent(rabbitmq, {
      ...{ host: server.url, queueName, direction: "output" },
    });
    const connection = await connectAmqp(server.url);
    onTestFinished(async () => {
      await close();
      await connection.close();
    });
    const channel = await connection.createChannel();
    await channel.deleteQueue(queueName);
    const { checks } = await runtime.examine(componentName, 10_000);
    expect(checks).toContainEqual(
      expect.objectContaining({ kind: "exists", subject: `queue ${queueName}`, result: "failed" }),
    );
    const probe = await connection.createChannel();
    probe.on("error", () => {});
    await expect(probe.checkQueue(queueName)).rejects.toThrow("404");
  });

  test("rabbitmq: a wrong password", async () => {
    const host = server.url.replace("guest:guest", "guest:wrong");
    expect(host).not.toBe(server.url);
    const result = await examine(rabbitmq, { host, queueName: uniqueName("queue") });
    expect(result).toEqual({ reachable: "passed", authenticated: "failed" });
  });
});

describeWith("kafka", (server) => {
  test("kafka: a topic that is not there is told, and not made", async () => {
    const topic = uniqueName("topic");
    const properties = { brokers: server.brokers, authType: "none", publishTopic: topic };
    const expected = { reachable: "passed", [`exists topic ${topic}`]: "failed" };
    expect(await examine(kafka, properties)).toEqual(expected);
    expect(await examine(kafka, properties)).toEqual(expected);
    await server.createTopic(topic, 1);
    expect(await examine(kafka, properties)).toMatchObject({ [`exists topic ${topic}`]: "passed" });
  });
});

describeWith("mosquitto", (server) => {
  test("mqtt3: the broker takes the log-in", async () => {
    const properties = { url: server.url, topic: uniqueName("t"), consumerID: randomUUID() };
    expect(await examine(mqtt3, properties)).toEqual({
      ...{ reachable: "passed", authenticated: "passed" },
    });
  });
});

describeWith("postgres", (server) => {
  test("postgres: who it is there, and that the server takes writes", async () => {
    expect(await examine(postgres, { connectionString: server.url })).toEqual({
      ...{ reachable: "passed", authenticated: "passed", "may write": "passed" },
    });
  });

  test("postgres: transactions that are read-only, and a publication that is not there", async () => {
    const readOnly = new URL(server.url);
    readOnly.searchParams.set("options", "-c default_transaction_read_only=on");
    expect(await examine(postgres, { connectionString: readOnly.href })).toMatchObject({
      "may write": "failed",
    });
    const input = {
      direction: "input",
      slot: `slot_${randomUUID().slice(0, 8)}`,
      publications: "nosuch",
    };
    expect(await examine(postgres, { connectionString: server.url, ...input })).toMatchObject({
      "exists publication nosuch": "failed",
    });
  });
});

describeWith("mariadb", (server) => {
  test("mysql: who it is there, and that the server takes writes", async () => {
    expect(
      await examine(mysql, { url: `admin:opensesame@tcp(${server.host}:${server.port})/shop` }),
    ).toEqual({
      ...{ reachable: "passed", authenticated: "passed", "may write": "passed" },
    });
  });
});

describeWith("nats", (server) => {
  test("nats: a stream that is not there", async () => {
    const properties = { servers: server.url, stream: "nosuch", consumer: "c", direction: "input" };
    expect(await examine(nats, properties)).toEqual({
      ...{ reachable: "passed", authenticated: "passed" },
      "exists stream nosuch": "failed",
    });
  });
});
