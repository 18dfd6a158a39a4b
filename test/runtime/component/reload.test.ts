import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ComponentSpec } from "../../../src/component.ts";
import { BindingError } from "../../../src/errors.ts";
import { FakeApp, ManualApp } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const origin = (line: number) => ({ file: "orders.yaml", line, column: 3 });

/** A component that runs, and what can be done to it. */
async function running(
  options: { app?: FakeApp; values?: Record<string, string>; input?: "input" | "output" } = {},
) {
  const system = new FakeSystem();
  const app = options.app ?? new FakeApp();
  const started = startRuntime({ bindings: [system.binding("fake", options.input)], app });
  const apply = (values: Record<string, string>, rest: Partial<ComponentSpec> = {}) =>
    started.runtime.apply([
      component("fake", values, {
        fingerprint: JSON.stringify([values, rest.type]),
        origin: origin(1),
        ...rest,
      }),
    ]);
  await apply(options.values ?? {});
  await settled();
  system.log.length = 0;
  return { ...started, system, app, apply };
}

test("a changed component is opened and proved first, then the old one ends, then it reads", async () => {
  const { apply, system, status, lines } = await running();
  const result = await apply({ size: "2" });
  await settled();
  expect(system.log).toEqual([
    ...["open 2", "stop 1", "flush 1", "close 1", "read 2"],
    "dispose 1",
  ]);
  expect(result).toMatchObject({
    revision: 2,
    outcome: "applied",
    components: [
      { name: "orders", change: "updated", outcome: "applied", origin: "orders.yaml:1:3" },
    ],
  });
  expect(status()).toMatchObject({ state: "running", reason: "" });
  expect(lines.map(({ message }) => message)).toContain("component changed");
});

test("what says the same is left alone, wherever it stands now", async () => {
  const { apply, system, runtime, status } = await running();
  const result = await apply({}, { origin: origin(9) });
  expect(system.log).toEqual([]);
  expect(result).toMatchObject({
    revision: 1,
    outcome: "unchanged",
    components: [{ name: "orders", change: "kept", outcome: "applied", reason: "" }],
  });
  expect(status().origin).toBe("orders.yaml:9:3");
  expect(runtime.reloads.map(({ outcome }) => outcome)).toEqual(["applied", "unchanged"]);
});

test("one that cannot be opened changes nothing, and says why", async () => {
  const app = new ManualApp();
  const { apply, system, status, invoke, runtime } = await running({ app });
  const event = sourceEvent("1");
  await system.reading.deliver([event]);
  system.open = () => {
    throw new BindingError("unavailable", "connection refused", { effect: "unsent" });
  };
  const result = await apply({ size: "2" });
  expect(result).toMatchObject({
    revision: 1,
    outcome: "refused",
    components: [{ change: "updated", outcome: "failed", reason: "connection refused" }],
  });
  const reason = "the definition of orders.yaml:1:3 could not be taken over: connection refused";
  expect(status()).toMatchObject({ state: "running", reason, inFlight: 1 });
  expect(system.log).toEqual([]);
  app.answer("1");
  await settled();
  expect(event.settlements).toMatchObject([{ outcome: "handled" }]);
  await invoke("orders");
  // The same is tried again with the next reload, and what runs is right again once it is revoked.
  expect((await apply({ size: "2" })).outcome).toBe("refused");
  expect((await apply({})).outcome).toBe("unchanged");
  expect(status().reason).toBe("");
  expect(runtime.components()).toHaveLength(1);
});

test("one whose system was not there is tried again by itself, until another comes", async () => {
  const { apply, system, status, lines } = await running();
  let tries = 0;
  system.open = ({ metadata }) => {
    if (metadata.size !== 2) return;
    tries++;
    throw new BindingError("unavailable", "connection refused");
  };
  await apply({ size: "2" });
  const errors = () => lines.filter(({ level }) => level === "error").length;
  const before = errors();
  await vi.advanceTimersByTimeAsync(29_999);
  expect(tries).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(tries).toBe(2);
  await vi.advanceTimersByTimeAsync(60_000 + 120_000 + 240_000 + 300_000 + 300_000);
  expect(tries).toBe(7);
  expect([errors(), system.log]).toEqual([before, []]);
  expect(status().reason).toContain("connection refused");
  system.open = () => undefined;
  await vi.advanceTimersByTimeAsync(300_000);
  await settled();
  expect(system.log).toContain("read 2");
  expect(status()).toMatchObject({ state: "running", reason: "" });
});

