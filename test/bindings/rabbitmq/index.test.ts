import { connect } from "amqplib";
import type { Channel, ConsumeMessage } from "amqplib";
import { expect, onTestFinished, test } from "vitest";
import type { InboundEvent } from "../../../src/binding.ts";
import rabbitmq from "../../../src/bindings/rabbitmq/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { startProxy } from "../../servers/proxy.ts";
import type { OpenedQueue } from "../opened-queue.ts";
import { allBytes, errorOf, handled, headerOf, openQueue, textOf, until } from "../opened-queue.ts";

describeWith("rabbitmq", (server) => {
  const open = (
    properties: Record<string, string> = {},
    options?: Parameters<typeof openQueue>[2],
  ): Promise<OpenedQueue> =>
    openQueue(
      rabbitmq,
      {
        host: server.url,
        queueName: uniqueName("orders"),
        deleteWhenUnused: "true",
        ...properties,
      },
      options,
    );

  async function raw(): Promise<Channel> {
    const model = await connect(server.url);
    const channel = await model.createChannel();
    channel.on("error", () => {});
    onTestFinished(() => model.close());
    return channel;
  }

  /** The next message of the queue, as the driver gives it. */
  async function next(queue: string): Promise<ConsumeMessage["properties"] & { content: Buffer }> {
    const channel = await raw();
    let message = await channel.get(queue, { noAck: true });
    await until(async () => {
      if (message === false) message = await channel.get(queue, { noAck: true });
      return message !== false;
    });
    if (message === false) throw new Error("no message");
    return { ...message.properties, content: message.content };
  }

  test("carries every byte, nothing and a megabyte", async () => {
    const queue = await open();
    const reading = await queue.read();
    const large = Buffer.alloc(1024 * 1024, "x");
    await queue.create(allBytes);
    await queue.create(undefined);
    await queue.create(large);
    await until(() => reading.events.length === 3);
    const [bytes, nothing, megabyte] = reading.events.map(({ data }) =>
      Buffer.from(data ?? "none"),
    );
    expect(bytes?.equals(allBytes)).toBe(true);
    expect(nothing?.length).toBe(0);
    expect(megabyte?.equals(large)).toBe(true);
  });

  test("sends as Dapr does: persistent, text/plain, all request metadata as headers", async () => {
    const queueName = uniqueName("orders");
    const queue = await open({ queueName, deleteWhenUnused: "false" });
    onTestFinished(async () => void (await (await raw()).deleteQueue(queueName)));
    await queue.create("hello", { tenant: "blå", traceparent: "00-1-2-01" });
    const message = await next(queueName);
    expect(message.content.toString()).toBe("hello");
    expect(message).toMatchObject({
      deliveryMode: 2,
      contentType: "text/plain",
      headers: { tenant: "blå", traceparent: "00-1-2-01" },
    });
    expect(message.expiration).toBeUndefined();

    await queue.create("{}", {
      ttlInSeconds: "90",
      priority: "300",
      ContentType: "application/json",
      messageID: "m-1",
      correlationid: "c-1",
      type: "order",
    });
    const described = await next(queueName);
    expect(described).toMatchObject({
      expiration: "90000",
      priority: 255,
      contentType: "application/json",
      messageId: "m-1",
      correlationId: "c-1",
      type: "order",
      headers: { priority: "300", ContentType: "application/json" },
    });
  });

  test("refuses a wrong time to live and a wrong priority", async () => {
    const queue = await open();
    await expect(queue.create("x", { ttl: "soon" })).rejects.toThrow("ttl");
    await expect(queue.create("x", { TTL: "-5" })).rejects.toThrow("must be higher than zero");
    await expect(queue.create("x", { priority: "high" })).rejects.toThrow("priority");
    await expect(queue.create("x", { ["n".repeat(300)]: "x" })).rejects.toMatchObject({
      reason: "invalid_argument",
      effect: "rejected",
    });
    // None of them has harmed the channel; an empty time to live is none, not an immediate end.
    const reading = await queue.read();
    await queue.create("fine", { ttl: "" });
    await until(() => reading.texts.includes("fine"));
  });

  test("expires messages by their own time to live and by the queue's", async () => {
    const queueName = uniqueName("orders");
    const queue = await open({ queueName, deleteWhenUnused: "false", ttl: "20ms" });
    onTestFinished(async () => void (await (await raw()).deleteQueue(queueName)));
    const other = await open();
    await queue.create("gone");
    await other.create("gone too", { ttl: "20ms" });
    await other.create("stays");
    await until(async () => (await queue.backlog()) === 0 && (await other.backlog()) === 1);
    const reading = await other.read();
    await until(() => reading.events.length === 1);
    expect(reading.texts).toEqual(["stays"]);
  });

  test("hands over headers of all types as bytes, and AMQP's properties as metadata", async () => {
    const queueName = uniqueName("orders");
    const queue = await open({ queueName });
    const reading = await queue.read();
    const channel = await raw();
    const notUtf8 = Buffer.from([0x66, 0xff, 0xfe, 0x00, 0x80]);
    const headers = {
      text: "größer",
      marked: "really \ufffd",
      bytes: notUtf8,
      yes: true,
      whole: 42,
      large: { "!": "int64", value: 9007199254740995n },
      fraction: 1.5,
      nothing: null,
      table: { a: 1, b: ["x", true] },
      list: [1, "two"],
      time: { "!": "timestamp", value: 1_700_000_000 },
      decimal: { "!": "decimal", value: { places: 2, digits: 314 } },
    };
    channel.sendToQueue(queueName, Buffer.from("x"), {
      headers,
      contentType: "application/json",
      contentEncoding: "identity",
      correlationId: "c",
      messageId: "m",
      replyTo: "r",
      type: "t",
      appId: "a",
      userId: "guest",
      priority: 3,
      timestamp: 1_700_000_000,
      expiration: "60000",
      persistent: true,
    });
    await until(() => reading.events.length === 1);
    const event = reading.events[0]!;
    expect(event.metadata).toEqual({
      exchange: "",
      routingKey: queueName,
      redelivered: "false",
      contentType: "application/json",
      contentEncoding: "identity",
      deliveryMode: "2",
      correlationId: "c",
      messageId: "m",
      replyTo: "r",
      type: "t",
      appId: "a",
      userId: "guest",
      priority: "3",
      timestamp: "1700000000",
      expiration: "60000",
    });
    expect(event.id).toBe("m");
    expect(event.key).toBeUndefined();
    expect(
      Object.fromEntries(event.headers.map(({ name }) => [name, headerOf(event, name)])),
    ).toEqual({
      text: "größer",
      marked: "really \ufffd",
      bytes: notUtf8.toString(),
      yes: "true",
      whole: "42",
      large: "9007199254740995",
      fraction: "1.5",
      nothing: "null",
      table: '{"a":1,"b":["x",true]}',
      list: '[1,"two"]',
      time: "1700000000",
      decimal: "3.14",
    });
    const bytes = event.headers.find(({ name }) => name === "bytes")?.value;
    expect(Buffer.from(bytes ?? []).equals(notUtf8)).toBe(true);
  });

  test("handled: never again; not handled: again", async () => {
    const properties = {
      queueName: uniqueName("orders"),
      durable: "true",
      deleteWhenUnused: "false",
    };
    const queue = await open(properties);
    onTestFinished(async () => void (await (await raw()).deleteQueue(properties.queueName)));
    const reading = await queue.read((event) =>
      Number(textOf(event)) % 2 === 0 ? handled : "keep",
    );
    for (let n = 0; n < 20; n++) await queue.create(String(n));
    await until(() => reading.events.length === 20);
    await queue.close();

    const again = await open(properties);
    const second = await again.read();
    await until(() => second.events.length === 10);
    expect(second.texts).toEqual(["1", "3", "5", "7", "9", "11", "13", "15", "17", "19"]);
    expect(second.events.every(({ metadata }) => metadata["redelivered"] === "true")).toBe(true);
    await second.reader.flush();
    await again.close();

    const third = await open(properties);
    expect(await third.backlog()).toBe(0);
  });

  test("what is returned comes again, at once or after the pause", async () => {
    const queue = await open();
    const at: Record<string, number[]> = {};
    const reading = await queue.read((event) => {
      const text = textOf(event);
      const times = (at[text] ??= []);
      times.push(performance.now());
      if (times.length > 1) return handled;
      return {
        outcome: "returned",
        reason: "not yet",
        ...(text === "later" ? { after: 300 } : {}),
      };
    });
    await queue.create("now");
    await queue.create("later");
    await until(() => reading.events.length === 4);
    const [first = 0, second = 0] = at["later"] ?? [];
    expect(second - first).toBeGreaterThanOrEqual(290);
  });

  test("flush: what was settled is confirmed when it resolves", async () => {
    const properties = { queueName: uniqueName("orders"), deleteWhenUnused: "false" };
    const queue = await open(properties);
    onTestFinished(async () => void (await (await raw()).deleteQueue(properties.queueName)));
    const reading = await queue.read(() => "keep");
    for (let n = 0; n < 50; n++) await queue.create(String(n));
    await until(() => reading.events.length === 50);
    for (const event of reading.events) event.settle(handled);
    await reading.reader.flush();
    await reading.abandon();
    expect(await queue.backlog()).toBe(0);
  });

  test("500 events settled out of order, at most as many at a time as there is room for", async () => {
    const properties = { queueName: uniqueName("orders"), deleteWhenUnused: "false" };
    const queue = await open(properties);
    onTestFinished(async () => void (await (await raw()).deleteQueue(properties.queueName)));
    await Promise.all(Array.from({ length: 500 }, (_, n) => queue.create(String(n))));
    const reading = await queue.read(() => "keep", { maxInFlight: 16 });
    const waiting = new Set<InboundEvent>();
    let seen = 0;
    let most = 0;
    for (let settled = 0; settled < 500; settled++) {
      await until(() => reading.events.length - settled >= Math.min(16, 500 - settled));
      for (const event of reading.events.slice(seen)) waiting.add(event);
      seen = reading.events.length;
      most = Math.max(most, waiting.size);
      // Now one from the middle, now the newest, now the oldest.
      const list = [...waiting];
      const event =
        list[settled % 3 === 0 ? 0 : settled % 3 === 1 ? list.length - 1 : list.length >> 1]!;
      waiting.delete(event);
      event.settle(handled);
    }
    await reading.close();
    expect(new Set(reading.texts).size).toBe(500);
    expect(most).toBeLessThanOrEqual(16);
    expect(await queue.backlog()).toBe(0);
  });

  test("the server hands out no more than there is room for, and more once there is more room", async () => {
    const queue = await open();
    await Promise.all(Array.from({ length: 100 }, (_, n) => queue.create(String(n))));
    const reading = await queue.read(() => "keep", { maxInFlight: 10 });
    await until(() => reading.events.length === 10);
    // It answers in order: after this nothing more is on its way.
    await reading.reader.flush();
    expect(reading.events.length).toBe(10);
    expect(await queue.backlog()).toBe(90);
    reading.reader.credit?.(15);
    await until(() => reading.events.length >= 15);
    await reading.reader.flush();
    expect(reading.events.length).toBeLessThanOrEqual(20);
    reading.reader.credit?.(40);
    await until(() => reading.events.length >= 40);
    await reading.reader.flush();
    expect(reading.events.length).toBeLessThanOrEqual(80);
  });

  test("a prefetchCount of one's own is never passed", async () => {
    const queue = await open({ prefetchCount: "4" });
    await Promise.all(Array.from({ length: 20 }, (_, n) => queue.create(String(n))));
    const reading = await queue.read(() => "keep", { maxInFlight: 64 });
    await until(() => reading.events.length === 4);
    reading.reader.credit?.(200);
    await reading.reader.flush();
    expect(reading.events.length).toBe(4);
  });

  test("prefetchCount 1: one after another, in order, under one key", async () => {
    const queueName = uniqueName("orders");
    const queue = await open({ queueName, prefetchCount: "1" });
    for (let n = 0; n < 50; n++) await queue.create(String(n));
    let busy = 0;
    let most = 0;
    const reading = await queue.read(async () => {
      most = Math.max(most, ++busy);
      await new Promise((resolve) => setImmediate(resolve));
      busy--;
      return handled;
    });
    await until(() => reading.events.length === 50);
    expect(reading.texts).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
    expect(reading.events.every(({ key }) => key === queueName)).toBe(true);
    expect(most).toBe(1);
  });

  test("a higher priority comes first", async () => {
    const queue = await open({ maxPriority: "10" });
    for (const priority of ["1", "9", "5"]) await queue.create(priority, { priority });
    const reading = await queue.read(undefined, { maxInFlight: 1 });
    await until(() => reading.events.length === 3);
    expect(reading.texts).toEqual(["9", "5", "1"]);
  });

  test("an exclusive queue is its reader's alone", async () => {
    const properties = { queueName: uniqueName("mine"), exclusive: "true" };
    const queue = await open(properties);
    // Nobody reads, so there is no queue.
    expect(await errorOf(queue.create("lost?"))).toMatchObject({
      effect: "unsent",
      systemCode: "NO_ROUTE",
    });
    const reading = await queue.read();
    await queue.create("mine");
    await until(() => reading.texts.includes("mine"));
    await queue.ping();
    // A second one opens, as at a reload, and reads once the first one is closed.
    const second = await open(properties);
    await expect(second.read()).rejects.toThrow(/RESOURCE_LOCKED|RESOURCE-LOCKED/);
    await reading.close();
    const next = await second.read();
    await second.create("after");
    await until(() => next.texts.includes("after"));
  });

  test("a priority that no queue can have is refused", async () => {
    await expect(open({ maxPriority: "256" })).rejects.toThrow("must be from 0 to 255");
  });

  test("a deleted queue is never a silent loss", async () => {
    const queueName = uniqueName("orders");
    const queue = await open({ queueName, deleteWhenUnused: "false" });
    const reading = await queue.read();
    const channel = await raw();
    onTestFinished(async () => void (await channel.deleteQueue(queueName)));
    await channel.deleteQueue(queueName);
    await until(() => reading.losses.length === 1);
    expect(String(reading.losses[0])).toContain("was deleted");
    const errors = await Promise.all(
      ["one", "two", "two"].map((text) => errorOf(queue.create(text)).catch(() => "sent")),
    );
    expect(errors[0]).toMatchObject({
      reason: "not_found",
      effect: "unsent",
      systemCode: "NO_ROUTE",
    });
    // It is declared again, so a repetition arrives.
    await until(async () => (await queue.create("three").catch(() => "no")) === undefined);
    const again = await queue.read();
    await until(() => again.texts.includes("three"));
    expect(queue.losses).toEqual([]);
  });

  test("dead letters and quorum queues count the deliveries", async () => {
    const channel = await raw();
    const [quorum, dead] = [uniqueName("quorum"), uniqueName("dead")];
    await channel.assertQueue(quorum, { durable: true, arguments: { "x-queue-type": "quorum" } });
    onTestFinished(async () => void (await channel.deleteQueue(quorum)));
    channel.sendToQueue(quorum, Buffer.from("q"), { persistent: true });
    const { eventOf } = await import("../../../src/bindings/rabbitmq/events.ts");
    const attempts: (number | undefined)[] = [];
    await channel.consume(quorum, (message) => {
      if (message === null) return;
      attempts.push(eventOf(message, { queue: quorum, settle: () => {} }).attempt);
      if (attempts.length < 3) channel.nack(message);
      else channel.ack(message);
    });
    await until(() => attempts.length === 3);
    expect(attempts.slice(1)).toEqual([2, 3]);

    const waiting = uniqueName("waiting");
    await channel.assertQueue(waiting, {
      deadLetterExchange: "",
      deadLetterRoutingKey: dead,
      messageTtl: 1,
      autoDelete: true,
    });
    await channel.assertQueue(dead, {
      deadLetterExchange: "",
      deadLetterRoutingKey: waiting,
      autoDelete: true,
    });
    const rejected: (number | undefined)[] = [];
    await channel.consume(dead, (message) => {
      if (message === null) return;
      rejected.push(eventOf(message, { queue: dead, settle: () => {} }).attempt);
      if (rejected.length < 3) channel.nack(message, false, false);
      else channel.ack(message);
    });
    channel.sendToQueue(dead, Buffer.from("x"));
    await until(() => rejected.length === 3);
    expect(rejected).toEqual([undefined, 2, 3]);
  });

  test("a connection that breaks: what is on its way is ambiguous, the loss is told once, nothing is lost", async () => {
    await using proxy = await startProxy(server);
    const properties = {
      queueName: uniqueName("orders"),
      deleteWhenUnused: "false",
      durable: "true",
    };
    onTestFinished(async () => void (await (await raw()).deleteQueue(properties.queueName)));
    const queue = await open({
      ...properties,
      host: `amqp://guest:guest@${proxy.host}:${proxy.port}`,
    });
    const reading = await queue.read(() => "keep");
    await queue.create("kept");
    await until(() => reading.events.length === 1);
    proxy.stall();
    const onItsWay = errorOf(queue.create("maybe"));
    await new Promise((resolve) => setImmediate(resolve));
    proxy.cut();
    expect(await onItsWay).toMatchObject({ reason: "unavailable", effect: "ambiguous" });
    await until(() => reading.losses.length > 0 && queue.losses.length > 0);
    expect(await errorOf(queue.create("no"))).toMatchObject({
      message: "channel/connection is not open",
      effect: "unsent",
    });
    // Too late, and harmless.
    reading.events[0]?.settle(handled);
    await expect(Promise.resolve(reading.reader.flush())).rejects.toThrow("lost");
    await queue.close();
    expect([reading.losses.length, queue.losses.length]).toEqual([1, 1]);
    const again = await (await open(properties)).read();
    await until(() => again.texts.includes("kept"));
  });

  test("is cancelled by its caller, and says what may have happened", async () => {
    await using proxy = await startProxy(server);
    const queue = await open({ host: `amqp://guest:guest@${proxy.host}:${proxy.port}` });
    expect(await errorOf(queue.create("x", {}, AbortSignal.abort()))).toMatchObject({
      effect: "unsent",
    });
    proxy.stall();
    expect(await errorOf(queue.create("x", {}, AbortSignal.timeout(50)))).toMatchObject({
      reason: "deadline_exceeded",
      effect: "ambiguous",
    });
    proxy.refuse();
  });

  test("nobody there, wrong password, wrong address: an error that says so, without the secret", async () => {
    const address = `${server.host}:${server.port}`;
    expect(await errorOf(open({ host: "amqp://guest:hidden@127.0.0.1:9" }))).toMatchObject({
      reason: "unavailable",
      effect: "unsent",
      systemCode: "ECONNREFUSED",
    });
    const wrong = await errorOf(open({ host: `amqp://guest:hidden@${address}` }));
    expect(wrong).toMatchObject({ reason: "unauthenticated", systemCode: "403" });
    expect(String(wrong)).not.toContain("hidden");
    await expect(open({ host: `amqp://guest:guest@${address}/none` })).rejects.toMatchObject({
      systemCode: "530",
    });
    const misspelt = await errorOf(open({ host: "rabbit://guest:hidden@host" }));
    expect(misspelt).toMatchObject({ reason: "invalid_argument" });
    expect(String(misspelt)).not.toContain("hidden");
    await expect(open({ queueName: "" })).rejects.toThrow("queueName is required");
  });

  test("a peer that never answers is abandoned when the signal aborts", async () => {
    await using proxy = await startProxy(server);
    proxy.stall();
    const host = `amqp://guest:guest@${proxy.host}:${proxy.port}`;
    await expect(open({ host }, { signal: AbortSignal.timeout(200) })).rejects.toMatchObject({
      reason: "deadline_exceeded",
      effect: "unsent",
    });
  });

  test("answers a ping, and how many messages wait", async () => {
    const queue = await open();
    await queue.ping();
    for (let n = 0; n < 3; n++) await queue.create("x");
    expect(await queue.backlog()).toBe(3);
  });
});
