import { setTimeout as pause } from "node:timers/promises";
import { connect as connectRabbit } from "amqplib";
import { Client } from "pg";
import { expect, onTestFinished, test } from "vitest";
import { openComponent, until } from "../bindings/kafka/component.ts";
import { numbers, operate, Topics, write } from "../bindings/kafka/topics.ts";
import { makeStream, natsClient } from "../bindings/nats/contract-source.ts";
import { redisClient } from "../bindings/redis/redis.streams/contract-source.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { startProxy } from "../servers/proxy.ts";
import { backlogOf, scalerOf, trigger } from "./scaler-of-test.ts";

const soon = { timeout: 20_000, interval: 20 };

describeWith("kafka", (kafka) => {
  test("a group's backlog is told without joining or making it, and with what its readers have not handled", async () => {
    const topic = await new Topics(kafka).make(3);
    const group = uniqueName("shop");
    const own = { brokers: kafka.brokers, topics: topic, consumerGroup: group, authType: "none" };
    const metadata = { ...own, publishTopic: topic };
    const scaler = await scalerOf({
      oldest: { type: "kafka", metadata: { ...metadata, initialOffset: "oldest" } },
      newest: { type: "kafka", metadata: { ...metadata, initialOffset: "newest" } },
    });
    const groups = () =>
      operate(kafka.brokers, async (admin) => [...(await admin.listGroups()).keys()]);
    expect(await backlogOf(scaler, "newest")).toBe(0);
    const component = await openComponent({ ...metadata, initialOffset: "oldest" });
    await write(component, numbers(7));
    expect(await backlogOf(scaler, "oldest")).toBe(7);
    await pause(25);
    // Without a commit nobody knows where it will begin; that it must begin is known.
    expect(await backlogOf(scaler, "newest")).toBe(1);
    expect(await groups()).not.toContain(group);
    const held = new Set(["3", "5"]);
    const reader = await component.read((event) => !held.has(Buffer.from(event.data!).toString()));
    await until(() => reader.handled.length === 5);
    // Those that the app has count, too.
    await expect.poll(() => backlogOf(scaler, "oldest"), soon).toBe(2);
    const members = await operate(kafka.brokers, (admin) =>
      admin.describeGroups({ groups: [group] }),
    );
    expect(members.get(group)?.members.size).toBe(1);
    await component[Symbol.asyncDispose]();
    await expect.poll(() => backlogOf(scaler, "newest"), soon).toBe(2);
  });
});

describeWith("redis", (redis) => {
  const place = () => {
    const client = redisClient(redis);
    const stream = uniqueName("orders");
    const host = { redisHost: `${redis.host}:${redis.port}`, redisPassword: "" };
    const metadata = { ...host, stream, consumerGroup: "shop" };
    return { client, stream, metadata };
  };

  test("a stream's backlog is what its group has not acknowledged; no group is made", async () => {
    const { client, stream, metadata } = place();
    const scaler = await scalerOf({
      oldest: { type: "redis.streams", metadata: { ...metadata, startFrom: "oldest" } },
      newest: { type: "redis.streams", metadata: { ...metadata, startFrom: "newest" } },
    });
    expect(await backlogOf(scaler, "oldest")).toBe(0);
    expect(await client.exists(stream)).toBe(0);
    for (const text of ["a", "b", "c"]) await client.xadd(stream, "*", "data", text);
    await expect.poll(() => backlogOf(scaler, "oldest"), soon).toBe(3);
    await expect.poll(() => backlogOf(scaler, "newest"), soon).toBe(1);
    expect(await client.xinfo("GROUPS", stream)).toEqual([]);
    await client.xgroup("CREATE", stream, "shop", "0");
    const one = ["GROUP", "shop", "one", "COUNT", 1, "STREAMS", stream, ">"] as const;
    await client.call("XREADGROUP", ...one);
    await expect.poll(() => backlogOf(scaler, "newest"), soon).toBe(3);
    await client.call("XACK", stream, "shop", (await client.xrange(stream, "-", "+"))[0]![0]);
    await expect.poll(() => backlogOf(scaler, "newest"), soon).toBe(2);
    expect(await client.xinfo("CONSUMERS", stream, "shop")).toHaveLength(1);
  });

  test("external-push is told at once, and each time that there is work or none", async () => {
    const { client, stream, metadata } = place();
    await client.xgroup("CREATE", stream, "shop", "0", "MKSTREAM");
    const scaler = await scalerOf({ orders: { type: "redis.streams", metadata } });
    const ended = new AbortController();
    onTestFinished(() => ended.abort());
    const wanted = trigger("orders", { activationBacklog: "1" });
    const answers = scaler.client.streamIsActive(wanted, { signal: ended.signal });
    const told = answers[Symbol.asyncIterator]();
    expect((await told.next()).value).toMatchObject({ result: false });
    const first = String(await client.xadd(stream, "*", "data", "a"));
    await expect.poll(() => backlogOf(scaler, "orders"), soon).toBe(1);
    await client.xadd(stream, "*", "data", "b");
    expect((await told.next()).value).toMatchObject({ result: true });
    await client.call("XREADGROUP", "GROUP", "shop", "one", "STREAMS", stream, ">");
    await client.xack(stream, "shop", first);
    expect((await told.next()).value).toMatchObject({ result: false });
  });

  test("a broker that is away is told as that, changes nothing of streams, and is asked again", async () => {
    const { client, stream, metadata } = place();
    await client.xgroup("CREATE", stream, "shop", "0", "MKSTREAM");
    await using proxy = await startProxy(redis);
    const redisHost = `${proxy.host}:${proxy.port}`;
    const scaler = await scalerOf(
      { orders: { type: "redis.streams", metadata: { ...metadata, redisHost } } },
      { timeout: 2_000 },
    );
    const ended = new AbortController();
    onTestFinished(() => ended.abort());
    const answers = scaler.client.streamIsActive(trigger("orders"), { signal: ended.signal });
    const told = answers[Symbol.asyncIterator]();
    expect((await told.next()).value).toMatchObject({ result: false });
    proxy.refuse();
    proxy.cut();
    const isActive = () =>
      scaler.client.isActive(trigger("orders")).then(
        ({ result }) => String(result),
        (error: unknown) => String(error),
      );
    await expect.poll(isActive, soon).toMatch(/\[(unavailable|deadline_exceeded)\].*orders/);
    // What there is to scale is known all the same.
    await expect(scaler.client.getMetricSpec(trigger("orders"))).resolves.toBeDefined();
    await expect.poll(() => scaler.warnings, soon).toHaveLength(1);
    await client.xadd(stream, "*", "data", "a");
    proxy.heal();
    expect((await told.next()).value).toMatchObject({ result: true });
    await expect.poll(isActive, soon).toBe("true");
    expect(scaler.warnings).toEqual([expect.stringContaining("nobody knows at the moment")]);
  });
});

