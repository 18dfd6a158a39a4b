import { expect, test, vi } from "vitest";
import type { InboundEvent } from "../../../../src/binding.ts";
import mqtt3 from "../../../../src/bindings/mqtt/mqtt3/index.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { startProxy } from "../../../servers/proxy.ts";
import type { OpenedQueue } from "../../opened-queue.ts";
import { allBytes, errorOf, handled, openQueue, textOf, until } from "../../opened-queue.ts";
import { read } from "../../contract.ts";
import { publishAtMostOnce, rawClient } from "./raw-client.ts";

describeWith("mosquitto", (broker) => {
  const base = (): Record<string, string> => ({
    url: broker.url,
    topic: uniqueName("orders"),
    consumerID: uniqueName("shop"),
  });
  const open = (
    properties: Record<string, string> = {},
    options?: Parameters<typeof openQueue>[2],
  ): Promise<OpenedQueue> => openQueue(mqtt3, { ...base(), ...properties }, options);

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

  test("tells the topic, and sends where the request says", async () => {
    const topic = uniqueName("orders");
    const queue = await open({ topic: `${topic}/+` });
    const reading = await queue.read();
    await queue.create("one", { topic: `${topic}/a` });
    await queue.create("two", { topic: `${topic}/b` });
    await until(() => reading.events.length === 2);
    expect(reading.events.map(({ metadata }) => metadata)).toEqual([
      { topic: `${topic}/a` },
      { topic: `${topic}/b` },
    ]);
    expect(
      reading.events.every(({ key, headers }) => key === undefined && headers.length === 0),
    ).toBe(true);
    expect(await errorOf(queue.create("x"))).toMatchObject({
      reason: "invalid_argument",
      effect: "rejected",
    });
    expect(await errorOf(queue.create("x", { topic: "a/#" }))).toMatchObject({
      reason: "invalid_argument",
    });
    // Neither harmed the connection.
    await queue.create("three", { topic: `${topic}/c` });
    await until(() => reading.texts.includes("three"));
  });

  test("sends with QoS 1, retained where the metadata says so", async () => {
    const properties = base();
    const { topic = "" } = properties;
    const { received } = await rawClient(broker.url, topic);
    await (await open(properties)).create("now");
    await (
      await open({ ...properties, consumerID: uniqueName("shop"), retain: "true" })
    ).create("kept");
    await until(() => received.length === 2);
    expect(received.map(({ qos, retain }) => [qos, retain])).toEqual([
      [1, false],
      [1, false],
    ]);
    const later = await (await open({ ...properties, consumerID: uniqueName("shop") })).read();
    await until(() => later.events.length === 1);
    expect(textOf(later.events[0]!)).toBe("kept");
    expect(later.events[0]?.metadata).toEqual({ topic, retained: "true" });
  });

  test("a message sent with QoS 0 is delivered too", async () => {
    const properties = base();
    const queue = await open(properties);
    const reading = await queue.read();
    publishAtMostOnce(broker, properties["topic"]!, "zero");
    await until(() => reading.events.length === 1);
    expect(reading.texts).toEqual(["zero"]);
  });

  test("handled: never again; not handled: again on the next connection", async () => {
    const properties = base();
    const queue = await open(properties);
    const reading = await queue.read((event) =>
      Number(textOf(event)) % 2 === 0 ? handled : { outcome: "returned", reason: "no" },
    );
    for (let n = 0; n < 10; n++) await queue.create(String(n));
    await until(() => reading.events.length === 10);
    await reading.close();
    await queue.create("10");

    const again = await queue.read();
    await until(() => again.events.length === 6);
    expect(again.texts).toEqual(["1", "3", "5", "7", "9", "10"]);
    expect(again.events.map(({ metadata }) => metadata["duplicate"])).toEqual([
      "true",
      "true",
      "true",
      "true",
      "true",
      undefined,
    ]);
    await again.close();

    const last = await queue.read();
    await queue.create("end");
    await until(() => last.events.length > 0);
    expect(last.texts).toEqual(["end"]);
  });

  test("cleanSession: what is sent while nobody reads is not for us", async () => {
    const properties = { ...base(), cleanSession: "true" };
    const queue = await open(properties);
    const reading = await queue.read(() => "keep");
    await queue.create("one");
    await until(() => reading.events.length === 1);
    await reading.close();
    await queue.create("two");
    const again = await queue.read();
    await queue.create("three");
    await until(() => again.events.length > 0);
    expect(again.texts).toEqual(["three"]);
  });

  test(
    "keep-alive 2 s, handler 10 s: one delivery, and others go on beside it",
    { timeout: 40_000 },
    async () => {
      const queue = await open({ keepAlive: "2s" });
      let slow = 0;
      const reading = await queue.read(async (event) => {
        if (textOf(event) !== "slow") return handled;
        slow++;
        await new Promise((resolve) => setTimeout(resolve, 10_000));
        return handled;
      });
      await queue.create("slow");
      const started = performance.now();
      let n = 0;
      while (performance.now() - started < 10_500) {
        await queue.create(String(n++));
        await until(() => reading.events.length === n + 1);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      await reading.reader.flush();
      expect(slow).toBe(1);
      expect([reading.losses, queue.losses]).toEqual([[], []]);
      await reading.close();
      // And it was acknowledged.
      const again = await queue.read();
      await queue.create("end");
      await until(() => again.events.length > 0);
      expect(again.texts).toEqual(["end"]);
    },
  );

  test("keeps the connection while there is no room for more", { timeout: 20_000 }, async () => {
    const queue = await open({ keepAlive: "1s" });
    let hasRoom = (): void => {};
    const room = new Promise<void>((resolve) => (hasRoom = resolve));
    const reading = await queue.read(undefined, { room: () => room });
    await queue.create("first");
    await until(() => reading.events.length === 1);
    await queue.create("second");
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(reading.losses).toEqual([]);
    expect(reading.texts).toEqual(["first"]);
    hasRoom();
    await until(() => reading.texts.includes("second"));
  });

  test("500 events, settled out of order", async () => {
    const queue = await open();
    const reading = await queue.read(() => "keep");
    const sending = Promise.all(Array.from({ length: 500 }, (_, n) => queue.create(String(n))));
    const waiting = new Set<InboundEvent>();
    let seen = 0;
    for (let settled = 0; settled < 500; settled++) {
      // Mosquitto sends up to 20 that are not acknowledged.
      await until(() => reading.events.length - settled >= Math.min(20, 500 - settled));
      for (const event of reading.events.slice(seen)) waiting.add(event);
      seen = reading.events.length;
      const list = [...waiting];
      const event =
        list[settled % 3 === 0 ? 0 : settled % 3 === 1 ? list.length - 1 : list.length >> 1]!;
      waiting.delete(event);
      event.settle(handled);
    }
    await sending;
    await reading.close();
    expect(new Set(reading.texts).size).toBe(500);
    expect(reading.events.length).toBe(500);
  });

  test("Mosquitto waits at 20 that are not acknowledged, and goes on after each", async () => {
    const queue = await open();
    const reading = await queue.read(() => "keep");
    for (let n = 0; n < 25; n++) await queue.create(String(n));
    await reading.reader.flush();
    expect(reading.events.length).toBe(20);
    // In any order. Mosquitto 2.0 then sends all that waits, so that its limit alone bounds nothing.
    reading.events[7]?.settle(handled);
    await until(() => reading.events.length >= 21);
    for (const event of reading.events) event.settle(handled);
    await until(() => reading.events.length === 25);
  });

  test("a broken connection: what the app still has is not delivered twice", async () => {
    await using proxy = await startProxy(broker);
    const properties = { ...base(), url: `mqtt://${proxy.host}:${proxy.port}` };
    const queue = await open(properties);
    const reading = await queue.read(() => "keep");
    for (const text of ["during", "after", "returned"]) await queue.create(text);
    await until(() => reading.events.length === 3);
    const [during, after, returned] = reading.events;
    proxy.cut();
    await until(() => reading.losses.length === 1 && queue.losses.length === 1);
    // The app answers while there is no connection.
    during?.settle(handled);
    returned?.settle({ outcome: "returned", reason: "the connection is lost" });
    await queue.close();

    const next = await open(properties);
    const second = await next.read();
    await next.create("new");
    await until(() => second.events.length === 2);
    expect(second.texts).toEqual(["returned", "new"]);
    // The app answers once there is a connection again: the acknowledgement goes out on that one.
    after?.settle(handled);
    await second.close();
    const third = await next.read();
    await next.create("end");
    await until(() => third.events.length > 0);
    expect(third.texts).toEqual(["end"]);
    // Before the proxy ends.
    await next.close();
  });

  test("an answer that comes late acknowledges nothing of a new session", async () => {
    const properties = base();
    const queue = await open(properties);
    const reading = await queue.read(() => "keep");
    await queue.create("old");
    await until(() => reading.events.length === 1);
    await reading.close();
    // The broker forgets the session, and counts packet identifiers from 1 again.
    const { session } = await rawClient(
      broker.url,
      undefined,
      `${properties["consumerID"]}-consumer`,
    );
    await session.end();
    const second = await queue.read(() => "keep");
    await queue.create("new");
    await until(() => second.events.length === 1);
    reading.events[0]?.settle(handled);
    await second.close();
    second.events[0]?.settle({ outcome: "returned", reason: "closed" });
    const third = await queue.read();
    await until(() => third.events.length === 1);
    expect(third.texts).toEqual(["new"]);
  });

  test("at a reload the new one opens and sends beside the old one, which ends what it has begun", async () => {
    const properties = base();
    const old = await open(properties);
    const reading = await old.read();
    await old.create("1");
    const fresh = await open(properties);
    // Opening it cut neither the reader nor the producer.
    await Promise.all([
      ...Array.from({ length: 50 }, (_, n) => old.create(`old ${n}`)),
      ...Array.from({ length: 50 }, (_, n) => fresh.create(`new ${n}`)),
    ]);
    await old.create("back again");
    await until(() => reading.events.length >= 102);
    expect(new Set(reading.texts).size).toBe(102);
    expect([old.losses, reading.losses, fresh.losses]).toEqual([[], [], []]);
  });

  test("is cancelled by its caller, and says what may have happened", async () => {
    await using proxy = await startProxy(broker);
    const queue = await open({ url: `mqtt://${proxy.host}:${proxy.port}` });
    await queue.create("x");
    expect(await errorOf(queue.create("x", {}, AbortSignal.abort()))).toMatchObject({
      effect: "unsent",
    });
    proxy.stall();
    expect(await errorOf(queue.create("x", {}, AbortSignal.timeout(50)))).toMatchObject({
      reason: "deadline_exceeded",
      effect: "ambiguous",
    });
    const onItsWay = errorOf(queue.create("x"));
    proxy.cut();
    expect(await onItsWay).toMatchObject({ reason: "unavailable", effect: "ambiguous" });
    await until(() => queue.losses.length === 1);
  });

  test("a dead connection is found by its silence", { timeout: 20_000 }, async () => {
    await using proxy = await startProxy(broker);
    const queue = await open({ url: `mqtt://${proxy.host}:${proxy.port}`, keepAlive: "1s" });
    const reading = await queue.read();
    await queue.create("x");
    proxy.stall();
    await until(() => reading.losses.length === 1 && queue.losses.length === 1);
    expect(String(reading.losses[0])).toContain("no longer answers");
  });

  test("nobody there, no answer, a wrong address: an error that says so", async () => {
    expect(await errorOf(open({ url: "mqtt://user:hidden@127.0.0.1:9" }))).toMatchObject({
      reason: "unavailable",
      effect: "unsent",
      systemCode: "ECONNREFUSED",
      message: expect.not.stringContaining("hidden") as string,
    });
    await expect(open({ url: "redis://host" })).rejects.toThrow("is not a broker's");
    await expect(open({ consumerID: "" })).rejects.toThrow("consumerID is required");
    await expect(open({ topic: "a#" })).rejects.toThrow("#");
    await using proxy = await startProxy(broker);
    proxy.stall();
    const silent = open(
      { url: `mqtt://${proxy.host}:${proxy.port}` },
      { signal: AbortSignal.timeout(100) },
    );
    expect(await errorOf(silent)).toMatchObject({ reason: "unavailable", effect: "unsent" });
  });

  test("answers a ping without disturbing anybody", async () => {
    const queue = await open();
    const reading = await queue.read();
    await queue.ping();
    await queue.create("x");
    await until(() => reading.events.length === 1);
    expect([reading.losses, queue.losses]).toEqual([[], []]);
  });

  test("Dapr's three repetitions are the runtime's", () => {
    expect(mqtt3.retry?.outbound?.({} as never)).toEqual({
      attempts: 4,
      initial: 200,
      max: 200,
      multiplier: 1,
      jitter: 0,
    });
    expect(mqtt3.aliases).toEqual(["mqtt"]);
  });

  test("two of one consumerID cut each other off, and both say so", async () => {
    const place = { properties: base() };
    const both = [await read({ binding: mqtt3 }, place), await read({ binding: mqtt3 }, place)];
    for (const { status, lines } of both) {
      const twin = `another client uses the same consumerID, ${place.properties["consumerID"]}`;
      await vi.waitFor(() => expect(status().reason).toContain(twin), { timeout: 20_000 });
      expect(JSON.stringify(lines)).toContain(twin);
    }
  });
});
