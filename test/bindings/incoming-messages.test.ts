import { connect as connectAmqp } from "amqplib";
import { Redis } from "ioredis";
import { expect, test, vi } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import amqp from "../../src/bindings/amqp/index.ts";
import http from "../../src/bindings/http/index.ts";
import mqtt3 from "../../src/bindings/mqtt/mqtt3/index.ts";
import mqtt5 from "../../src/bindings/mqtt/mqtt5/index.ts";
import nats from "../../src/bindings/nats/index.ts";
import postgres from "../../src/bindings/postgres/index.ts";
import rabbitmq from "../../src/bindings/rabbitmq/index.ts";
import redis from "../../src/bindings/redis/redis/index.ts";
import sse from "../../src/bindings/sse/index.ts";
import websocket from "../../src/bindings/websocket/index.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { FakeApp } from "../runtime/fake-app.ts";
import { component, startRuntime } from "../runtime/fake-binding.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { bytes, connectPeer } from "./amqp/peer.ts";
import { endAfterTest } from "./contract.ts";
import { startLoopback } from "./http/loopback-server.ts";
import { makeStream, natsClient } from "./nats/contract-source.ts";
import { rawClient } from "./mqtt/mqtt3/raw-client.ts";
import { EventServer } from "./sse/event-server.ts";
import { RawServer } from "./websocket/raw-server.ts";
import { published } from "./postgres/databases.ts";

// One message is at most the half of the budget that its component may hold: a system cannot send without end.

const half = 1_000_000;
const fits = Buffer.alloc(half - 10_000, "x");
const tooLarge = Buffer.alloc(3 * half, "x");
const refusal = `it sent a message of more than ${half} bytes, half of the memory budget (--memory-budget)`;

async function start(binding: AnyBinding, values: Record<string, string>) {
  const budget = new MemoryBudget(2 * half);
  const app = new FakeApp();
  const runtime = startRuntime({ bindings: [binding], app, memory: budget });
  const resolve = async () => ({ values, secrets: [] });
  await runtime.runtime.apply([component(binding.name, {}, { resolve })]);
  return { ...runtime, app, budget };
}

test("sse: an event that is too large is a reason why nothing is read; all others are read", async () => {
  const server = await EventServer.start();
  server.send(fits);
  const values = { url: server.url, direction: "input", maxEventSize: "10Mi" };
  const { app, budget, status } = await start(sse, values);
  await vi.waitFor(() => expect(app.deliveries[0]?.data).toHaveLength(fits.length), 10_000);
  await vi.waitFor(() => expect(budget.used).toBe(0), 10_000);
  server.send(tooLarge);
  await vi.waitFor(() => expect(status().reason).toContain(refusal), 10_000);
  expect(status().state).toBe("stalled");
  expect(budget.used).toBe(0);
});

test("websocket: a message that is too large ends the connection; all others are read", async () => {
  const server = await RawServer.start();
  const values = { url: server.url, direction: "input", maxMessageSize: "10Mi" };
  const { app, budget, lines, status } = await start(websocket, values);
  await vi.waitFor(() => expect(status().state).toBe("running"), 10_000);
  server.send(fits);
  await vi.waitFor(() => expect(app.deliveries[0]?.data).toHaveLength(fits.length), 10_000);
  await vi.waitFor(() => expect(budget.used).toBe(0), 10_000);
  server.send(tooLarge);
  const told = () => expect(JSON.stringify(lines)).toContain("half of the memory budget");
  await vi.waitFor(told, 10_000);
});

test("http: a page that is too large is a reason why nothing is read; all others are read", async () => {
  let body = fits;
  const server = await startLoopback((_received, response) => response.end(body));
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const values = { url: server.url, direction: "input", interval: "20ms" };
  const { app, budget, status } = await start(http, values);
  await vi.waitFor(() => expect(app.deliveries[0]?.data).toHaveLength(fits.length), 10_000);
  await vi.waitFor(() => expect(budget.used).toBe(0), 10_000);
  body = tooLarge;
  await vi.waitFor(() => expect(status().reason).toContain("(--memory-budget)"), 10_000);
  expect(status().state).toBe("stalled");
});

describeWith("redis", (server) => {
  test("redis: a reply that is too large ends the connection, and the next one is there", async () => {
    const client = new Redis(server.port, server.host);
    endAfterTest(() => client.disconnect());
    const [large, small] = [uniqueName("large"), uniqueName("small")];
    await client.mset(large, tooLarge, small, fits);
    const redisHost = `${server.host}:${server.port}`;
    const { invoke, budget } = await start(redis, { redisHost, redisPassword: "" });
    const get = (key: string) => invoke("orders", "get", undefined, { metadata: { key } });
    expect(await get(small)).toHaveLength(fits.length);
    await expect(get(large)).rejects.toThrow(refusal);
    await vi.waitFor(async () => expect(await get(small)).toHaveLength(fits.length), 10_000);
    expect(budget.used).toBe(0);
    await client.del(large, small);
  });
});

