import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeApp } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function start(
  prepare: (app: FakeApp) => void,
  values: Record<string, string> = {},
  directions: "input" | "both" = "input",
) {
  const system = new FakeSystem();
  const app = new FakeApp();
  prepare(app);
  const started = startRuntime({ bindings: [system.binding("fake", directions)], app });
  await started.runtime.apply([component("fake", values)]);
  await settled();
  return { ...started, system, app };
}

test("an app that says no is asked again when it comes back, and after a minute", async () => {
  const { app, system, status } = await start((one) => (one.wantsInput = async () => false));
  expect(status()).toMatchObject({
    state: "waiting for app",
    reason: "the app does not subscribe to orders",
  });
  await vi.advanceTimersByTimeAsync(59_999);
  expect(app.asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(app.asked).toHaveLength(2);
  app.wantsInput = async () => true;
  app.available = false;
  await settled();
  app.available = true;
  await settled();
  expect(app.asked).toHaveLength(3);
  expect([status().state, system.log]).toEqual(["running", ["open 1", "read 1"]]);
});

test("an app that gives no answer is asked again with growing pauses", async () => {
  const { app, status, lines } = await start((one) => {
    one.wantsInput = () => Promise.reject(new Error("HTTP 500"));
  });
  expect(status()).toMatchObject({
    state: "waiting for app",
    reason: "the app did not say whether it wants orders: HTTP 500",
  });
  await vi.advanceTimersByTimeAsync(30_000);
  expect(app.asked.length).toBeGreaterThan(5);
  expect(app.asked.length).toBeLessThan(13);
  const warnings = () => lines.filter(({ level }) => level === "warn");
  // After half a second, four and 24.
  expect(warnings().map(({ message }) => message)).toEqual(
    Array.from({ length: 3 }, () => "the app is asked again with growing pauses"),
  );
  expect(warnings()[0]?.fields).toMatchObject({ reason: expect.stringContaining("HTTP 500") });
  app.wantsInput = async () => true;
  await vi.advanceTimersByTimeAsync(5000);
  expect(status().state).toBe("running");
  expect(warnings()).toHaveLength(3);
  expect(lines.at(-1)?.message).toBe("the app wants the events now");
});

test("an input that the app does not want is told once, with what the app has, and again after growing pauses", async () => {
  const { status, lines, app } = await start((one) => {
    one.wantsInput = async () => false;
    one.whyUnwanted = ({ name }) => `it has order; the component is ${name}`;
  });
  const reason = "the app does not subscribe to orders: it has order; the component is orders";
  expect(status()).toMatchObject({ state: "waiting for app", reason });
  const told = () => lines.filter(({ fields }) => "reason" in fields && fields.reason === reason);
  expect(told()).toEqual([
    {
      level: "warn",
      fields: { reason },
      message: "the app does not want the component's events; it is asked again",
    },
  ]);
  // At 1, 3, 7, 15, 31 and 63 minutes.
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(told()).toHaveLength(6);
  app.wantsInput = async () => true;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(status().state).toBe("running");
  expect(told()).toHaveLength(6);
});

test("an app that has subscribed to others only is told as one that does not want the input, after a second", async () => {
  const { status, lines, app } = await start((one) => {
    one.available = false;
    one.takesOthersOnly = true;
    one.whyUnwanted = () => "it has payments";
  });
  expect(lines.filter(({ level }) => level === "warn")).toEqual([]);
  await vi.advanceTimersByTimeAsync(1000);
  const reason = "the app does not subscribe to orders: it has payments";
  expect(status()).toMatchObject({ state: "waiting for app", reason });
  expect(lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  app.takesOthersOnly = false;
  app.available = true;
  await settled();
  expect(status().state).toBe("running");
});

test("while the app is away the state has its reason and the time since, as they are now", async () => {
  const { status, app } = await start((one) => (one.available = false));
  app.reason = "it speaks gRPC";
  app.unavailableSince = new Date(Date.now() + 500);
  expect(status()).toMatchObject({
    state: "waiting for app",
    reason: "it speaks gRPC",
    since: app.unavailableSince,
  });
});

test("an app that comes late is asked when it is there", async () => {
  const { app, status } = await start((one) => (one.available = false));
  expect(app.asked).toEqual([]);
  expect(status()).toMatchObject({ state: "waiting for app", reason: "the app is away" });
  app.available = true;
  await settled();
  expect(status().state).toBe("running");
  app.available = false;
  expect(status()).toMatchObject({ state: "waiting for app", reason: "the app is away" });
});

test("an app that came back and wants no more gets no more, until it does again", async () => {
  const { app, system, status } = await start(() => undefined);
  app.wantsInput = async () => false;
  app.available = false;
  app.available = true;
  await settled();
  expect(status().state).toBe("waiting for app");
  expect(system.log).toEqual(["open 1", "read 1", "stop 1", "flush 1", "close 1"]);
  app.wantsInput = async () => true;
  app.available = false;
  app.available = true;
  await settled();
  expect(system.log.slice(5)).toEqual(["read 2"]);
  expect(status().state).toBe("running");
});

test("an app that came back and does not answer is read for as before", async () => {
  const { app, system } = await start(() => undefined);
  app.wantsInput = () => Promise.reject(new Error("not yet"));
  app.available = false;
  app.available = true;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(system.log).toEqual(["open 1", "read 1"]);
});

test.each([
  ["input", ["read 1"], { input: true, output: false }],
  ["input, output", ["read 1"], { input: true, output: true }],
  ["output", [], { input: false, output: true }],
])("direction %s: the app is not asked", async (direction, log, directions) => {
  const { app, system, status } = await start(() => undefined, { direction }, "both");
  expect(app.asked).toEqual([]);
  expect(system.log).toEqual(["open 1", ...log]);
  expect(status()).toMatchObject({ state: "running", directions });
});

test("a component that is an output too runs while the app wants no events", async () => {
  const { status, invoke } = await start((one) => (one.wantsInput = async () => false), {}, "both");
  expect(status()).toMatchObject({
    state: "running",
    reason: "the app does not subscribe to orders",
  });
  await invoke("orders");
});

test("without an app inputs wait, outputs run", async () => {
  const system = new FakeSystem();
  const { runtime, status } = startRuntime({
    bindings: [system.binding("in", "input"), system.binding("both")],
  });
  await runtime.apply([
    component("in", {}, { name: "in" }),
    component("both", {}, { name: "both" }),
  ]);
  expect(status("in")).toMatchObject({
    state: "waiting for app",
    reason: "this runtime was given no app; createRuntime takes one as `app`",
  });
  expect(status("both").state).toBe("running");
});

test("a reading that hangs while it begins is abandoned after its time, and ended when it comes", async () => {
  const system = new FakeSystem();
  const { promise, resolve } = Promise.withResolvers<void>();
  system.read = () => promise;
  const app = new FakeApp();
  const { runtime } = startRuntime({ bindings: [system.binding("fake", "input")], app });
  await runtime.apply([component("fake")]);
  await settled();
  const closed = runtime.close();
  await vi.advanceTimersByTimeAsync(20_000);
  await closed;
  expect(system.log).toEqual(["open 1", "dispose 1"]);
  resolve();
  await settled();
  expect(system.log.slice(2)).toEqual(["read 1", "stop 1", "flush 1", "close 1"]);
  expect(app.listeners).toBe(0);
});

test("a reader that hangs while it ends is abandoned after its time", async () => {
  const system = new FakeSystem();
  const binding = system.binding("fake", "input");
  const hanging = () => new Promise<void>(() => undefined);
  const app = new FakeApp();
  const { runtime, status } = startRuntime({
    bindings: [
      { ...binding, read: async () => ({ stop: hanging, flush: hanging, close: hanging }) },
    ],
    app,
  });
  await runtime.apply([component("fake")]);
  await settled();
  expect(status().state).toBe("running");
  const closed = runtime.close();
  await vi.advanceTimersByTimeAsync(30_000);
  await closed;
  expect(system.log).toEqual(["open 1", "dispose 1"]);
});

test("a reading that has not begun yet is cancelled at the end, and is no failure", async () => {
  const system = new FakeSystem();
  system.read = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("gone"))));
  const started = startRuntime({ bindings: [system.binding("fake", "input")], app: new FakeApp() });
  void started.runtime.apply([component("fake")]);
  await settled();
  expect(system.readings).toHaveLength(1);
  expect(await started.runtime.drain(5000)).toEqual({ abandoned: 0 });
  expect(started.lines.filter(({ level }) => level === "warn")).toEqual([]);
  await started.runtime.close();
});
