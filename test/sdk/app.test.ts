import { expect, onTestFinished, test } from "vitest";
import { createApp, type AppOptions, type BindingApp } from "../../src/sdk/index.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { Code, ConnectError, RuntimeServer } from "./runtime-server.ts";

function appFor(port: number, options: AppOptions = {}): BindingApp & { logged: string[] } {
  const logged: string[] = [];
  const app = createApp({
    runtime: `127.0.0.1:${port}`,
    log: (message) => logged.push(message),
    ...options,
  });
  onTestFinished(() => app.close({ deadline: 0 }));
  return Object.assign(app, { logged });
}

function event(delivery: number, text: string, lane = 0, id = "") {
  return { delivery, lane, epoch: 1, attempt: 1, event: { data: Buffer.from(text), id } };
}

test("an app dials in, says what it wants and handles events", async () => {
  await using runtime = await RuntimeServer.start();
  const seen: string[] = [];
  const app = appFor(runtime.port, { token: "secret" });
  app.on("orders", (event) => void seen.push(`${event.name} ${event.text()}`));
  app.on("ticks", (event) => void seen.push(`${event.name} ${event.text()}`));
  await app.start();
  await until(() => runtime.streams[0]?.messages.length === 1, { what: "the subscription" });
  const [stream] = runtime.streams;
  expect(app.connected).toBe(true);
  expect(stream?.token).toBe("secret");
  expect(stream?.messages[0]).toMatchObject({
    credit: 1024,
    subscription: { bindings: ["orders", "ticks"], orderedPipelining: true },
  });
  stream?.send({ binding: "orders", events: [event(1, "a"), event(2, "b")] });
  stream?.send({ binding: "ticks", events: [event(3, "c")] });
  await until(() => stream?.handled.length === 3, { what: "three settlements" });
  expect(seen).toEqual(["orders a", "orders b", "ticks c"]);
});

test("an app without a handler opens no stream, and one with its first handler does", async () => {
  await using runtime = await RuntimeServer.start();
  const app = appFor(runtime.port);
  await app.start();
  await until(async () => (await app.invoke("x", "y").catch(String)) !== "", { what: "a call" });
  expect(runtime.streams).toEqual([]);
  expect(app.connected).toBe(false);
  app.on("orders", () => undefined);
  await until(() => runtime.streams.length === 1, { what: "the stream" });
});

test("a second handler of an input, and what is no handler, are refused", async () => {
  await using runtime = await RuntimeServer.start();
  const app = appFor(runtime.port).on("orders", () => undefined);
  expect(() => app.on("orders", () => undefined)).toThrow("a handler for orders already");
  expect(() => app.on("ticks", "x" as unknown as () => void)).toThrow("is no function but string");
});

test("what the runtime says about the subscription is logged once", async () => {
  await using runtime = await RuntimeServer.start();
  const app = appFor(runtime.port);
  app.on("ordres", () => undefined);
  await app.start();
  await until(() => runtime.streams.length === 1, { what: "the stream" });
  for (const notice of ["first", "first", "second"]) runtime.streams[0]?.send({ notice });
  await until(() => app.logged.length === 2, { what: "the notices" });
  expect(app.logged).toEqual(["first", "second"]);
});

test("a handler added later takes over on a new stream, and the old one finishes", async () => {
  await using runtime = await RuntimeServer.start();
  const app = appFor(runtime.port);
  const release = Promise.withResolvers<void>();
  let begun = false;
  app.on("orders", () => {
    begun = true;
    return release.promise;
  });
  await app.start();
  await until(() => runtime.streams[0]?.messages.length === 1, { what: "the subscription" });
  runtime.streams[0]?.send({ binding: "orders", events: [event(1, "a")] });
  await until(() => begun, { what: "the handler" });
  app.on("ticks", () => undefined).on("jobs", () => undefined);
  await until(() => runtime.streams[1]?.messages.length === 1, { what: "the second stream" });
  expect(runtime.streams[1]?.messages[0]?.subscription?.bindings).toEqual([
    "orders",
    "ticks",
    "jobs",
  ]);
  expect(runtime.streams[0]?.finished).toBe(false);
  release.resolve();
  await until(() => runtime.streams[0]?.finished === true, { what: "the first to finish" });
  expect(runtime.streams[0]?.handled).toEqual([1]);
  expect(runtime.streams).toHaveLength(2);
});

test("a runtime that is late is waited for, and one that comes back is dialled again", async () => {
  const port = await reservePort();
  const app = appFor(port);
  const seen: string[] = [];
  app.on("orders", (event) => void seen.push(event.text()));
  await app.start();
  for (const text of ["first", "second"]) {
    await using runtime = await RuntimeServer.start({ port });
    await until(() => runtime.streams[0]?.messages.length === 1, { what: "the subscription" });
    runtime.streams[0]?.send({ binding: "orders", events: [event(1, text)] });
    await until(() => runtime.streams[0]?.handled.length === 1, { what: "the settlement" });
  }
  expect(seen).toEqual(["first", "second"]);
});