test("one that is refused is not tried again once what runs was written anew, or the runtime stops", async () => {
  const { apply, system, runtime } = await running();
  let tries = 0;
  system.open = ({ metadata }) => {
    if (metadata.size !== 2) return;
    tries++;
    throw new BindingError("unavailable", "connection refused");
  };
  await apply({ size: "2" });
  await apply({});
  await vi.advanceTimersByTimeAsync(600_000);
  expect(tries).toBe(1);
  await apply({ size: "2" });
  expect(tries).toBe(2);
  await runtime.close();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(tries).toBe(2);
});

test("one that was proved and could not read interrupts what runs no second time by itself", async () => {
  const { apply, system } = await running();
  system.read = (reading) => {
    if (reading.metadata.size === 2) throw new Error("queue in use");
  };
  await apply({ size: "2" });
  await settled();
  system.log.length = 0;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(system.log).toEqual([]);
});

test("one whose opening hangs is abandoned after its initTimeout, and closed when it comes", async () => {
  const { apply, system, status } = await running();
  const opening = Promise.withResolvers<void>();
  system.open = () => opening.promise;
  const applied = apply({ size: "2" }, { initTimeout: 700 });
  await vi.advanceTimersByTimeAsync(700);
  expect(await applied).toMatchObject({
    components: [{ outcome: "failed", reason: "it could not be opened within 700 ms" }],
  });
  expect(status().state).toBe("running");
  opening.resolve();
  await settled();
  expect(system.log).toEqual(["open 2", "dispose 2"]);
});

test("one that is wrong as it is written, or of no known type, changes nothing", async () => {
  const { apply, system, status } = await running();
  expect(await apply({ size: "many" })).toMatchObject({
    outcome: "refused",
    components: [{ reason: 'metadata size "many" is not an integer (orders.yaml:1:3)' }],
  });
  const unknown = await apply({ size: "3" }, { type: "bindings.fakee" });
  expect(unknown.components[0]?.reason).toContain("did you mean bindings.fake?");
  expect(system.log).toEqual([]);
  expect(status()).toMatchObject({ state: "running", type: "bindings.fake" });
  expect(status().reason).toContain("could not be taken over");
});

test("one that cannot read: the old one reads again, on the connection that it had", async () => {
  const { apply, system, status, app } = await running();
  const event = sourceEvent("1");
  system.read = (reading) => {
    if (reading.metadata.size === 2) throw new Error("queue in use");
  };
  const result = await apply({ size: "2" });
  await settled();
  expect(result.components).toMatchObject([{ outcome: "failed", reason: "queue in use" }]);
  expect(system.log).toEqual([
    ...["open 2", "stop 1", "flush 1", "close 1", "dispose 2"],
    "read 3",
  ]);
  expect(status()).toMatchObject({ state: "running" });
  expect(status().reason).toContain("queue in use");
  await system.reading.deliver([event]);
  await settled();
  expect(event.settlements).toMatchObject([{ outcome: "handled" }]);
  expect(app.deliveries).toHaveLength(1);
});

test("one that never begins to read gives the place back", async () => {
  const { apply, system, status } = await running();
  system.read = (reading) =>
    reading.metadata.size === 2 ? new Promise<void>(() => undefined) : undefined;
  const applied = apply({ size: "2" });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await applied).toMatchObject({ outcome: "refused" });
  await settled();
  expect(system.log.slice(-1)).toEqual(["read 3"]);
  expect(status().reason).toContain("it did not begin to read in time");
});