describeWith("rabbitmq", (server) => {
  test("rabbitmq: a message that is too large is a reason why nothing is read; all others are read", async () => {
    const queueName = uniqueName("orders");
    const model = await connectAmqp(server.url);
    endAfterTest(() => model.close());
    const channel = await model.createChannel();
    const { app, budget, status } = await start(rabbitmq, { host: server.url, queueName });
    await vi.waitFor(() => expect(status().state).toBe("running"), 10_000);
    channel.sendToQueue(queueName, fits);
    await vi.waitFor(() => expect(app.deliveries[0]?.data).toHaveLength(fits.length), 10_000);
    await vi.waitFor(() => expect(budget.used).toBe(0), 10_000);
    channel.sendToQueue(queueName, tooLarge);
    await vi.waitFor(() => expect(status().reason).toContain(refusal), 10_000);
    expect(status().state).not.toBe("running");
    await channel.deleteQueue(queueName);
  });
});

describeWith("mosquitto", (server) => {
  test.each([
    ["mqtt3", mqtt3, { cleanSession: "true" }],
    ["mqtt5", mqtt5, { sessionExpiryInterval: "0s" }],
  ])(
    "%s: a message that is too large is a reason why nothing is read; all others are read",
    async (...row) => {
      const [, binding, more] = row;
      const topic = uniqueName("orders");
      const { session } = await rawClient(server.url);
      const values = { url: server.url, topic, consumerID: uniqueName("shop") };
      const { app, budget, status } = await start(binding, { ...values, ...more });
      await vi.waitFor(() => expect(status().state).toBe("running"), 10_000);
      await session.publish(topic, fits, false);
      await vi.waitFor(() => expect(app.deliveries[0]?.data).toHaveLength(fits.length), 10_000);
      await vi.waitFor(() => expect(budget.used).toBe(0), 10_000);
      const reasons = new Set<string>();
      const watching = setInterval(() => reasons.add(status().reason), 5);
      await session.publish(topic, tooLarge, false);
      await vi.waitFor(() => expect([...reasons].join()).toContain(refusal), 10_000);
      clearInterval(watching);
    },
  );
});

describeWith("postgres", (server) => {
  test("postgres: a row that is too large is a reason why nothing is read; all others are read", async () => {
    const { properties, run } = await published(server);
    const { app, budget, status, runtime } = await start(postgres, properties);
    endAfterTest(() => runtime.close());
    await vi.waitFor(() => expect(status().state).toBe("running"), 10_000);
    await run(`INSERT INTO $table VALUES (1, repeat('x', ${fits.length}))`);
    await vi.waitFor(() => expect(app.deliveries).toHaveLength(1), 10_000);
    await vi.waitFor(() => expect(budget.used).toBe(0), 10_000);
    await run(`INSERT INTO $table VALUES (2, repeat('x', ${tooLarge.length}))`);
    await vi.waitFor(() => expect(status().reason).toContain(refusal), 10_000);
    expect(status().state).not.toBe("running");
  });
});

describeWith("artemis", (server) => {
  test("amqp: a message that is too large is a reason why nothing is read; all others are read", async () => {
    const address = uniqueName("orders");
    const peer = await connectPeer(server.url);
    const values = { url: server.url, address, capability: "queue", direction: "input" };
    const { app, budget, status } = await start(amqp, values);
    await vi.waitFor(() => expect(status().state).toBe("running"), 10_000);
    await peer.send(address, { body: bytes(fits) });
    await vi.waitFor(() => expect(app.deliveries[0]?.data).toHaveLength(fits.length), 10_000);
    await vi.waitFor(() => expect(budget.used).toBe(0), 10_000);
    await peer.send(address, { body: bytes(tooLarge) });
    await vi.waitFor(() => expect(status().reason).toContain(refusal), 10_000);
    expect(status().state).not.toBe("running");
  });
});

describeWith("nats", { own: true, config: ["max_payload: 8MB"] }, (server) => {
  test("nats: a message that is too large is a reason why nothing is read; all others are read", async () => {
    const client = natsClient(server);
    const stream = await makeStream(client);
    const values = { servers: server.url, stream, consumer: "shop", startFrom: "oldest" };
    const { app, budget, status } = await start(nats, { ...values, direction: "input" });
    await vi.waitFor(() => expect(status().state).toBe("running"), 10_000);
    await client.store(`${stream}.a`, fits);
    await vi.waitFor(() => expect(app.deliveries[0]?.data).toHaveLength(fits.length), 10_000);
    await vi.waitFor(() => expect(budget.used).toBe(0), 10_000);
    const reasons = new Set<string>();
    const watching = setInterval(() => reasons.add(status().reason), 5);
    await client.store(`${stream}.a`, tooLarge);
    await vi.waitFor(() => expect([...reasons].join()).toContain(refusal), 10_000);
    clearInterval(watching);
  });
});