test("a connection that breaks costs only a repetition; the two runs do not overlap", async () => {
  await using runtime = await RuntimeServer.start();
  const app = appFor(runtime.port);
  const release = Promise.withResolvers<void>();
  const runs: string[] = [];
  app.on("orders", async (event) => {
    if (event.text() === "b") return;
    runs.push(`begin ${event.attempt}`);
    if (event.attempt === 1) {
      await new Promise((resolve) => event.signal.addEventListener("abort", resolve));
      runs.push("told");
      await release.promise;
    }
    runs.push(`end ${event.attempt}`);
  });
  await app.start();
  await until(() => runtime.streams[0]?.messages.length === 1, { what: "the subscription" });
  runtime.streams[0]?.send({ binding: "orders", events: [event(1, "a", 1, "id")] });
  await until(() => runs.length === 1, { what: "the first run" });
  runtime.cut();
  await until(() => runtime.streams[1]?.messages.length === 1, { what: "the second stream" });
  const again = { ...event(1, "a", 1, "id"), attempt: 2 };
  runtime.streams[1]?.send({ binding: "orders", events: [again] });
  runtime.streams[1]?.send({ binding: "orders", events: [event(2, "b")] });
  await until(() => runs.includes("told"), { what: "the handler to hear of it" });
  expect(runs).toEqual(["begin 1", "told"]);
  release.resolve();
  await until(() => runtime.streams[1]?.handled.length === 2, { what: "the settlements" });
  expect(runs).toEqual(["begin 1", "told", "end 1", "begin 2", "end 2"]);
});

test("what is wrong with the stream is said once, with what to do, and that it is well again", async () => {
  await using runtime = await RuntimeServer.start({ bindings: {} });
  const app = appFor(runtime.port);
  app.on("orders", () => undefined);
  await app.start();
  await until(() => app.logged.length === 1, { what: "the reason" });
  expect(app.logged[0]).toMatch(/no events for now: .*no event streams; let the app listen/);
  expect(app.connected).toBe(false);
});

test("a stream that the runtime refuses is asked for again", async () => {
  await using runtime = await RuntimeServer.start();
  const app = appFor(runtime.port);
  app.on("orders", () => undefined);
  await app.start();
  for (const number of [0, 1]) {
    await until(() => runtime.streams[number]?.messages.length === 1, { what: "the stream" });
    runtime.streams[number]?.end(new ConnectError("no token", Code.Unauthenticated));
  }
  await until(() => runtime.streams.length === 3, { what: "a third try" });
  expect(app.logged).toEqual([expect.stringContaining("DAPR_API_TOKEN")]);
});

test("closing finishes and settles what runs, returns what waits and ends the stream", async () => {
  await using runtime = await RuntimeServer.start();
  const app = appFor(runtime.port, { concurrency: 1 });
  const release = Promise.withResolvers<void>();
  let begun = false;
  app.on("orders", () => {
    begun = true;
    return release.promise;
  });
  await app.start();
  await until(() => runtime.streams[0]?.messages.length === 1, { what: "the subscription" });
  const [stream] = runtime.streams;
  stream?.send({ binding: "orders", events: [event(1, "a"), event(2, "b")] });
  await until(() => begun, { what: "the handler" });
  const closed = app.close();
  expect(app.close()).toBe(closed);
  await until(() => (stream?.messages.length ?? 0) > 1, { what: "the event that is returned" });
  expect(stream?.finished).toBe(false);
  release.resolve();
  await closed;
  await until(() => stream?.finished === true, { what: "the stream's end" });
  const outcomes = stream?.messages.flatMap(({ settlements }) => settlements);
  expect(stream?.handled).toEqual([1]);
  expect(outcomes).toMatchObject([{ delivery: 2, outcome: { case: "notAttempted" } }]);
  expect(stream?.messages.slice(1).every(({ credit }) => credit === 0)).toBe(true);
  await expect(app.start()).rejects.toThrow("the app was closed");
  await expect(app.invoke("x", "y")).rejects.toThrow(/closed/);
});

test("closing does not wait for a handler longer than it is told, and the handler hears of it", async () => {
  await using runtime = await RuntimeServer.start();
  const app = appFor(runtime.port);
  const signal = Promise.withResolvers<AbortSignal>();
  app.on("orders", (event) => {
    signal.resolve(event.signal);
    return new Promise(() => {});
  });
  await app.start();
  await until(() => runtime.streams[0]?.messages.length === 1, { what: "the subscription" });
  runtime.streams[0]?.send({ binding: "orders", events: [event(1, "a")] });
  const aborted = await signal.promise;
  await app.close({ deadline: 10 });
  expect(aborted.aborted).toBe(true);
});

test.each([
  [{ runtime: "nonsense here" }, 'cannot dial "nonsense here"'],
  [{ runtime: "host:99999" }, 'cannot dial "host:99999"'],
  [{ concurrency: 0 }, "concurrency is 0"],
  [{ window: 1.5 }, "window is 1.5"],
])("options that cannot be meant are refused: %o", (options, message) => {
  expect(() => createApp(options)).toThrow(message);
});

test.each([0, -1, 0.5])(
  "a limit of %d bytes for what the runtime sends is refused",
  async (memory) => {
    await expect(createApp().serve({ port: 0, memory })).rejects.toThrow(`memory is ${memory}`);
  },
);
