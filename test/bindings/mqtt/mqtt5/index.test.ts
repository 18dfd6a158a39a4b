import { expect, test, vi } from "vitest";
import type { InboundEvent } from "../../../../src/binding.ts";
import mqtt5 from "../../../../src/bindings/mqtt/mqtt5/index.ts";
import { read } from "../../contract.ts";
import { allBytes, errorOf, handled, openQueue, textOf, until } from "../../opened-queue.ts";
import type { OpenedQueue } from "../../opened-queue.ts";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { startProxy } from "../../../servers/proxy.ts";
import { mqttClient } from "./mqtt-client.ts";

const keep = () => "keep" as const;

describeWith("mosquitto", (server) => {
  const base = (): Record<string, string> => ({
    url: server.url,
    topic: uniqueName("orders"),
    consumerID: uniqueName("shop"),
  });
  const open = (
    properties: Record<string, string> = {},
    options?: Parameters<typeof openQueue>[2],
  ): Promise<OpenedQueue> => openQueue(mqtt5, { ...base(), ...properties }, options);

  test.each(["0", "1", "2"])("QoS %s carries every byte, nothing and a megabyte", async (qos) => {
    const queue = await open({ qos });
    const reading = await queue.read();
    const large = Buffer.alloc(1024 * 1024, "x");
    for (const data of [allBytes, undefined, large]) await queue.create(data);
    await until(() => reading.events.length === 3);
    const came = reading.events.map(({ data }) => Buffer.from(data ?? "none"));
    expect(came[0]?.equals(allBytes)).toBe(true);
    expect(came[1]?.length).toBe(0);
    expect(came[2]?.equals(large)).toBe(true);
    expect(reading.events.map(({ metadata }) => metadata["qos"])).toEqual([qos, qos, qos]);
  });

  test("all that a message can say goes out and comes in", async () => {
    const properties = base();
    const { topic = "" } = properties;
    const { received } = await mqttClient(server.url, topic);
    const queue = await open(properties);
    const reading = await queue.read();
    const metadata = {
      contentType: "text/x",
      responseTopic: "answers/1",
      correlationData: Buffer.from(allBytes).toString("base64"),
      "correlationData.encoding": "base64",
      messageExpiry: "90s",
      payloadFormat: "utf8",
      "header:color": "grün",
      "header:__proto__": "x",
      "header:7": "",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    await queue.create("grün", metadata);
    await until(() => reading.events.length === 1 && received.length === 1);
    expect(received[0]?.properties).toMatchObject({
      contentType: "text/x",
      responseTopic: "answers/1",
      correlationData: Buffer.from(allBytes),
      payloadFormatIndicator: true,
    });
    const [event] = reading.events;
    expect(event?.metadata).toEqual({
      ...{ topic, qos: "1", contentType: "text/x", responseTopic: "answers/1" },
      correlationData: metadata.correlationData,
      "correlationData.encoding": "base64",
      ...{ messageExpiry: "90", payloadFormat: "utf8", subscription: topic },
    });
    const headers = event?.headers.map(({ name, value }) => [name, Buffer.from(value).toString()]);
    expect(headers?.toSorted()).toEqual([
      ["7", ""],
      ["__proto__", "x"],
      ["color", "grün"],
      ["traceparent", metadata.traceparent],
    ]);
  });

  test("repeated user properties come in their order; a correlation that is a text as one", async () => {
    const properties = base();
    const reading = await (await open(properties)).read();
    const { client } = await mqttClient(server.url);
    await client.publishAsync(properties["topic"]!, "x", {
      qos: 1,
      properties: {
        correlationData: Buffer.from("order 17"),
        userProperties: { repeat: ["", "two", "two"], other: "one" },
      },
    });
    await until(() => reading.events.length === 1);
    const [event] = reading.events;
    expect(event?.metadata).toMatchObject({ correlationData: "order 17" });
    expect(event?.metadata).not.toHaveProperty("correlationData.encoding");
    expect(
      event?.headers.map(({ name, value }) => `${name}=${Buffer.from(value).toString()}`),
    ).toEqual(["repeat=", "repeat=two", "repeat=two", "other=one"]);
  });

  test("reads several topics with wildcards, and says which filter matched", async () => {
    const topic = uniqueName("orders");
    const queue = await open({ topic: `${topic}/a/+,${topic}/b/#` });
    const reading = await queue.read();
    await queue.create("one", { topic: `${topic}/a/1` });
    await queue.create("two", { topic: `${topic}/b/1/2` });
    await until(() => reading.events.length === 2);
    expect(reading.events.map(({ metadata }) => metadata["subscription"])).toEqual([
      `${topic}/a/+`,
      `${topic}/b/#`,
    ]);
    expect(await errorOf(queue.create("x"))).toMatchObject({ reason: "invalid_argument" });
  });

  test("a shared subscription gives each message to one member of the group", async () => {
    const topic = uniqueName("orders");
    const shared = { topic: `$share/${uniqueName("group")}/${topic}` };
    const queues = [await open(shared), await open(shared)];
    const readings = [await queues[0]!.read(), await queues[1]!.read()];
    for (let n = 0; n < 20; n++) await queues[0]!.create(String(n), { topic });
    const all = (): string[] => readings.flatMap(({ texts }) => texts);
    await until(() => all().length >= 20);
    expect(new Set(all()).size).toBe(20);
    expect(readings.every(({ events }) => events.length > 0)).toBe(true);
    expect(await errorOf(queues[0]!.create("x"))).toMatchObject({ reason: "invalid_argument" });
  });

  test.each(["1", "2"])("QoS %s: handled: never again; not handled: again", async (qos) => {
    const queue = await open({ qos });
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
    expect(again.events.map(({ redelivered }) => redelivered)).toEqual([
      ...[true, true, true, true, true, false],
    ]);
    await again.close();
    const last = await queue.read();
    await queue.create("end");
    await until(() => last.events.length > 0);
    expect(last.texts).toEqual(["end"]);
  });

  test.each(["1", "2"])("QoS %s: a cut: what the app still has comes once", async (qos) => {
    await using proxy = await startProxy(server);
    const properties = { ...base(), qos, url: `mqtt://${proxy.host}:${proxy.port}` };
    const queue = await open(properties);
    const reading = await queue.read(keep);
    for (const text of ["during", "after", "returned"]) await queue.create(text);
    await until(() => reading.events.length === 3);
    const [during, after, returned] = reading.events;
    proxy.cut();
    await until(() => reading.losses.length === 1 && queue.losses.length === 1);
    during?.settle(handled);
    returned?.settle({ outcome: "returned", reason: "the connection is lost" });
    await queue.close();

    const next = await open(properties);
    const second = await next.read();
    await next.create("new");
    await until(() => second.events.length === 2);
    expect(second.texts).toEqual(["returned", "new"]);
    after?.settle(handled);
    await second.close();
    const third = await next.read();
    await next.create("end");
    await until(() => third.events.length > 0);
    expect(third.texts).toEqual(["end"]);
    await next.close();
  });

  test("cleanStart begins anew with the process; 0s keeps no session", async () => {
    const properties: Record<string, string> = { ...base(), cleanStart: "true" };
    const { client } = await mqttClient(server.url, properties["topic"], {
      clientId: `${properties["consumerID"]}-consumer`,
      clean: false,
      properties: { sessionExpiryInterval: 100 },
    });
    await client.endAsync();
    const queue = await open(properties);
    await queue.create("before");
    const reading = await queue.read();
    await queue.create("one");
    await until(() => reading.events.length === 1);
    await reading.close();
    await queue.create("two");
    // The same process goes on with its session.
    const again = await queue.read();
    await until(() => again.events.length === 1);
    expect([reading.texts, again.texts]).toEqual([["one"], ["two"]]);

    const brief = await open({ sessionExpiryInterval: "0s" });
    await (await brief.read()).close();
    await brief.answerOf("missed");
    const later = await brief.read();
    await brief.create("three");
    await until(() => later.events.length === 1);
    expect(later.texts).toEqual(["three"]);
  });

  test("retained messages: once a session, always, never; and as they were published", async () => {
    const properties = base();
    const queue = await open({ ...properties, retain: "true" });
    const texts = async (more: Record<string, string>) => {
      const other = await open({ ...properties, consumerID: uniqueName("shop"), ...more });
      const first = await other.read();
      if (more["retainHandling"] !== "never") await until(() => first.texts.includes("kept"));
      await first.close();
      const reading = await other.read();
      await queue.create("end", { retain: "false" });
      await until(() => reading.texts.includes("end"));
      return reading.texts;
    };
    await queue.answerOf("kept");
    expect(await texts({})).toEqual(["end"]);
    expect(await texts({ retainHandling: "always" })).toEqual(["kept", "end"]);
    expect(await texts({ retainHandling: "never" })).toEqual(["end"]);
    const reading = await (
      await open({ ...properties, consumerID: uniqueName("shop"), retainAsPublished: "true" })
    ).read();
    await queue.create("now");
    await until(() => reading.texts.includes("now"));
    expect(reading.events.map(({ metadata }) => metadata["retained"])).toEqual(["true", "true"]);
    await queue.answerOf(undefined);
  });

  test("nobody there to get it is a success that says so", async () => {
    const queue = await open();
    expect(await queue.answerOf("x")).toEqual({
      metadata: { reasonCode: "0x10", reason: "No matching subscribers" },
    });
    expect(await queue.answerOf("x", { qos: "0" })).toBeUndefined();
  });

  test("the will is sent when the connection breaks, and not at a good-bye", async () => {
    await using proxy = await startProxy(server);
    const willTopic = uniqueName("will");
    const { received } = await mqttClient(server.url, willTopic);
    const will = { willTopic, willPayload: "gone", willContentType: "text/x" };
    const url = `mqtt://${proxy.host}:${proxy.port}`;
    const polite = await open({ ...will, url, willPayload: "polite" });
    await (await polite.read()).close();
    const queue = await open({ ...will, url });
    const reading = await queue.read();
    proxy.cut();
    await until(() => received.length > 0);
    expect(received.map(({ payload }) => String(payload))).toEqual(["gone"]);
    expect(received[0]?.properties).toMatchObject({ contentType: "text/x" });
    await until(() => reading.losses.length === 1);
    await queue.close();
  });

  test(
    "keep-alive 2 s, handler 10 s: one delivery, and others go on beside it",
    { timeout: 40_000 },
    async () => {
      const queue = await open({ keepAlive: "2s", qos: "2" });
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
    },
  );

  test("the server sends no more than receiveMaximum, and goes on after each", async () => {
    const queue = await open({ receiveMaximum: "3" });
    const reading = await queue.read(keep);
    for (let n = 0; n < 6; n++) await queue.create(String(n));
    await reading.reader.flush();
    expect(reading.texts).toEqual(["0", "1", "2"]);
    reading.events[1]?.settle(handled);
    await until(() => reading.events.length >= 4);
    for (let seen = 0; seen < 6;) {
      for (const event of reading.events.slice(seen)) event.settle(handled);
      seen = reading.events.length;
      await until(() => reading.events.length > seen || reading.events.length === 6);
    }
    expect(new Set(reading.texts).size).toBe(6);
  });

  test("300 events with QoS 2, settled out of order", async () => {
    const queue = await open({ qos: "2" });
    const reading = await queue.read(keep);
    const sending = Promise.all(Array.from({ length: 300 }, (_, n) => queue.create(String(n))));
    const waiting = new Set<InboundEvent>();
    let seen = 0;
    for (let settled = 0; settled < 300; settled++) {
      await until(() => reading.events.length > settled);
      for (const event of reading.events.slice(seen)) waiting.add(event);
      seen = reading.events.length;
      const list = [...waiting];
      const event = list[settled % 2 === 0 ? 0 : list.length - 1]!;
      waiting.delete(event);
      event.settle(handled);
    }
    await sending;
    await reading.close();
    expect(new Set(reading.texts).size).toBe(300);
    expect(reading.events.length).toBe(300);
  });

  test("a dead connection is found by its silence", { timeout: 20_000 }, async () => {
    await using proxy = await startProxy(server);
    const queue = await open({ url: `mqtt://${proxy.host}:${proxy.port}`, keepAlive: "1s" });
    const reading = await queue.read();
    await queue.create("x");
    proxy.stall();
    await until(() => reading.losses.length === 1 && queue.losses.length === 1);
    expect(String(reading.losses[0])).toContain("no longer answers");
  });

  test("two of one consumerID cut each other off, and both say so", async () => {
    const place = { properties: base() };
    const both = [await read({ binding: mqtt5 }, place), await read({ binding: mqtt5 }, place)];
    for (const { status } of both) {
      const twin = `another client uses the same consumerID, ${place.properties["consumerID"]}`;
      await vi.waitFor(() => expect(status().reason).toContain(twin), { timeout: 20_000 });
    }
  });

  test("what is wrong as it is written fails with what to do", async () => {
    await expect(open({ url: "redis://host" })).rejects.toThrow("is not a broker's");
    await expect(open({ consumerID: "" })).rejects.toThrow("consumerID is required");
    await expect(open({ topic: "a#" })).rejects.toThrow("#");
    await expect(open({ topic: "" })).rejects.toThrow("no topic to read");
    await expect(open({ topic: "$share/a" })).rejects.toThrow("$share/GROUP/TOPIC");
    await expect(open({ authenticationMethod: "SCRAM" })).rejects.toThrow("is not supported");
    await expect(open({ qos: "3" })).rejects.toThrow("must be from 0 to 2");
    await expect(open({ willTopic: "a/+" })).rejects.toThrow("wildcard");
    const nobody = errorOf(open({ url: "mqtt://user:hidden@127.0.0.1:9" }));
    expect(await nobody).toMatchObject({ reason: "unavailable", effect: "unsent" });
    expect(String(await nobody)).not.toContain("hidden");
  });

  test("answers a ping without disturbing anybody", async () => {
    const queue = await open();
    const reading = await queue.read();
    await queue.ping();
    await queue.create("x");
    await until(() => reading.events.length === 1);
    expect([reading.losses, queue.losses]).toEqual([[], []]);
  });
});
