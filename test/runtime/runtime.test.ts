import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BindingError } from "../../src/errors.ts";
import type { Reply } from "../../src/runtime/app.ts";
import { FakeApp, ManualApp } from "./fake-app.ts";
import { component, FakeSystem, startRuntime } from "./fake-binding.ts";
import { settled, sourceEvent } from "./source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A source, two targets and a store; each event is answered with the reply. */
async function replying(reply: Reply, values: Record<string, string> = {}) {
  const app = new FakeApp(() => ({ kind: "handled", reply }));
  const source = new FakeSystem();
  const target = new FakeSystem();
  const store = new FakeSystem();
  const started = startRuntime({
    bindings: [source.binding("source", "input"), target.binding("target", "output")],
    stateStores: [store.binding("store", "output")],
    app,
  });
  await started.runtime.apply([
    component("source", values),
    component("target", {}, { name: "one" }),
    component("target", {}, { name: "two" }),
    component("store", {}, { name: "states", type: "state.store" }),
  ]);
  await settled();
  const event = sourceEvent("1");
  await source.reading.deliver([event]);
  await settled();
  return { ...started, app, target, store, event };
}

test("a reply goes to the outputs it names before its event counts as handled", async () => {
  const { target, event, status } = await replying({
    source: "grpc",
    to: ["one", "two"],
    data: Buffer.from("x"),
  });
  expect(target.calls.map(({ operation, data }) => [operation, String(data)])).toEqual([
    ["create", "x"],
    ["create", "x"],
  ]);
  expect(event.settlements).toMatchObject([{ outcome: "handled" }]);
  expect(status()).toMatchObject({ handled: 1, waiting: 0, inFlight: 0 });
});

test("a state store is announced as what it is: a store for the states of replies", async () => {
  const { status, lines } = await replying({ source: "grpc" });
  const what = "a store for the states of replies only; there is no state API";
  expect(status("states")).toMatchObject({ state: "running", reason: what });
  const told = lines.map(({ message }) => message).filter((message) => message.includes("running"));
  expect(told.filter((message) => message === `component running: ${what}`)).toHaveLength(1);
  expect(told).toHaveLength(4);
});

test("a target that there is not is a failed attempt, tried again without the app", async () => {
  const { app, event, status, target, lines } = await replying({
    source: "grpc",
    to: ["one", "nobody", "two"],
  });
  expect(event.settlements).toEqual([]);
  expect(status()).toMatchObject({ failedAttempts: 1, waiting: 1 });
  expect(JSON.stringify(lines)).toContain("reply to nobody: couldn't find output binding nobody");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(app.deliveries).toHaveLength(1);
  expect(target.calls).toHaveLength(1);
  expect(status().failedAttempts).toBeGreaterThan(2);
});

test("in parallel the other targets are not held up by one that fails", async () => {
  const reply: Reply = { source: "grpc", to: ["nobody", "one", "two"], concurrency: "parallel" };
  const { target, event } = await replying(reply);
  expect(target.calls).toHaveLength(2);
  expect(event.settlements).toEqual([]);
});

test("states are saved where the component says so", async () => {
  const reply: Reply = {
    source: "grpc",
    storeName: "states",
    states: [{ key: "k", value: Buffer.from("v") }],
  };
  const { store, event } = await replying(reply);
  expect(store.calls).toEqual([]);
  expect(event.settlements).toHaveLength(1);
  const saving = await replying(reply, { replyFanOut: "true" });
  expect(
    saving.store.calls.map(({ operation, data, properties }) => [
      operation,
      String(data),
      properties,
    ]),
  ).toEqual([["set", "v", { key: "k" }]]);
});

test("an HTTP reply of Dapr's form counts only where the component says so", async () => {
  const reply: Reply = { source: "http", data: Buffer.from('{"to":["one"],"data":"x"}') };
  expect((await replying(reply)).target.calls).toEqual([]);
  const { target } = await replying(reply, { replyFanOut: "true" });
  expect(target.calls.map(({ data }) => String(data))).toEqual(['"x"']);
});

