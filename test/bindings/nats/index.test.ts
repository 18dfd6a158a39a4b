import { connect } from "@nats-io/transport-node";
import { expect, test, vi } from "vitest";
import nats from "../../../src/bindings/nats/index.ts";
import type { Link } from "../../../src/nats-client/link.ts";
import type { Outcome } from "../../../src/runtime/app.ts";
import { FakeApp, handled, refused } from "../../runtime/fake-app.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { startProxy } from "../../servers/proxy.ts";
import { endAfterTest, read } from "../contract.ts";
import { openInput } from "../opened-input.ts";
import { openOutput } from "../opened-output.ts";
import { makeStream, natsClient } from "./contract-source.ts";

const soon = { timeout: 20_000, interval: 5 };
type Server = { readonly host: string; readonly port: number; readonly url: string };

async function place(server: Server, more: object = {}) {
  const client = natsClient(server);
  const stream = await makeStream(client, more);
  const properties = {
    servers: server.url,
    ...{ stream, consumer: "shop", startFrom: "oldest", ackWait: "1s" },
  };
  const send = async (...texts: string[]): Promise<void> => {
    for (const text of texts) await client.store(`${stream}.${text.split(":")[0]}`, text);
  };
  const begin = (
    answer: (text: string) => Outcome | Promise<Outcome> = () => handled,
    values: Record<string, string> = {},
  ) => read({ binding: nats }, { properties }, answer, values);
  const info = async () =>
    (await client.api(`CONSUMER.INFO.${stream}.shop`)) as {
      num_ack_pending: number;
      ack_floor: { stream_seq: number };
      delivered: { consumer_seq: number };
      config: Record<string, unknown>;
    };
  return { client, stream, properties, send, begin, info };
}

