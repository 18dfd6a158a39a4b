import { expect, onTestFinished, test, vi } from "vitest";
import { MemoryStore } from "../../store/memory-store.ts";
import { ManualApp } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { FakeFleet } from "../fake-fleet.ts";
import { settled, sourceEvent } from "../source-event.ts";

type Options = {
  readonly values?: Record<string, string>;
  readonly shared?: boolean;
  readonly flag?: boolean;
  readonly appIsAway?: boolean;
};

/** A runtime whose component is one replica's. */
async function started(options: Options = {}) {
  const { values = { singleton: "true" }, shared, flag = false, appIsAway = false } = options;
  const system = new FakeSystem();
  const app = new ManualApp();
  app.available = !appIsAway;
  const fleet = new FakeFleet();
  fleet.singleton = flag;
  const store = new MemoryStore();
  const guarantee = {
    ...{ returned: "", atLeastOnce: "", duplicates: { app: "", runtime: "", server: "" } },
    ...(shared !== undefined && { shared }),
  };
  const binding = { ...system.binding("fake"), guarantee };
  const process = startRuntime({ bindings: [binding], app, store, fleet });
  await process.runtime.apply([component("fake", values)]);
  await settled();
  return { ...process, system, app, fleet, store };
}

test("what another replica reads is on standby, with its reason, and its outputs work", async () => {
  const { status, system, invoke } = await started();
  expect(status()).toMatchObject({
    state: "standby",
    reason: "replica there reads it since 2026-11-26T12:00:00.000Z",
    since: new Date("2026-11-26T12:00:00Z"),
  });
  expect(system.log).toEqual(["open 1"]);
  await invoke("orders");
  expect(system.calls).toHaveLength(1);
});

test("it reads once it is this replica's, and gives it up at the end, when all is settled", async () => {
  const { runtime, status, system, app, fleet } = await started();
  fleet.give();
  await vi.waitFor(() => expect(system.readings).toHaveLength(1));
  await vi.waitFor(() => expect(status().state).toBe("running"));
  const event = sourceEvent("1");
  await system.reading.deliver([event]);
  const drained = runtime.drain(10_000);
  await settled();
  expect(fleet.released).toEqual([]);
  app.answer("1");
  await drained;
  expect(event.settlements).toEqual([{ outcome: "handled" }]);
  expect(system.log.slice(-3)).toEqual(["stop 1", "flush 1", "close 1"]);
  expect(fleet.released).toEqual(["orders"]);
});

test("an owner whose lease ends settles what the app answers in time, and stands by", async () => {
  const { status, system, app, fleet } = await started();
  fleet.give();
  await vi.waitFor(() => expect(system.readings).toHaveLength(1));
  const [first, second] = [sourceEvent("1"), sourceEvent("2")];
  await system.reading.deliver([first, second]);
  fleet.end(200);
  await settled();
  // What the app has comes first.
  expect(fleet.readingsEnded).toBe(0);
  app.answer("1");
  await vi.waitFor(() => expect(system.log).toContain("close 1"));
  await vi.waitFor(() => expect(fleet.readingsEnded).toBe(1));
  expect(first.settlements).toEqual([{ outcome: "handled" }]);
  expect(second.settlements).toMatchObject([{ outcome: "returned" }]);
  expect(status().state).toBe("standby");
  fleet.give();
  await vi.waitFor(() => expect(system.readings).toHaveLength(2));
});

test("one that was stopped dispatches nothing and settles nothing when it goes on", async () => {
  const { system, app, fleet, store, lines } = await started();
  fleet.give();
  await vi.waitFor(() => expect(system.readings).toHaveLength(1));
  const [first, second] = [sourceEvent("1", { key: "a" }), sourceEvent("2", { key: "a" })];
  await system.reading.deliver([first, second]);
  await settled();
  expect(app.out).toEqual(["1"]);
  const records = [...store.log];
  fleet.runOut();
  app.answer("1");
  await settled();
  expect(app.out).toEqual([]);
  expect(first.settlements).toMatchObject([
    { outcome: "returned", reason: expect.stringContaining("lease of the component is over") },
  ]);
  expect(second.settlements).toEqual([]);
  expect(lines.map(({ message }) => message)).toContainEqual(
    expect.stringContaining("the owner delivers it again"),
  );
  fleet.take();
  await vi.waitFor(() => expect(system.log).toContain("close 1"));
  // What it had settled before is not confirmed by one who owns it no more.
  expect(system.log).not.toContain("flush 1");
  expect(second.settlements).toMatchObject([{ outcome: "returned" }]);
  expect(store.log).toEqual(records);
});