test("the app finishes what it has before the new one reads; what it does not have is returned", async () => {
  const app = new ManualApp();
  const { apply, system, status } = await running({ app });
  const events = ["1", "2"].map((text) => sourceEvent(text, { key: "k" }));
  await system.reading.deliver(events);
  const applied = apply({ size: "2" });
  await vi.advanceTimersByTimeAsync(5000);
  expect(system.log).toEqual(["open 2", "stop 1"]);
  app.answer("1");
  await vi.advanceTimersByTimeAsync(10);
  expect(await applied).toMatchObject({ outcome: "applied" });
  expect(events.map(({ settlements }) => settlements[0]?.outcome)).toEqual(["handled", "returned"]);
  expect(status()).toMatchObject({ handled: 1 });
});

test("a stuck handler holds its own component up for drainTimeout, and no other", async () => {
  const app = new ManualApp();
  const { runtime, system } = await running({ app });
  const spec = (name: string, size: string) =>
    component("fake", { size, drainTimeout: "7s" }, { name, fingerprint: size });
  await runtime.apply([spec("a", "1"), spec("b", "1")]);
  await settled();
  await system.readings.at(-2)?.deliver([sourceEvent("stuck")]);
  const first = runtime.apply([spec("a", "2"), spec("b", "2")]);
  await vi.advanceTimersByTimeAsync(100);
  // The next reload is not kept waiting either.
  const second = runtime.apply([spec("a", "2"), spec("b", "3")]);
  await vi.advanceTimersByTimeAsync(100);
  const sizes = system.readings.map(({ component: { name }, metadata }) => name + metadata.size);
  expect(sizes.slice(-2)).toEqual(["b2", "b3"]);
  await vi.advanceTimersByTimeAsync(7000);
  expect((await first).outcome).toBe("applied");
  expect((await second).outcome).toBe("applied");
  expect(system.readings.at(-1)?.metadata.size).toBe(2);
});

test("of definitions that come while one is under way only the newest is made", async () => {
  const { apply, system } = await running();
  const opening = Promise.withResolvers<void>();
  system.open = () => opening.promise;
  const results = [apply({ size: "2" }), apply({ size: "3" }), apply({ size: "4" })];
  await settled();
  opening.resolve();
  const [two, three, four] = await Promise.all(results);
  expect(two?.components).toMatchObject([{ change: "updated", outcome: "applied" }]);
  expect(three?.components).toMatchObject([{ change: "kept", reason: "a newer definition came" }]);
  expect(four?.components).toMatchObject([{ change: "updated", outcome: "applied" }]);
  expect(system.openings.map(({ metadata }) => metadata.size)).toEqual([1, 2, 4]);
});

test("invocations go on without a gap, and end on the connection where they began", async () => {
  const { apply, system, invoke } = await running({ input: "output" });
  const slow = Promise.withResolvers<string>();
  system.invoke = ({ metadata }) =>
    metadata.size === 1 ? slow.promise : Promise.resolve("from the new one");
  const first = invoke("orders");
  await settled();
  await apply({ size: "2" });
  expect(await invoke("orders")).toBe("from the new one");
  expect(system.log).toEqual(["open 2"]);
  slow.resolve("from the old one");
  expect(await first).toBe("from the old one");
  await settled();
  expect(system.log).toEqual(["open 2", "dispose 1"]);
});

test("one whose system is away is replaced at once, and who waits for it gets the new one", async () => {
  const { apply, system, status, invoke } = await running({ input: "output" });
  system.opening.lost(new Error("reset"));
  system.open = ({ metadata }) => {
    if (metadata.size === 1) throw new Error("away");
  };
  await vi.advanceTimersByTimeAsync(500);
  expect(status().state).toBe("reconnecting");
  const waiting = invoke("orders");
  await settled();
  const result = await apply({ size: "2" });
  expect(result.outcome).toBe("applied");
  await waiting;
  expect(system.calls[0]?.metadata.size).toBe(2);
  expect(status()).toMatchObject({ state: "running", reason: "" });
});

