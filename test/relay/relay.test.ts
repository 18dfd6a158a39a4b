import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test, vi } from "vitest";
import { namesOf } from "../../src/relay/stream.ts";
import type { Outcome } from "../../src/runtime/app.ts";
import { handled, refused } from "../runtime/fake-app.ts";
import { describeWith } from "../servers/describe-with.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { relayedApp } from "./relayed.ts";

const soon = { timeout: 20_000, interval: 10 };
const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n));

describeWith("nats", (server) => {
  test("one replica reads, and all deliver", async () => {
    const { source, fleet, start } = relayedApp(server.url);
    fleet.owner = "a";
    const a = start("a");
    const b = start("b");
    await vi.waitFor(() => {
      expect(a.status().state).toBe("running");
      expect(b.status().state).toBe("running");
    }, soon);
    const texts = numbers(200);
    source.send(...texts.map((text) => ({ text, key: text })));
    await vi.waitFor(
      () => expect([...a.app.texts, ...b.app.texts].toSorted()).toEqual(texts.toSorted()),
      soon,
    );
    expect(a.app.texts.length).toBeGreaterThan(20);
    expect(b.app.texts.length).toBeGreaterThan(20);
    expect(source.readings).toBe(1);
    expect(source.handled.toSorted()).toEqual(texts.toSorted());
    expect(fleet.ended).not.toContain("a");
    // The next one reads once this one says that it has ended.
    fleet.owner = "b";
    await vi.waitFor(() => expect(fleet.ended).toContain("a"), soon);
    await vi.waitFor(() => expect(source.readings).toBe(2), soon);
  });

  test("a stream that is removed while it is used is made anew", async () => {
    const { source, fleet, start, appId } = relayedApp(server.url);
    fleet.owner = "a";
    const a = start("a");
    await vi.waitFor(() => expect(a.status().state).toBe("running"), soon);
    source.send({ text: "before" });
    await vi.waitFor(() => expect(source.handled).toEqual(["before"]), soon);
    const connection = await connect({ servers: server.url.replace("nats://", "") });
    onTestFinished(() => connection.close());
    const { stream } = namesOf(appId, "orders");
    await connection.request(`$JS.API.STREAM.DELETE.${stream}`, "");
    await vi.waitFor(() => expect(JSON.stringify(a.logger.lines)).toContain("was removed"), soon);
    source.send({ text: "after" });
    await vi.waitFor(() => expect(a.app.texts).toEqual(["before", "after"]), soon);
    expect(source.handled).toEqual(["before", "after"]);
  });

  test("an event comes as its source gave it", async () => {
    const { source, fleet, start, appId } = relayedApp(server.url);
    fleet.owner = "a";
    const { app } = start("a");
    const large = Buffer.alloc(4 * 1024 * 1024, "é");
    const headers = [
      { name: "repeat", value: Buffer.from("one") },
      { name: "Repeat", value: Buffer.from([0, 0xfc, 0xff]) },
      { name: "traceparent", value: Buffer.from(`00-${"a".repeat(32)}-${"b".repeat(16)}-00`) },
    ];
    const metadata = { topic: "orders" };
    source.send(
      { ...{ id: "1", data: large, headers, metadata }, key: Buffer.from([0xff, 0]) },
      { ...{ id: "2", data: undefined }, key: "k" },
      { ...{ id: undefined, data: Buffer.alloc(0) }, key: "k" },
    );
    await vi.waitFor(() => expect(app.deliveries).toHaveLength(3), soon);
    const of = (id: string) => app.deliveries.find((one) => one.id === id);
    expect(of("1")).toMatchObject({ headers, metadata });
    expect(Buffer.from(of("1")?.data ?? []).equals(large)).toBe(true);
    expect(of("1")?.trace["traceparent"]).toContain("a".repeat(32));
    expect(of("2")).toMatchObject({ data: undefined });
    const nameless = app.deliveries.find(({ id }) => id !== "1" && id !== "2");
    expect(nameless?.id).toContain(`cufflink_relay_${appId}+orders-`);
    expect(nameless?.data).toHaveLength(0);
  });

  test("a source waits while the relay is full", async () => {
    const { source, fleet, start } = relayedApp(server.url);
    fleet.owner = "a";
    const answers: ((outcome: Outcome) => void)[] = [];
    let isSlow = true;
    const { app, status } = start("a", {
      handle: () => (isSlow ? new Promise((resolve) => answers.push(resolve)) : handled),
      values: { relayMaxBytes: "64Ki", relayPartitions: "2" },
    });
    const texts = numbers(60);
    source.send(...texts.map((text) => ({ text, data: Buffer.from(text.padEnd(4_000)) })));
    await vi.waitFor(() => expect(status().reason).toContain("the relay is full"), soon);
    expect(status().state).toBe("stalled");
    expect(source.handled.length).toBeLessThan(20);
    isSlow = false;
    for (const answer of answers) answer(handled);
    await vi.waitFor(
      () => expect(app.texts.map((text) => text.trim()).toSorted()).toEqual(texts.toSorted()),
      soon,
    );
    await vi.waitFor(() => expect(source.handled).toHaveLength(60), soon);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
  });

  test("attempts, dead letters and redrives are those of any input", async () => {
    const { source, fleet, start } = relayedApp(server.url);
    fleet.owner = "a";
    const store = new MemoryStore();
    let isBroken = true;
    const { app, runtime } = start("a", {
      store,
      handle: (text) => (isBroken && text === "bad" ? refused("no") : handled),
      values: {
        backOffMaxRetries: "1",
        backOffInitialInterval: "10",
        backOffPolicy: "exponential",
      },
    });
    source.send({ text: "bad", key: "k" }, { text: "good", key: "k" });
    await vi.waitFor(() => expect(app.texts).toEqual(["bad", "bad", "good"]), soon);
    const [letter] = await store.deadLetters.list({}, { limit: 10 });
    expect(letter).toMatchObject({ component: "orders", event: { id: "bad", key: "k" } });
    if (letter === undefined) return;
    isBroken = false;
    expect(await runtime.redrive(letter)).toMatchObject({ outcome: "handled" });
    expect(app.texts.at(-1)).toBe("bad");
    // Both hops are one story.
    const records = await runtime.history.find("good");
    expect(records.map(({ reason }) => reason)).toEqual([
      "",
      expect.stringContaining("stored in the relay"),
    ]);
    expect(new Set(records.map(({ traceId }) => traceId)).size).toBe(1);
  });

  test("what is not durable is not settled", async () => {
    const { source, fleet, start } = relayedApp(server.url);
    fleet.owner = "a";
    let unsafe: string | undefined = "the servers sync every two minutes";
    const { app, status } = start("a", { unsafe: () => unsafe });
    source.send({ text: "one" });
    await vi.waitFor(() => expect(status().reason).toContain("two minutes"), soon);
    expect(source.settlements).toEqual([]);
    unsafe = undefined;
    await vi.waitFor(() => expect(app.texts).toEqual(["one"]), soon);
  });
});
