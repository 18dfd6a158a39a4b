import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { BindingError } from "../../../src/errors.ts";
import { FakeApp, ManualApp } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const down = () => {
  throw new BindingError("unavailable", "connection refused", { effect: "unsent" });
};

test("runs, and tells what it is", async () => {
  const system = new FakeSystem();
  const { runtime, status } = startRuntime({
    bindings: [system.binding("fake")],
    app: new FakeApp(),
  });
  expect(runtime.ready).toBe(false);
  const origin = { file: "orders.yaml", line: 3, column: 1 };
  await runtime.apply([component("Fake", { required: "true" }, { origin })]);
  await settled();
  expect(runtime.ready).toBe(true);
  expect(status()).toMatchObject({
    name: "orders",
    type: "bindings.Fake",
    version: "v1",
    state: "running",
    reason: "",
    origin: "orders.yaml:3:1",
    directions: { input: true, output: true },
    operations: ["create", "set", "put"],
    required: true,
  });
  expect(system.opening).toMatchObject({
    component: { name: "orders", appId: "shop" },
    metadata: { host: "here", size: 1 },
  });
});

test("a server that is not there is tried again with growing pauses until it comes", async () => {
  const system = new FakeSystem();
  system.open = down;
  const { runtime, status, lines } = startRuntime({
    bindings: [system.binding("fake", "output")],
  });
  await runtime.apply([component("fake")]);
  expect(status()).toMatchObject({ state: "reconnecting", reason: "connection refused" });
  expect(runtime.ready).toBe(true);
  await vi.advanceTimersByTimeAsync(60_000);
  const tries = system.openings.length;
  expect(tries).toBeGreaterThan(8);
  expect(tries).toBeLessThan(16);
  // Said once, not once a try.
  expect(lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  system.open = () => undefined;
  await vi.advanceTimersByTimeAsync(11_000);
  expect(status()).toMatchObject({ state: "running", reason: "" });
});

test("a lost connection: the app finishes, the reader ends in order, a new one is opened", async () => {
  const system = new FakeSystem();
  const app = new ManualApp();
  const { runtime, status } = startRuntime({ bindings: [system.binding("fake")], app });
  await runtime.apply([component("fake")]);
  await settled();
  const events = [sourceEvent("1", { key: "k" }), sourceEvent("2", { key: "k" })];
  await system.reading.deliver(events);
  const [first] = system.openings;
  first?.lost(new Error("connection reset"));
  await settled();
  app.answer("1");
  await settled();
  expect(status()).toMatchObject({ state: "reconnecting", reason: "connection reset", handled: 1 });
  expect(events.map(({ settlements }) => settlements)).toMatchObject([
    [{ outcome: "handled" }],
    [{ outcome: "returned" }],
  ]);
  await vi.advanceTimersByTimeAsync(200);
  expect(system.log).toEqual([
    ...["open 1", "read 1", "stop 1", "flush 1", "close 1", "dispose 1"],
    ...["open 2", "read 2"],
  ]);
  expect(status().state).toBe("running");
  // What the old one says late does not count any more.
  first?.lost(new Error("again"));
  system.readings[0]?.lost(new Error("again"));
  await settled();
  expect(status().state).toBe("running");
  await system.reading.deliver([sourceEvent("3")]);
  app.answer("3");
  await settled();
  expect(status()).toMatchObject({ handled: 2, inFlight: 0, waiting: 0 });
});

test("an app that does not finish holds up a lost connection for a short time only", async () => {
  const system = new FakeSystem();
  const app = new ManualApp();
  const { runtime, status } = startRuntime({ bindings: [system.binding("fake")], app });
  await runtime.apply([component("fake")]);
  await settled();
  const event = sourceEvent("1");
  await system.reading.deliver([event]);
  system.reading.lost(new Error("reset"));
  await vi.advanceTimersByTimeAsync(5300);
  expect(event.settlements).toMatchObject([{ outcome: "returned" }]);
  expect([status().state, system.openings.length]).toEqual(["running", 2]);
});

test("a read that fails: what came before it is returned, and all is reopened", async () => {
  const system = new FakeSystem();
  const event = sourceEvent("1");
  system.read = async (reading) => {
    if (system.readings.length > 1) return;
    await reading.deliver([event]);
    throw new Error("subscription refused");
  };
  const app = new FakeApp();
  app.available = false;
  const { runtime, status } = startRuntime({ bindings: [system.binding("fake")], app });
  await runtime.apply([component("fake", { direction: "input" })]);
  app.available = true;
  app.handle = () => ({ kind: "refused", reason: "no" });
  await settled();
  expect(status()).toMatchObject({ state: "reconnecting", reason: "subscription refused" });
  expect(event.settlements).toMatchObject([{ outcome: "returned" }]);
  expect(system.log).toEqual(["open 1", "dispose 1"]);
  await vi.advanceTimersByTimeAsync(200);
  expect(status().state).toBe("running");
  await runtime.close();
  expect(app.listeners).toBe(0);
});

test("metadata that is wrong fails the component, says where, and leaves the others alone", async () => {
  const system = new FakeSystem();
  const { runtime, status } = startRuntime({ bindings: [system.binding("fake", "output")] });
  const origin = { file: "a.yaml", line: 9, column: 5 };
  await runtime.apply([
    component(
      "fake",
      { size: "many", host: "" },
      { name: "wrong", properties: [{ name: "Size", origin }] },
    ),
    component("fake"),
  ]);
  expect(status("wrong")).toMatchObject({
    state: "failed",
    reason: 'metadata host is required; metadata size "many" is not an integer (a.yaml:9:5)',
  });
  expect(status()).toMatchObject({ state: "running" });
});

test("an open that says the metadata is wrong fails it too", async () => {
  const system = new FakeSystem();
  system.open = () => {
    throw new BindingError("invalid_argument", "host is no address");
  };
  const { runtime, status, lines } = startRuntime({ bindings: [system.binding("fake")] });
  await runtime.apply([component("fake")]);
  expect(status()).toMatchObject({ state: "failed", reason: "host is no address" });
  expect(lines.filter(({ level }) => level === "error")).toHaveLength(1);
});

test("an unknown type or version is said with what was probably meant; the others run", async () => {
  const system = new FakeSystem();
  const { runtime, status, lines } = startRuntime({ bindings: [system.binding("fake", "output")] });
  await runtime.apply([
    component("fakee", {}, { name: "a" }),
    component("fake", {}, { name: "b", version: "v2" }),
    component("FAKE-alias", {}, { name: "c", version: "" }),
  ]);
  expect(status("c").state).toBe("running");
  const errors = lines.filter(({ level }) => level === "error").map(({ message }) => message);
  expect(errors).toEqual([
    "couldn't find binding a (bindings.fakee/v1); did you mean bindings.fake?",
    "couldn't find binding b (bindings.fake/v2); did you mean bindings.fake v1?",
  ]);
});

test("no secret is shown: not in a state, not in the log, however it comes", async () => {
  const system = new FakeSystem();
  const secret = "s".repeat(100);
  const password = "hunter2";
  const { runtime, status, lines } = startRuntime({ bindings: [system.binding("fake", "output")] });
  system.open = () => {
    throw new Error(`cannot reach amqp://me:${password}@host`);
  };
  await runtime.apply([
    component("fake", { size: secret }, { name: "value", secrets: [secret] }),
    component("fake", {}, { name: "opening", secrets: [password] }),
  ]);
  expect(status("value").reason).toBe("metadata size is not an integer");
  expect(status("opening").reason).toBe("cannot reach amqp://me:***@host");
  system.open = () => undefined;
  await vi.advanceTimersByTimeAsync(1000);
  system.opening.lost(new Error(`lost ${password}`));
  await settled();
  expect(status("opening")).toMatchObject({ state: "reconnecting", reason: "lost ***" });
  expect(JSON.stringify(lines)).not.toMatch(/hunter2|sssss/);
});

test("one that takes long to open counts as tried after its initTimeout", async () => {
  const system = new FakeSystem();
  const { promise, resolve } = Promise.withResolvers<void>();
  system.open = () => promise;
  const { runtime, status } = startRuntime({ bindings: [system.binding("fake", "output")] });
  const applied = runtime.apply([component("fake", {}, { initTimeout: 300 })]);
  await vi.advanceTimersByTimeAsync(299);
  expect(runtime.ready).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await applied;
  expect([runtime.ready, status().state]).toEqual([true, "starting"]);
  resolve();
  await settled();
  expect(status().state).toBe("running");
});

test("one that opens after it was abandoned is closed again", async () => {
  const system = new FakeSystem();
  const { promise, resolve } = Promise.withResolvers<void>();
  system.open = () => promise;
  const { runtime } = startRuntime({ bindings: [system.binding("fake", "output")] });
  void runtime.apply([component("fake")]);
  await settled();
  await runtime.close();
  expect(system.opening.signal.aborted).toBe(true);
  resolve();
  await settled();
  expect(system.log).toEqual(["open 1", "dispose 1"]);
});

test("one that opens after it was abandoned, and cannot be closed, troubles nobody", async () => {
  const late = Promise.withResolvers<AsyncDisposable>();
  const binding = { ...new FakeSystem().binding("fake", "output"), open: () => late.promise };
  const { runtime } = startRuntime({ bindings: [binding] });
  void runtime.apply([component("fake")]);
  await settled();
  await runtime.close();
  const strays: unknown[] = [];
  const onStray = (error: unknown): void => void strays.push(error);
  process.on("unhandledRejection", onStray);
  onTestFinished(() => void process.off("unhandledRejection", onStray));
  const close = vi.fn<() => Promise<void>>(() => Promise.reject(new Error("gone already")));
  late.resolve({ [Symbol.asyncDispose]: close });
  await settled();
  vi.useRealTimers();
  await new Promise((resolve) => setImmediate(resolve));
  expect(close).toHaveBeenCalledOnce();
  expect(strays).toEqual([]);
});

test("a secret that is not there yet is asked for again", async () => {
  const system = new FakeSystem();
  let there = false;
  const { runtime, status } = startRuntime({ bindings: [system.binding("fake", "output")] });
  await runtime.apply([
    component(
      "fake",
      {},
      {
        async resolve() {
          if (!there) throw new BindingError("not_found", "secret redis is not there");
          return { values: { host: "x" }, secrets: [] };
        },
      },
    ),
  ]);
  expect(status()).toMatchObject({ state: "reconnecting", reason: "secret redis is not there" });
  there = true;
  await vi.advanceTimersByTimeAsync(1000);
  expect(status().state).toBe("running");
});

test("apply opens what is new, closes what is gone, and leaves the rest alone", async () => {
  const system = new FakeSystem();
  const { runtime } = startRuntime({ bindings: [system.binding("fake", "output")] });
  const [a, b] = [component("fake", {}, { name: "a" }), component("fake", {}, { name: "b" })];
  await runtime.apply([a, b]);
  await runtime.apply([a, component("fake", { size: "2" }, { name: "b" })]);
  expect(system.log).toEqual(["open 1", "open 2", "open 3", "dispose 2"]);
  await runtime.apply([a]);
  expect(system.log.slice(4)).toEqual(["dispose 3"]);
  expect(runtime.components().map(({ name }) => name)).toEqual(["a"]);
});

test("a full window shows as stalled, with what holds it", async () => {
  const system = new FakeSystem();
  const app = new FakeApp(({ data }) =>
    String(data) === "poison"
      ? { kind: "refused", reason: "no" }
      : { kind: "handled", reply: undefined },
  );
  const { runtime, status } = startRuntime({ bindings: [system.binding("fake")], app });
  await runtime.apply([component("fake")]);
  await settled();
  const rest = Array.from({ length: 9999 }, (_, n) => sourceEvent(String(n)));
  void system.reading.deliver([sourceEvent("poison"), ...rest]);
  await vi.waitFor(() => expect(status().handled).toBe(9999), 20_000);
  expect(status()).toMatchObject({ state: "stalled", waiting: 1 });
  expect(status().reason).toContain("poison");
});

test("a stray exception of a binding's driver rebuilds its component only", async () => {
  const system = new FakeSystem();
  const bindings = [system.binding("fake", "output")];
  const { runtime, status, lines } = startRuntime({ bindings });
  const stray = Promise.withResolvers<boolean>();
  system.open = () =>
    queueMicrotask(() => {
      if (system.openings.length === 1) stray.resolve(runtime.blame(new Error("no hunter2")));
    });
  await runtime.apply([component("fake", {}, { secrets: ["hunter2"] })]);
  expect(await stray.promise).toBe(true);
  expect(lines).toContainEqual(
    expect.objectContaining({ fields: { component: "orders", reason: "no ***" } }),
  );
  expect(JSON.stringify(lines)).not.toContain("hunter2");
  expect(runtime.blame(new Error("nobody's"))).toBe(false);
  await vi.advanceTimersByTimeAsync(1000);
  expect(system.openings).toHaveLength(2);
  expect(status().state).toBe("running");
});

test("drain ends the inputs and leaves the outputs; close ends all", async () => {
  const system = new FakeSystem();
  const app = new ManualApp();
  const { runtime, invoke } = startRuntime({ bindings: [system.binding("fake")], app });
  await runtime.apply([component("fake")]);
  await settled();
  const events = ["1", "2"].map((text) => sourceEvent(text, { key: "k" }));
  await system.reading.deliver(events);
  const drained = runtime.drain(2000);
  await vi.advanceTimersByTimeAsync(2000);
  expect(await drained).toEqual({ abandoned: 1 });
  expect(runtime.ready).toBe(false);
  expect(events.every(({ settlements }) => settlements[0]?.outcome === "returned")).toBe(true);
  expect(system.log).toEqual(["open 1", "read 1", "stop 1", "flush 1", "close 1"]);
  await invoke("orders");
  await runtime.close();
  expect(system.log.at(-1)).toBe("dispose 1");
  await expect(invoke("orders")).rejects.toThrow(
    "component orders is not connected (it was closed)",
  );
});