test("one whose system is away keeps its place from a definition that is wrong", async () => {
  const { apply, system, status } = await running();
  system.opening.lost(new Error("reset"));
  system.open = () => {
    throw new Error("away");
  };
  await vi.advanceTimersByTimeAsync(500);
  expect((await apply({ size: "many" })).outcome).toBe("refused");
  expect(status().reason).toMatch(/^away; the definition of .* could not be taken over/);
  system.open = () => undefined;
  await vi.advanceTimersByTimeAsync(11_000);
  expect(status().state).toBe("running");
});

test("a renamed component reads only once the old one has released its place", async () => {
  const app = new ManualApp();
  const { runtime, system } = await running({ app });
  await system.reading.deliver([sourceEvent("1")]);
  const applied = runtime.apply([component("fake", {}, { name: "renamed", fingerprint: "r" })]);
  await settled();
  expect(runtime.components()).toEqual([]);
  expect(system.log).toEqual(["stop 1"]);
  app.answer("1");
  await vi.advanceTimersByTimeAsync(10);
  expect((await applied).components).toMatchObject([
    { name: "renamed", change: "created", outcome: "applied" },
    { name: "orders", change: "deleted", outcome: "applied" },
  ]);
  expect(system.log).toEqual([
    ...["stop 1", "flush 1", "close 1", "dispose 1"],
    ...["open 2", "read 2"],
  ]);
});

test("a newer definition of a renamed component counts though the old one is still ending", async () => {
  const app = new ManualApp();
  const { runtime, system } = await running({ app });
  await system.reading.deliver([sourceEvent("1")]);
  const renamed = (size: string) =>
    runtime.apply([component("fake", { size }, { name: "renamed", fingerprint: size })]);
  const first = renamed("2");
  await settled();
  const second = renamed("3");
  await settled();
  expect(system.log).toEqual(["stop 1"]);
  app.answer("1");
  await vi.advanceTimersByTimeAsync(10);
  expect((await first).components).toContainEqual(
    expect.objectContaining({ name: "renamed", change: "kept" }),
  );
  expect((await second).components).toMatchObject([{ name: "renamed", change: "created" }]);
  expect(system.log).toEqual([
    ...["stop 1", "flush 1", "close 1", "dispose 1"],
    ...["open 2", "read 2"],
  ]);
  expect(system.opening.metadata.size).toBe(3);
});

test("a renamed component that is gone before the old one has ended never comes", async () => {
  const app = new ManualApp();
  const { runtime, system } = await running({ app });
  await system.reading.deliver([sourceEvent("1")]);
  const renamed = runtime.apply([component("fake", {}, { name: "renamed", fingerprint: "r" })]);
  await settled();
  const none = runtime.apply([]);
  app.answer("1");
  await vi.advanceTimersByTimeAsync(10);
  await Promise.all([renamed, none]);
  await settled();
  expect(system.log).toEqual(["stop 1", "flush 1", "close 1", "dispose 1"]);
  expect(runtime.components()).toEqual([]);
});

test("one renamed in two steps reads only once the old one has released its place", async () => {
  const app = new ManualApp();
  const { runtime, system } = await running({ app });
  await system.reading.deliver([sourceEvent("1")]);
  const none = runtime.apply([]);
  await settled();
  const renamed = runtime.apply([component("fake", {}, { name: "renamed", fingerprint: "r" })]);
  await settled();
  expect(system.log).toEqual(["stop 1"]);
  app.answer("1");
  await vi.advanceTimersByTimeAsync(10);
  await Promise.all([none, renamed]);
  expect(system.log.slice(-2)).toEqual(["open 2", "read 2"]);
});

test("nothing is reopened once the runtime stops", async () => {
  const { runtime, system } = await running();
  await runtime.drain(0);
  await expect(runtime.restart("orders")).rejects.toThrow("the runtime stops");
  expect(system.openings).toHaveLength(1);
});