describeWith("nats", (server) => {
  test("a consumer that is made is as the metadata says, and opening makes none", async () => {
    const { client, stream, properties, info } = await place(server);
    const values = {
      ...properties,
      filterSubjects: `${stream}.a.*,${stream}.b.>`,
      ...{ startSequence: "7", ackWait: "1500ms", maxDeliver: "9", maxAckPending: "77" },
    };
    const output = await openOutput(nats, values);
    await output[Symbol.asyncDispose]();
    await expect(info()).rejects.toThrow("10014");
    const input = await openInput(nats, values);
    expect((await info()).config).toMatchObject({
      ...{ durable_name: "shop", deliver_policy: "by_start_sequence", opt_start_seq: 7 },
      ...{ ack_policy: "explicit", ack_wait: 1_500_000_000, max_deliver: 9, max_ack_pending: 77 },
      filter_subjects: [`${stream}.a.*`, `${stream}.b.>`],
    });
    await input.close();
    const time = "2020-01-31T00:00:00Z";
    await client.api(`CONSUMER.DELETE.${stream}.shop`);
    await openInput(nats, { ...properties, startTime: time, filterSubjects: `${stream}.*` });
    expect((await info()).config).toMatchObject({
      ...{ deliver_policy: "by_start_time", opt_start_time: time, filter_subject: `${stream}.*` },
    });
  });

  test.each([
    [{ stream: "a.b" }, "stream"],
    [{ consumer: "a b" }, "consumer"],
    [{ consumer: "a\r\nb" }, "consumer"],
    [{ filterSubjects: "a b" }, "spaces"],
    [{ filterSubjects: "a.>.b" }, "before its end"],
    [{ startTime: "yesterday" }, "startTime"],
    [{ servers: "http://x" }, "nats://HOST:PORT"],
    [{ servers: "nats://user:secret@" }, "nats://HOST:PORT"],
    [{ servers: "," }, "names no server"],
    [{ inboxPrefix: "a b" }, "spaces"],
    [{ inboxPrefix: "a.>" }, "wildcards"],
    [{ token: "a", user: "b" }, "one way to log in"],
    [{ nkeySeed: "SUNOSEED" }, "no seed of an NKey"],
    [{ credentials: "/nowhere/at/all" }, "no file that can be read"],
    [{ credentials: "-----BEGIN x" }, "JWT and seed"],
    [{ caCert: "no" }, "not in PEM"],
    [{ clientCert: "-----BEGIN CERTIFICATE-----" }, "without clientKey"],
  ])("%j is refused", async (more, message) => {
    const values = { servers: server.url, stream: "S", consumer: "c", ...more };
    const refusal: unknown = await openInput(nats, values).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ reason: "invalid_argument", effect: "rejected" });
    expect(String(refusal)).toContain(message);
    expect(String(refusal)).not.toMatch(/secret|SUNOSEED/);
  });

  test("a stream that is not there is a state, until it is", async () => {
    const { client, stream, begin, send } = await place(server);
    await client.api(`STREAM.DELETE.${stream}`);
    const { status, app } = await begin();
    await vi.waitFor(() => expect(status().reason).toContain("stream not found; create it"), soon);
    expect(status().state).not.toBe("running");
    await client.api(`STREAM.CREATE.${stream}`, { name: stream, subjects: [`${stream}.>`] });
    await send("a:1");
    await vi.waitFor(() => expect(app.texts).toEqual(["a:1"]), soon);
  });

  test.each([
    [{ ack_policy: "none" }, "acknowledgement policy none"],
    [{ ack_policy: "explicit", deliver_subject: "push" }, "push consumer"],
  ])("a consumer with %j cannot be read, and is left as it is", async (more, message) => {
    const { client, stream, begin, info } = await place(server);
    const config = { durable_name: "shop", ...more };
    await client.api(`CONSUMER.CREATE.${stream}.shop`, { stream_name: stream, config });
    const { status } = await begin();
    await vi.waitFor(() => expect(status().reason).toContain(message), soon);
    expect((await info()).config).toMatchObject(more);
  });

  test("a consumer that is there is used as it is, and said to be other", async () => {
    const { client, stream, begin, send } = await place(server);
    const config = { durable_name: "shop", ack_policy: "explicit", max_deliver: 3 };
    await client.api(`CONSUMER.CREATE.${stream}.shop`, { stream_name: stream, config });
    await send("a:1");
    const { app, lines } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["a:1"]), soon);
    const log = JSON.stringify(lines);
    expect(log).toContain("ackWait is 1s here and 30s at the server");
    expect(log).toContain("delivers a message 3 times at most");
  });

  test("an app that answers no makes nothing, and nothing is asked for", async () => {
    const { properties, info, send } = await place(server);
    await send("a:1");
    const app = new FakeApp();
    app.wantsInput = async () => false;
    const { runtime, status } = startRuntime({ bindings: [nats], app });
    const resolve = async () => ({ values: properties, secrets: [] });
    await runtime.apply([component("nats", {}, { resolve })]);
    await vi.waitFor(() => expect(app.asked).toHaveLength(1), soon);
    expect(status().state).not.toBe("reconnecting");
    await expect(info()).rejects.toThrow("10014");
  });

  test("what is handled is acknowledged with flush; what is returned at the end comes at once, in order", async () => {
    const { properties, send, info } = await place(server);
    await send("a:1", "a:2", "a:3", "b:1");
    const values = { ...properties, ackWait: "1h" };
    const first = await openInput(nats, values);
    const events = [await first.next(), await first.next(), await first.next(), await first.next()];
    events[0]?.settle({ outcome: "handled" });
    await first.reader.stop();
    for (const event of events.slice(1).toReversed())
      event.settle({ outcome: "returned", reason: "", unattempted: true });
    await first.reader.flush();
    expect(await info()).toMatchObject({ num_ack_pending: 3, ack_floor: { stream_seq: 1 } });
    await first.close();
    const second = await openInput(nats, values);
    const again = [await second.next(), await second.next(), await second.next()];
    expect(again.map(({ data }) => String(Buffer.from(data ?? [])))).toEqual(["a:2", "a:3", "b:1"]);
    expect(again.map(({ attempt }) => attempt)).toEqual([2, 2, 2]);
    for (const event of again) event.settle({ outcome: "handled" });
    await second.close();
    expect(await info()).toMatchObject({ num_ack_pending: 0, ack_floor: { stream_seq: 4 } });
  });

  test("a reader is known again with another password, and by no secret", async () => {
    const { properties } = await place(server);
    const identities = [];
    for (const password of ["pa55one", "pa55two"]) {
      const servers = server.url.replace("//", `//shop:${password}@`);
      const input = await openInput(nats, { ...properties, servers });
      identities.push((input.connection as Link).identity);
      await input.close();
    }
    expect(identities[0]).toBe(identities[1]);
    expect(identities[0]).toContain("shop");
    expect(identities[0]).not.toContain("pa55");
  });

  test("two components of one process share a consumer as two processes do", async () => {
    const { properties, send, info } = await place(server);
    await send("a:1");
    const values = { ...properties, ackWait: "1h", orderBySubject: "false" };
    const first = await openInput(nats, values, { name: "first" });
    const event = await first.next();
    const second = await openInput(nats, values, { name: "second" });
    event.settle({ outcome: "handled" });
    await first.close();
    expect(await info()).toMatchObject({ num_ack_pending: 0, ack_floor: { stream_seq: 1 } });
    expect(second.events).toEqual([]);
    await second.close();
  });

  test("only what there is room for is asked for", async () => {
    const { send, begin, info } = await place(server);
    await send(...Array.from({ length: 50 }, (_, n) => `${n}:x`));
    const open = Promise.withResolvers<Outcome>();
    const { app } = await begin(() => open.promise, { maxInFlight: "5" });
    await vi.waitFor(() => expect(app.texts).toHaveLength(5), soon);
    const { num_ack_pending: out } = await info();
    expect(out).toBeLessThanOrEqual(10);
    open.resolve(handled);
    await vi.waitFor(() => expect(app.texts).toHaveLength(50), soon);
  });

  test("an event that the app has for long is not delivered again", async () => {
    const { send, begin, info } = await place(server);
    await send("a:1", "a:2");
    const open = Promise.withResolvers<Outcome>();
    const { app, status } = await begin(() => open.promise, { ackWait: "300ms" });
    await vi.waitFor(() => expect(app.texts).toEqual(["a:1"]), soon);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await info()).delivered.consumer_seq).toBe(2);
    open.resolve(handled);
    await vi.waitFor(() => expect(status().handled).toBe(2), soon);
    expect(app.texts).toEqual(["a:1", "a:2"]);
  });

  test("one that waits for a retry is extended: the next attempt is of the same delivery", async () => {
    const { send, begin, info } = await place(server);
    await send("a:1", "a:2");
    let failures = 0;
    const { app, status } = await begin(
      (text) => (text === "a:1" && ++failures === 1 ? refused("later", 1_500) : handled),
      { ackWait: "300ms" },
    );
    await vi.waitFor(() => expect(status().handled).toBe(2), soon);
    expect(app.texts).toEqual(["a:1", "a:1", "a:2"]);
    expect(app.deliveries.map(({ metadata }) => metadata["deliveries"])).toEqual(["1", "1", "1"]);
    expect((await info()).delivered.consumer_seq).toBe(2);
  });

  test("an extension is refused for good once the consumer is gone, and only then", async () => {
    const { client, stream, properties, send } = await place(server);
    await send("a:1");
    const input = await openInput(nats, properties);
    const { lease } = await input.next();
    expect(lease).toMatchObject({ duration: 1_000 });
    await lease?.extend?.();
    await client.api(`CONSUMER.DELETE.${stream}.shop`);
    await expect(lease?.extend?.()).rejects.toMatchObject({
      ...{ reason: "not_found", effect: "rejected" },
    });
  });

  test("one whose attempts are used up goes back to the stream, and the others go on", async () => {
    const { send, begin } = await place(server);
    let failures = 0;
    const { app, status } = await begin(
      (text) => (text === "a:1" && ++failures <= 2 ? refused() : handled),
      { onExhausted: "return", maxAttempts: "1" },
    );
    await send("a:1", "a:2", "b:1");
    await vi.waitFor(() => expect(status().handled).toBe(3), soon);
    expect(app.texts.filter((text) => text === "a:1")).toHaveLength(3);
  });

  test("a reader that died leaves its messages, which the next one handles in order", async () => {
    const { properties, send, begin, info } = await place(server);
    await send("a:1", "b:1", "a:2");
    // Another client, so that this process knows nothing of what it has.
    const dead = await connect({ servers: `${server.host}:${server.port}` });
    const input = await openInput(nats, { ...properties, consumer: "shop" });
    for (let n = 0; n < 3; n++) (await input.next()).settle({ outcome: "returned", reason: "" });
    await input.close();
    const inbox = "dead";
    const came: string[] = [];
    dead.subscribe(inbox, { callback: (_, message) => void came.push(message.string()) });
    dead.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${properties.stream}.shop`,
      JSON.stringify({ batch: 3, expires: 1_000_000_000 }),
      { reply: inbox },
    );
    await vi.waitFor(() => expect(came).toHaveLength(3), soon);
    await dead.close();
    await send("a:3", "b:2");
    const { app, status } = await begin();
    await vi.waitFor(() => expect(status().handled).toBe(5), soon);
    const of = (key: string) => app.texts.filter((text) => text.startsWith(key));
    expect(of("a")).toEqual(["a:1", "a:2", "a:3"]);
    expect(of("b")).toEqual(["b:1", "b:2"]);
    await vi.waitFor(async () => expect((await info()).num_ack_pending).toBe(0), soon);
  });

  test("after a cut what was handled meanwhile is acknowledged, and not handled again", async () => {
    const { send, begin, info } = await place(server);
    const proxy = await startProxy(server);
    endAfterTest(async () => proxy[Symbol.asyncDispose]());
    await send("a:1", "b:1", "b:2");
    const open = Promise.withResolvers<Outcome>();
    const { app, status } = await begin((text) => (text === "a:1" ? open.promise : handled), {
      servers: `nats://${proxy.host}:${proxy.port}`,
      // The server may have sent the next one into the cut: then it comes again after this time.
      ackWait: "2s",
    });
    await vi.waitFor(() => expect(status().handled).toBe(2), soon);
    proxy.cut();
    open.resolve(handled);
    await send("a:2");
    await vi.waitFor(() => expect(app.texts).toContain("a:2"), soon);
    await vi.waitFor(async () => expect((await info()).num_ack_pending).toBe(0), soon);
    expect(app.texts.toSorted()).toEqual(["a:1", "a:2", "b:1", "b:2"]);
  });

  test("a consumer that was deleted is made again behind what was handled", async () => {
    const { client, stream, send, begin } = await place(server);
    const { app, status, lines } = await begin(() => handled, { startFrom: "newest" });
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await send("a:1", "a:2");
    await vi.waitFor(() => expect(status().handled).toBe(2), soon);
    await client.api(`CONSUMER.DELETE.${stream}.shop`);
    await send("a:3");
    await vi.waitFor(() => expect(app.texts).toEqual(["a:1", "a:2", "a:3"]), soon);
    expect(JSON.stringify(lines)).toContain("it is made again and goes on with sequence 3");
    // A stream of the same name that is made anew has other messages of the same sequences.
    await client.api(`STREAM.DELETE.${stream}`);
    await client.api(`STREAM.CREATE.${stream}`, { name: stream, subjects: [`${stream}.>`] });
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    await vi.waitFor(async () => client.api(`CONSUMER.INFO.${stream}.shop`), soon);
    await send("a:4");
    await vi.waitFor(() => expect(app.texts.at(-1)).toBe("a:4"), soon);
  });

  test("what fills the consumer's limit of deliveries does not stop the others", async () => {
    const { send, begin } = await place(server);
    await send("a:1", "b:1");
    const { status } = await begin((text) => (text === "a:1" ? refused() : handled), {
      maxAckPending: "2",
    });
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    await send("b:2", "b:3");
    await vi.waitFor(() => expect(status().handled).toBe(3), soon);
  });

  test("what waits is told", async () => {
    const { properties, send } = await place(server);
    const input = await openInput(nats, {
      ...properties,
      filterSubjects: `${properties.stream}.z`,
    });
    await send("z:1", "z:2");
    await input.next();
    const waiting = await nats.backlog?.(input.connection as never, AbortSignal.timeout(5_000));
    expect(waiting).toBe(0);
  });
});