test("an event that is refused for good is no dead letter of one that owns it no more", async () => {
  const { system, app, fleet, store } = await started();
  fleet.give();
  await vi.waitFor(() => expect(system.readings).toHaveLength(1));
  const event = sourceEvent("1");
  await system.reading.deliver([event]);
  await settled();
  fleet.runOut();
  app.answer("1", { kind: "refused", reason: "never", final: true });
  await settled();
  fleet.take();
  await vi.waitFor(() => expect(event.settlements).toMatchObject([{ outcome: "returned" }]));
  expect(store.stored.size).toBe(0);
});

test("without the metadata each replica reads, and nobody asks", async () => {
  const { fleet, status } = await started({ values: {} });
  await vi.waitFor(() => expect(status().state).toBe("running"));
  expect(fleet.asked).toEqual([]);
});

test.each([
  [false, {}, "standby"],
  [true, {}, "running"],
  [undefined, {}, "running"],
  [false, { singleton: "false" }, "running"],
  [true, { singleton: "true" }, "standby"],
] as const)("--singleton, shared: %s, %j: %s", async (shared, values, state) => {
  const { status } = await started({
    flag: true,
    values,
    ...(shared !== undefined && { shared }),
  });
  await vi.waitFor(() => expect(status().state).toBe(state));
});

test("where one process has the store, it is granted at once, which is said", async () => {
  const system = new FakeSystem();
  const app = new ManualApp();
  const { runtime, status, lines } = startRuntime({ bindings: [system.binding("fake")], app });
  await runtime.apply([component("fake", { singleton: "true" })]);
  await vi.waitFor(() => expect(status().state).toBe("running"));
  const granted = lines.filter(({ message }) => message.startsWith("singleton: granted at once"));
  expect(granted).toHaveLength(1);
});

test("a replica whose app is away does not ask, and gives up what it has after a while", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { status, system, app, fleet } = await started({ appIsAway: true });
  expect(fleet.asked).toEqual([]);
  expect(status()).toMatchObject({ state: "running", reason: "the app is away" });
  fleet.give();
  app.available = true;
  await vi.advanceTimersByTimeAsync(100);
  expect(fleet.asked).toEqual(["orders"]);
  expect(status().state).toBe("running");
  expect(system.readings).toHaveLength(1);

  app.available = false;
  await vi.advanceTimersByTimeAsync(9_000);
  app.available = true;
  await vi.advanceTimersByTimeAsync(9_000);
  expect(fleet.released).toEqual([]);
  app.available = false;
  await vi.advanceTimersByTimeAsync(11_000);
  expect(fleet.released).toEqual(["orders"]);
  expect(system.log).toContain("close 1");
  expect(status()).toMatchObject({ state: "running", reason: "the app is away" });

  fleet.runOut();
  app.available = true;
  await vi.advanceTimersByTimeAsync(100);
  expect(status().state).toBe("standby");
  fleet.give();
  await vi.advanceTimersByTimeAsync(100);
  expect(system.readings).toHaveLength(2);
});

test("a replica that cannot reach the source gives it up after a while, and asks again", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { status, system, fleet } = await started();
  fleet.give();
  await vi.advanceTimersByTimeAsync(100);
  expect(status().state).toBe("running");
  system.opening.lost(new Error("gone"));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(system.readings).toHaveLength(2);
  expect(fleet.released).toEqual([]);

  system.open = () => Promise.reject(new Error("unreachable"));
  system.opening.lost(new Error("gone"));
  await vi.advanceTimersByTimeAsync(15_000);
  expect(fleet.released).toEqual(["orders"]);
  expect(status().state).toBe("reconnecting");
  system.open = () => undefined;
  fleet.runOut();
  await vi.advanceTimersByTimeAsync(15_000);
  expect(status().state).toBe("standby");
  fleet.give();
  await vi.advanceTimersByTimeAsync(100);
  expect(system.readings).toHaveLength(3);
});