test("an output that comes back completes the fan-out", async () => {
  const app = new FakeApp(() => ({ kind: "handled", reply: { source: "grpc", to: ["one"] } }));
  const source = new FakeSystem();
  const target = new FakeSystem();
  target.open = () => {
    throw new BindingError("unavailable", "down", { effect: "unsent" });
  };
  const { runtime } = startRuntime({
    bindings: [source.binding("source", "input"), target.binding("target", "output")],
    app,
  });
  await runtime.apply([component("source"), component("target", {}, { name: "one" })]);
  await settled();
  const event = sourceEvent("1");
  await source.reading.deliver([event]);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(event.settlements).toEqual([]);
  target.open = () => undefined;
  await vi.advanceTimersByTimeAsync(70_000);
  expect(event.settlements).toMatchObject([{ outcome: "handled" }]);
  expect([app.deliveries.length, target.calls.length]).toEqual([1, 1]);
});

test("maxConcurrency holds over all components", async () => {
  const system = new FakeSystem();
  const app = new ManualApp();
  const { runtime, status } = startRuntime({
    bindings: [system.binding("fake", "input")],
    app,
    maxConcurrency: 3,
  });
  await runtime.apply([component("fake", {}, { name: "a" }), component("fake", {}, { name: "b" })]);
  await settled();
  for (const [index, reading] of system.readings.entries()) {
    const events = [1, 2, 3].map((n) => sourceEvent(`${index}-${n}`));
    await reading.deliver(events);
  }
  for (let left = 6; left > 0; left--) {
    expect(app.out.length).toBe(Math.min(3, left));
    app.answer(app.out[0] ?? "");
    await settled();
  }
  expect([app.most, status("a").handled, status("b").handled]).toEqual([3, 3, 3]);
});

test("emit hands a test event over, once, by the component's route", async () => {
  const system = new FakeSystem();
  const app = new FakeApp(() => ({ kind: "refused", reason: "no" }));
  const { runtime } = startRuntime({ bindings: [system.binding("fake", "input")], app });
  await runtime.apply([component("fake", { route: "in/orders" })]);
  const event = { data: Buffer.from("x"), metadata: { a: "b" }, headers: [] };
  const { signal } = new AbortController();
  expect(await runtime.emit("orders", event, signal)).toEqual({ kind: "refused", reason: "no" });
  expect(app.deliveries).toMatchObject([
    { name: "orders", route: "in/orders", attempt: 1, attempts: 1, metadata: { a: "b" } },
  ]);
  const without = startRuntime({ bindings: [system.binding("fake", "input")] });
  await without.runtime.apply([component("fake", {})]);
  expect(await without.runtime.emit("orders", event, signal)).toMatchObject({ kind: "unsent" });
  await expect(runtime.emit("ordres", event, signal)).rejects.toThrow('did you mean "orders"?');
});

test("a source is told how many events it may have out", async () => {
  const system = new FakeSystem();
  const app = new FakeApp(() => ({ kind: "refused", reason: "no" }));
  const { runtime } = startRuntime({ bindings: [system.binding("fake", "input")], app });
  await runtime.apply([component("fake", { maxInFlight: "2" })]);
  await settled();
  expect(system.reading.maxInFlight).toBe(2);
  await system.reading.deliver([sourceEvent("1")]);
  await settled();
  expect(system.log.at(-1)).toBe("credit 3");
});

test("an invocation that comes before the components are there waits for them", async () => {
  const system = new FakeSystem();
  const { runtime } = startRuntime({ bindings: [system.binding("fake", "output")] });
  const call = {
    ...{ operation: "create", data: Buffer.from("x"), encoding: "bytes" as const, metadata: {} },
    signal: new AbortController().signal,
  };
  const known = runtime.invoke({ name: "orders", ...call });
  const unknown = runtime.invoke({ name: "others", ...call });
  await settled();
  expect(system.calls).toHaveLength(0);
  const refused = expect(unknown).rejects.toThrow("couldn't find output binding others");
  await runtime.apply([component("fake")]);
  await known;
  await refused;
  expect(system.calls).toHaveLength(1);
});