test("one that opens while a changed definition is read is not replaced unverified", async () => {
  const { runtime, system } = await running();
  system.open = () => {
    throw new Error("away");
  };
  system.opening.lost(new Error("away"));
  await settled();
  const secret = Promise.withResolvers<void>();
  const applied = runtime.apply([
    component(
      "fake",
      {},
      {
        fingerprint: "changed",
        resolve: async () => {
          await secret.promise;
          return { values: { host: "there" }, secrets: [] };
        },
      },
    ),
  ]);
  system.open = ({ metadata: { host } }) => {
    if (host === "there") throw new Error("nobody is there");
  };
  await vi.advanceTimersByTimeAsync(1000);
  expect(runtime.components()).toMatchObject([{ state: "running" }]);
  secret.resolve();
  await vi.advanceTimersByTimeAsync(10);
  expect(await applied).toMatchObject({ outcome: "refused" });
  expect(runtime.components()).toMatchObject([{ state: "running" }]);
});

test("a created one that cannot be opened is there, and goes on trying", async () => {
  const { runtime, system, status } = await running();
  system.open = ({ component: { name } }) => {
    if (name === "late") throw new Error("away");
  };
  const specs = [
    component("fake", {}, { fingerprint: "same" }),
    component("fake", {}, { name: "late", fingerprint: "l" }),
  ];
  expect(await runtime.apply(specs)).toMatchObject({
    outcome: "applied",
    components: [
      { name: "orders", change: "updated", outcome: "applied" },
      { name: "late", change: "created", outcome: "applied", reason: "away" },
    ],
  });
  expect(status("late").state).toBe("reconnecting");
});

test("a pause outlives a reload of its component", async () => {
  const { apply, system, runtime, status, invoke } = await running();
  await runtime.pause("orders", "maintenance", "ada");
  await settled();
  await apply({ size: "2" });
  await settled();
  expect(system.log).toEqual(["stop 1", "flush 1", "close 1", "open 2", "dispose 1"]);
  expect(status()).toMatchObject({
    state: "paused",
    reason: "paused by ada: maintenance",
    paused: { by: "ada", reason: "maintenance" },
  });
  await invoke("orders");
  await runtime.resume("orders");
  await settled();
  expect(system.log.at(-1)).toBe("read 2");
  expect(status().state).toBe("running");
});

test("counts go on over a reload", async () => {
  const { apply, system, status } = await running();
  await system.reading.deliver([sourceEvent("1")]);
  await settled();
  await apply({ size: "2" });
  await settled();
  await system.reading.deliver([sourceEvent("2")]);
  await settled();
  expect(status().handled).toBe(2);
});

test("a stray exception of the one that is proved does not touch the one that runs", async () => {
  const { apply, system, runtime, status } = await running();
  let blamed: boolean | undefined;
  system.open = async () => {
    queueMicrotask(() => (blamed = runtime.blame(new Error("stray"))));
    await settled();
  };
  const applied = apply({ size: "2" });
  await vi.advanceTimersByTimeAsync(31_000);
  expect(blamed).toBe(true);
  expect((await applied).outcome).toBe("refused");
  expect(status().state).toBe("running");
  expect(system.log).not.toContain("stop 1");
});

test("a drain in the middle of a reload is a drain of both", async () => {
  const app = new ManualApp();
  const { apply, system, runtime } = await running({ app });
  await system.reading.deliver([sourceEvent("1")]);
  const applied = apply({ size: "2" });
  await settled();
  const drained = runtime.drain(1000);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await drained).toEqual({ abandoned: 1 });
  await applied;
  await settled();
  expect(system.log).not.toContain("read 2");
});

test("the last 20 results are kept; what could not be read of the files counts as refused", async () => {
  const { runtime, apply } = await running();
  for (let n = 0; n < 25; n++) await apply({});
  const problem = "a.yaml:1:1 error: is no valid YAML";
  const spec = component("fake", {}, { fingerprint: "x" });
  await runtime.apply([spec]);
  const result = await runtime.apply([spec], { problems: [problem], refused: true });
  expect(result).toMatchObject({ outcome: "refused", problems: [problem] });
  expect(runtime.reloads).toHaveLength(20);
  expect(runtime.reloads.at(-1)).toBe(result);
});