describeWith("rabbitmq", (rabbitmq) => {
  test("a queue's messages are counted and stay; a queue that is not there is not made", async () => {
    const model = await connectRabbit(rabbitmq.url);
    onTestFinished(() => model.close());
    const channel = await model.createChannel();
    const queueName = uniqueName("orders");
    const absent = uniqueName("absent");
    await channel.assertQueue(queueName, { durable: true });
    for (const text of ["a", "b"]) channel.sendToQueue(queueName, Buffer.from(text));
    await expect.poll(async () => (await channel.checkQueue(queueName)).messageCount).toBe(2);
    const host = rabbitmq.url;
    const own = { host, durable: "true", deleteWhenUnused: "false" };
    const scaler = await scalerOf({
      orders: { type: "rabbitmq", metadata: { ...own, queueName } },
      absent: { type: "rabbitmq", metadata: { ...own, queueName: absent } },
      alone: { type: "rabbitmq", metadata: { ...own, queueName: absent, exclusive: "true" } },
    });
    expect(await backlogOf(scaler, "orders")).toBe(2);
    await expect(backlogOf(scaler, "absent")).rejects.toThrow(`queue ${absent} cannot be used`);
    await expect(backlogOf(scaler, "alone")).rejects.toThrow("[failed_precondition]");
    expect(await channel.checkQueue(queueName)).toMatchObject({
      messageCount: 2,
      consumerCount: 0,
    });
    const other = await model.createChannel();
    other.on("error", () => undefined);
    await expect(other.checkQueue(absent)).rejects.toThrow("NOT_FOUND");
  });
});

describeWith("nats", (nats) => {
  test("a consumer's backlog is what it has not settled; no consumer is made", async () => {
    const client = natsClient(nats);
    const stream = await makeStream(client);
    const own = { servers: nats.url, stream, consumer: "shop" };
    const scaler = await scalerOf({
      oldest: { type: "nats", metadata: { ...own, startFrom: "oldest" } },
      newest: { type: "nats", metadata: { ...own, startFrom: "newest" } },
    });
    for (const text of ["a", "b", "c"]) await client.store(`${stream}.a`, text);
    expect(await backlogOf(scaler, "oldest")).toBe(3);
    expect(await backlogOf(scaler, "newest")).toBe(1);
    await expect(client.api(`CONSUMER.INFO.${stream}.shop`)).rejects.toThrow("10014");
  });
});

describeWith("postgres", (postgres) => {
  test("a type that tells no backlog is refused with those that do, and no slot is made", async () => {
    const client = new Client(postgres.url);
    await client.connect();
    onTestFinished(() => client.end());
    const slots = async () =>
      (await client.query("SELECT slot_name FROM pg_replication_slots ORDER BY 1")).rows;
    const before = await slots();
    const scaler = await scalerOf({
      changes: {
        type: "postgres",
        metadata: { connectionString: postgres.url, direction: "input", tables: "orders" },
      },
    });
    const asked = scaler.client.getMetricSpec(trigger("changes"));
    await expect(asked).rejects.toThrow(
      /\[failed_precondition\] component changes has the type bindings\.postgres.*bindings\.kafka/,
    );
    expect(await slots()).toEqual(before);
  });
});
