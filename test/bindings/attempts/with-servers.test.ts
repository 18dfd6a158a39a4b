import { connect as connectAmqp } from "amqplib";
import { Redis } from "ioredis";
import { createConnection } from "mysql2/promise";
import { Client } from "pg";
import { describe } from "vitest";
import amqp from "../../../src/bindings/amqp/index.ts";
import http from "../../../src/bindings/http/index.ts";
import mqtt3 from "../../../src/bindings/mqtt/mqtt3/index.ts";
import mysql from "../../../src/bindings/mysql/index.ts";
import postgres from "../../../src/bindings/postgres/index.ts";
import rabbitmq from "../../../src/bindings/rabbitmq/index.ts";
import redis from "../../../src/bindings/redis/redis/index.ts";
import smtp from "../../../src/bindings/smtp/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { bodyOf, connectPeer } from "../amqp/peer.ts";
import { endAfterTest } from "../contract.ts";
import { startLoopback } from "../http/loopback-server.ts";
import { rawClient } from "../mqtt/mqtt3/raw-client.ts";
import { startMailServer } from "../smtp/mail-server.ts";
import { testAttempts } from "./suite.ts";

describe("on this machine", () => {
  for (const [operation, idempotent] of [
    ["post", false],
    ["put", true],
  ] as const) {
    testAttempts(http, operation, async () => {
      const server = await startLoopback();
      endAfterTest(async () => server[Symbol.asyncDispose]());
      return {
        server: { host: "127.0.0.1", port: server.port },
        properties: ({ host, port }) => ({ url: `http://${host}:${port}` }),
        ...{ operation, idempotent, connectsByCall: true },
        request: (data) => ({ data }),
        done: async (mark) => server.received.filter(({ body }) => body.includes(mark)).length,
      };
    });
  }

  testAttempts(smtp, "create", async () => {
    const server = await startMailServer();
    const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };
    return {
      server: { host: "127.0.0.1", port: server.port },
      properties: ({ host, port }) => ({ host, port: String(port), ...mail }),
      ...{ operation: "create", connectsByCall: true },
      request: (data) => ({ data }),
      done: async (mark) => server.received.filter(({ raw }) => raw.includes(mark)).length,
    };
  });
});

describeWith("redis", (server) => {
  const connected = () => {
    const client = new Redis(server.port, server.host);
    endAfterTest(() => client.disconnect());
    return client;
  };
  const properties = ({ host, port }: { host: string; port: number }) => ({
    ...{ redisHost: `${host}:${port}`, redisPassword: "" },
  });

  testAttempts(redis, "increment", async () => {
    const client = connected();
    return {
      ...{ server, properties, operation: "increment" },
      request: (key) => ({ metadata: { key } }),
      done: async (key) => Number(await client.get(key)),
    };
  });

  testAttempts(redis, "create", async () => {
    const client = connected();
    return {
      ...{ server, properties, operation: "create", idempotent: true },
      request: (key) => ({ metadata: { key }, data: "x" }),
      done: async (key) => client.exists(key),
    };
  });
});

describeWith("mariadb", (server) => {
  for (const [operation, prepared, readOnly] of [
    ["exec", true, false],
    ["query", true, false],
    ["query", false, false],
    ["query", true, true],
    ["exec", false, true],
  ] as const) {
    const name = `${operation}${prepared ? " with parameters" : ""}${readOnly ? ", read-only" : ""}`;
    testAttempts(mysql, name, async () => {
      const client = await createConnection(server.url);
      endAfterTest(() => client.end());
      const table = uniqueName("orders").replaceAll("-", "_");
      await client.query(`CREATE TABLE ${table} (payload text)`);
      const value = (mark: string): string => (prepared ? "?" : `'${mark}'`);
      const idempotent: boolean = readOnly;
      return {
        server,
        properties: ({ host, port }) => ({ url: `admin:opensesame@tcp(${host}:${port})/shop` }),
        ...{ operation, idempotent },
        // A query too may write.
        request: (mark) => ({
          metadata: {
            sql: readOnly
              ? `SELECT ${value(mark)}`
              : `INSERT INTO ${table} VALUES (${value(mark)}) RETURNING payload`,
            ...(prepared ? { params: JSON.stringify([mark]) } : {}),
            ...(readOnly ? { readOnly: "true" } : {}),
          },
        }),
        async done(mark) {
          const sql = `SELECT payload FROM ${table} WHERE payload = ?`;
          const [rows] = await client.query(sql, [mark]);
          // What only reads leaves nothing behind.
          return readOnly ? 1 : (rows as unknown[]).length;
        },
      };
    });
  }
});

describeWith("postgres", (server) => {
  for (const operation of ["exec", "query"]) {
    testAttempts(postgres, operation, async () => {
      const client = new Client(server.url);
      await client.connect();
      endAfterTest(() => client.end());
      const table = uniqueName("orders").replaceAll("-", "_");
      await client.query(`CREATE TABLE ${table} (payload text)`);
      return {
        server,
        properties({ host, port }) {
          const url = new URL(server.url);
          return { connectionString: Object.assign(url, { host: `${host}:${port}` }).href };
        },
        operation,
        // A query too may write.
        request: (mark) => ({
          metadata: {
            sql: `INSERT INTO ${table} VALUES ($1) RETURNING payload`,
            params: JSON.stringify([mark]),
          },
        }),
        async done(mark) {
          const sql = `SELECT payload FROM ${table} WHERE payload = $1`;
          return (await client.query(sql, [mark])).rowCount ?? 0;
        },
      };
    });
  }
});

describeWith("rabbitmq", (server) => {
  testAttempts(rabbitmq, "create", async () => {
    const queueName = uniqueName("orders");
    const model = await connectAmqp(server.url);
    endAfterTest(() => model.close());
    const channel = await model.createChannel();
    const came: string[] = [];
    return {
      server,
      properties({ host, port }) {
        const url = Object.assign(new URL(server.url.replace("amqp:", "http:")), {
          ...{ host: `${host}:${port}` },
        }).href;
        return { host: url.replace("http:", "amqp:"), queueName, durable: "true" };
      },
      operation: "create",
      request: (data) => ({ data }),
      async done(mark) {
        for (;;) {
          const message = await channel.get(queueName, { noAck: true });
          if (message === false) break;
          came.push(message.content.toString());
        }
        return came.filter((text) => text === mark).length;
      },
    };
  });
});

describeWith("mosquitto", (server) => {
  testAttempts(mqtt3, "create", async () => {
    const topic = uniqueName("orders");
    const { received } = await rawClient(server.url, topic);
    return {
      server,
      properties: ({ host, port }) => ({
        ...{ url: `mqtt://${host}:${port}`, topic, consumerID: uniqueName("shop") },
      }),
      ...{ operation: "create", connectsByCall: true },
      request: (data) => ({ data }),
      done: async (mark) => received.filter(({ payload }) => String(payload) === mark).length,
    };
  });
});

describeWith("artemis", (server) => {
  testAttempts(amqp, "create", async () => {
    const address = uniqueName("orders");
    const peer = await connectPeer(server.url);
    const came: string[] = [];
    return {
      server,
      properties: ({ host, port }) => ({
        ...{ url: `amqp://admin:admin@${host}:${port}`, address, capability: "queue" },
      }),
      operation: "create",
      request: (data) => ({ data }),
      async done(mark) {
        const waiting = await peer.count(address);
        came.push(...(await peer.receive(address, waiting)).map((one) => bodyOf(one).toString()));
        return came.filter((text) => text === mark).length;
      },
    };
  });
});
