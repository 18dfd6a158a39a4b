import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AnyBinding } from "../../../src/binding.ts";
import { BindingError } from "../../../src/errors.ts";
import { FakeApp, ManualApp } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Options = {
  app?: FakeApp;
  values?: Record<string, string>;
  directions?: "input" | "output" | "both";
  extras?: Partial<Pick<AnyBinding, "ping" | "backlog">>;
};

async function running({ app = new FakeApp(), values = {}, directions, extras }: Options = {}) {
  const system = new FakeSystem();
  const binding: AnyBinding = { ...system.binding("fake", directions), ...extras };
  const started = startRuntime({ bindings: [binding], app });
  const names = Object.keys(values).map((name) => ({ name, origin: undefined }));
  await started.runtime.apply([component("fake", values, { properties: names })]);
  await settled();
  return { ...started, system, app };
}

test("a paused input reads no more; the app finishes what it has, and outputs go on", async () => {
  const app = new ManualApp();
  const { runtime, system, status, invoke } = await running({ app });
  const events = ["1", "2"].map((text) => sourceEvent(text, { key: "k" }));
  await system.reading.deliver(events);
  await runtime.pause("orders", "the shop is closed", "ada");
  await runtime.pause("orders", "another reason", "bob");
  await settled();
  expect(system.log).toEqual(["open 1", "read 1", "stop 1"]);
  expect(status()).toMatchObject({ state: "paused", reason: "paused by ada: the shop is closed" });
  app.answer("1");
  await settled();
  expect(events.map(({ settlements }) => settlements[0]?.outcome)).toEqual(["handled", "returned"]);
  expect(system.log.slice(3)).toEqual(["flush 1", "close 1"]);
  await invoke("orders");
  await runtime.resume("orders");
  await runtime.resume("orders");
  await settled();
  expect(system.log.at(-1)).toBe("read 2");
  expect(status()).toMatchObject({ state: "running", reason: "", paused: undefined, handled: 1 });
});

test("resumed before the pause had come about: it reads once the old reading has ended", async () => {
  const app = new ManualApp();
  const { runtime, system } = await running({ app });
  await system.reading.deliver([sourceEvent("1")]);
  await runtime.pause("orders", "");
  await runtime.resume("orders");
  await settled();
  expect(system.readings).toHaveLength(1);
  app.answer("1");
  await settled();
  expect(system.log.slice(-4)).toEqual(["stop 1", "flush 1", "close 1", "read 2"]);
});

test("a pause stays over a lost connection, and says so beside it", async () => {
  const { runtime, system, status } = await running();
  await runtime.pause("orders", "");
  system.open = () => {
    throw new Error("away");
  };
  system.opening.lost(new Error("reset"));
  await settled();
  expect(status()).toMatchObject({ state: "reconnecting", reason: "reset; paused by an operator" });
  system.open = () => undefined;
  await vi.advanceTimersByTimeAsync(1000);
  expect(status().state).toBe("paused");
  expect(system.readings).toHaveLength(1);
});

test("draining a component tells how many events the app did not finish", async () => {
  const app = new ManualApp();
  const { runtime, system, status } = await running({ app });
  const event = sourceEvent("1");
  await system.reading.deliver([event]);
  const drained = runtime.drainComponent("orders", 2000);
  await vi.advanceTimersByTimeAsync(2000);
  expect(await drained).toEqual({ abandoned: 1 });
  expect(event.settlements).toMatchObject([{ outcome: "returned" }]);
  expect(status().state).toBe("paused");
});

test("a shutdown has no longer than its own time for a pause that is under way", async () => {
  const app = new ManualApp();
  const { runtime, system } = await running({ app });
  await system.reading.deliver([sourceEvent("1")]);
  await runtime.pause("orders", "");
  const drained = runtime.drain(500);
  await vi.advanceTimersByTimeAsync(500);
  expect(await drained).toEqual({ abandoned: 1 });
});

test("unknown names, and components that are no input, are told apart", async () => {
  const { runtime } = await running({ directions: "output" });
  const calls = [
    () => runtime.pause("nobody", ""),
    () => runtime.resume("nobody"),
    () => runtime.restart("nobody"),
    () => runtime.drainComponent("nobody", 1),
  ];
  for (const call of calls) await expect(call()).rejects.toMatchObject({ reason: "not_found" });
  const noInput = {
    reason: "failed_precondition",
    message: expect.stringContaining("component orders is an output") as string,
  };
  await expect(runtime.pause("orders", "")).rejects.toMatchObject(noInput);
});

test("a restart opens anew beside what runs; one that fails leaves that alone", async () => {
  const { runtime, system, status } = await running();
  await runtime.restart("orders");
  await settled();
  expect(system.log).toEqual([
    ...["open 1", "read 1", "open 2", "stop 1", "flush 1", "close 1", "read 2", "dispose 1"],
  ]);
  system.open = () => {
    throw new Error("away");
  };
  await expect(runtime.restart("orders")).rejects.toThrow("away");
  expect(status()).toMatchObject({ state: "running", reason: "" });
});

test("a lazy output is connected at its first invocation", async () => {
  const { system, status, invoke } = await running({
    values: { readiness: "lazy" },
    directions: "output",
  });
  expect(status()).toMatchObject({
    state: "starting",
    reason: "not used yet",
    readiness: "lazy",
    required: false,
  });
  expect(system.openings).toHaveLength(0);
  await invoke("orders");
  expect(system.calls).toHaveLength(1);
  expect(status()).toMatchObject({ state: "running", reason: "" });
});

test("a lazy input is connected when the app wants it", async () => {
  const app = new FakeApp();
  app.wantsInput = async () => false;
  const { system, status } = await running({ app, values: { readiness: "lazy" } });
  await vi.advanceTimersByTimeAsync(20_000);
  expect([system.openings.length, status().state]).toEqual([0, "starting"]);
  app.wantsInput = async () => true;
  await vi.advanceTimersByTimeAsync(5000);
  expect([system.readings.length, status().state]).toEqual([1, "running"]);
});

test("one that was never used can be changed and closed", async () => {
  const app = new FakeApp();
  app.available = false;
  const { runtime, system, status } = await running({ app, values: { readiness: "lazy" } });
  const values = { readiness: "lazy", size: "2" };
  const properties = [{ name: "readiness", origin: undefined }];
  const result = await runtime.apply([component("fake", values, { properties })]);
  expect(result.outcome).toBe("applied");
  expect(status().reason).toBe("not used yet");
  await runtime.close();
  expect(system.openings).toEqual([]);
});

test("readiness: required has two spellings", async () => {
  expect((await running({ values: { required: "true" } })).status()).toMatchObject({
    required: true,
    readiness: "required",
  });
  expect((await running({ values: { readiness: "required" } })).status().required).toBe(true);
});

test("an input that stands still while events wait is reconnected, once told, later the next time", async () => {
  let waiting = 5;
  const { system, status, lines } = await running({
    extras: { backlog: async () => waiting },
    values: { stallTimeout: "60s" },
  });
  await system.reading.deliver([sourceEvent("1")]);
  await vi.advanceTimersByTimeAsync(70_000);
  expect(status()).toMatchObject({ rebuilds: 0, backlog: 5 });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(status()).toMatchObject({
    state: "stalled",
    reason: "5 events wait at the source, and none came for 60 s",
    rebuilds: 1,
  });
  const told = lines.find(({ level }) => level === "error");
  expect(told).toMatchObject({ fields: { backlog: 5, for: "60s", inFlight: 0 } });
  await vi.advanceTimersByTimeAsync(1000);
  expect([status().state, system.openings.length]).toEqual(["running", 2]);
  await vi.advanceTimersByTimeAsync(100_000);
  expect(status().rebuilds).toBe(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(status().rebuilds).toBe(2);
  waiting = 0;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(status()).toMatchObject({ state: "running", rebuilds: 2, backlog: 0 });
});

test.each<[string, Options, (app: FakeApp, system: FakeSystem) => Promise<unknown>]>([
  [
    "events are what the app has",
    { app: new ManualApp() },
    (_, system) => system.reading.deliver(["1", "2", "3"].map((text) => sourceEvent(text))),
  ],
  ["the app is away", {}, async (app) => (app.available = false)],
  ["it is off", { values: { stallTimeout: "0s" } }, async () => undefined],
])("it does not stand still when %s", async (_, options, prepare) => {
  const app = options.app ?? new FakeApp();
  const { system, status } = await running({
    ...options,
    app,
    extras: { backlog: async () => 3 },
  });
  await prepare(app, system);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(status().rebuilds).toBe(0);
});

test("nor while events come", async () => {
  const { system, status } = await running({ extras: { backlog: async () => 1000 } });
  for (let n = 0; n < 60; n++) {
    await system.reading.deliver([sourceEvent(String(n))]);
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(status().rebuilds).toBe(0);
});

test("heartbeats that fail or hang three times in a row reconnect it", async () => {
  let ping = async (): Promise<void> => undefined;
  const { system, status } = await running({
    directions: "output",
    extras: { ping: () => ping() },
  });
  ping = () => Promise.reject(new BindingError("permission_denied", "no permission"));
  await vi.advanceTimersByTimeAsync(300_000);
  expect(status().rebuilds).toBe(0);
  ping = () => Promise.reject(new Error("broken"));
  await vi.advanceTimersByTimeAsync(60_000);
  ping = async () => undefined;
  await vi.advanceTimersByTimeAsync(60_000);
  ping = () => new Promise(() => undefined);
  await vi.advanceTimersByTimeAsync(99_000);
  expect(status().rebuilds).toBe(0);
  ping = () => Promise.reject(new Error("broken"));
  await vi.advanceTimersByTimeAsync(31_000);
  expect(status().rebuilds).toBe(1);
  expect(system.openings).toHaveLength(2);
  ping = async () => undefined;
  await vi.advanceTimersByTimeAsync(300_000);
  expect(status()).toMatchObject({ state: "running", rebuilds: 1 });
});

test("a halted input is paused, with the reason", async () => {
  const app = new FakeApp(() => ({ kind: "refused", reason: "never", final: true }));
  const { system, status } = await running({ app, values: { onExhausted: "halt" } });
  await system.reading.deliver([sourceEvent("1")]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(status()).toMatchObject({ state: "paused", paused: { by: "the runtime" } });
  expect(status().reason).toContain("never");
});
