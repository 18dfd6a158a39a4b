import { getEventListeners } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DeadLetter } from "../../../src/store/records.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { delivering, policy } from "../delivering.ts";
import { FakeApp, handled, ManualApp, refused } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A store with the dead letter of one event. */
async function withDeadLetter(facts: Parameters<typeof sourceEvent>[1] = {}) {
  const store = new MemoryStore();
  const { delivery } = delivering(new FakeApp(() => refused("no")), {
    store,
    retry: { ...policy, attempts: 1 },
  });
  await delivery.deliver([sourceEvent("poison", facts)]);
  await settled();
  const deadLetter = (): DeadLetter => {
    const [kept] = store.stored.values();
    if (kept === undefined) throw new Error("there is no dead letter");
    return kept.deadLetter;
  };
  return { store, deadLetter };
}

test("a redriven event goes through its key's lane, marked, with fresh attempts", async () => {
  const { store, deadLetter } = await withDeadLetter({ key: "k", metadata: { topic: "t" } });
  const app = new ManualApp();
  const { delivery } = delivering(app, { store });
  await delivery.deliver([sourceEvent("before", { key: "k" })]);
  const redriven = delivery.redrive(deadLetter());
  expect(app.out).toEqual(["before"]);
  app.answer("before");
  await settled();
  app.answer("poison", refused("not yet"));
  await vi.advanceTimersByTimeAsync(100);
  expect(app.deliveries.slice(1)).toMatchObject([
    { id: "poison", attempt: 1, metadata: { topic: "t", "cufflink-redrive": "1" } },
    { id: "poison", attempt: 2, lastError: "not yet" },
  ]);
  app.answer("poison");
  expect(await redriven).toEqual({ outcome: "handled", reason: "" });
  // Removing it is the caller's; and a redrive notes no attempts of the event that its source may deliver again.
  expect(store.stored.size).toBe(1);
  expect(store.log).toEqual(["put poison"]);
});

test("an event whose dead letter was redriven and handled is attempted when its source delivers it again", async () => {
  const store = new MemoryStore();
  let answer = refused("no");
  const app = new FakeApp(() => answer);
  const { delivery, ends } = delivering(app, { store, retry: { ...policy, attempts: 1 } });
  await delivery.deliver([sourceEvent("poison")]);
  await settled();
  const [kept] = store.stored.values();
  if (kept === undefined) throw new Error("there is no dead letter");
  answer = handled;
  expect(await delivery.redrive(kept.deadLetter)).toMatchObject({ outcome: "handled" });
  await store.deadLetters.remove([kept.deadLetter.id]);
  await delivery.deliver([sourceEvent("poison")]);
  await settled();
  expect(app.deliveries).toHaveLength(3);
  expect([ends, store.stored.size]).toEqual([["dead letter"], 0]);
});

test("redrives of one signal share its listener, so that it holds none of them", async () => {
  const { store, deadLetter } = await withDeadLetter();
  const { delivery } = delivering(new FakeApp(), { store });
  const { signal } = new AbortController();
  for (let time = 0; time < 3; time++)
    expect(await delivery.redrive(deadLetter(), signal)).toMatchObject({ outcome: "handled" });
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
});

test("used up once more it is the same dead letter, one redrive older", async () => {
  const { store, deadLetter } = await withDeadLetter();
  const before = deadLetter();
  const { delivery } = delivering(new FakeApp(() => refused("still no")), { store });
  const redriven = delivery.redrive(before);
  await vi.advanceTimersByTimeAsync(300);
  expect(await redriven).toEqual({ outcome: "refused", reason: "still no" });
  expect(store.stored.size).toBe(1);
  expect(deadLetter()).toMatchObject({ id: before.id, redrives: 1, failed: 4, reason: "still no" });
  expect(deadLetter().attempts).toHaveLength(4);
});

test.each(["output", "drop", "halt", "return"] as const)(
  "whatever onExhausted says (%s), a redriven event ends in its dead letter again",
  async (kind) => {
    const { store, deadLetter } = await withDeadLetter();
    const onExhausted = kind === "output" ? { kind, output: "parking" } : { kind };
    const app = new FakeApp(() => ({ kind: "refused", reason: "never", final: true }));
    const { delivery, halts } = delivering(app, { store, onExhausted });
    expect(await delivery.redrive(deadLetter())).toEqual({ outcome: "refused", reason: "never" });
    expect([store.stored.size, deadLetter().redrives, halts]).toEqual([1, 1, []]);
  },
);

test("a dead letter that cannot be put back is still there as it was, and holds up nothing", async () => {
  const { store, deadLetter } = await withDeadLetter({ key: "k" });
  const app = new FakeApp(({ data }) => (String(data) === "poison" ? refused("no") : handled));
  const { delivery } = delivering(app, { store, retry: { ...policy, attempts: 1 } });
  store.trouble = "disk full";
  const next = sourceEvent("next", { key: "k" });
  const redriven = delivery.redrive(deadLetter());
  await delivery.deliver([next]);
  expect((await redriven).reason).toContain("disk full");
  await settled();
  expect([next.settlements.length, deadLetter().redrives, delivery.blockage]).toEqual([
    1,
    0,
    undefined,
  ]);
});

test("a redrive that is cancelled, or cut off by the end, leaves the dead letter", async () => {
  const { store, deadLetter } = await withDeadLetter();
  const app = new FakeApp();
  app.available = false;
  const { delivery } = delivering(app, { store });
  const caller = new AbortController();
  const given = delivery.redrive(deadLetter(), caller.signal);
  caller.abort();
  expect((await given).outcome).toBe("refused");
  const cut = delivery.redrive(deadLetter());
  await delivery.drain(0);
  expect(await cut).toEqual({ outcome: "refused", reason: "the runtime stops" });
  expect(deadLetter().redrives).toBe(0);
  await expect(delivery.redrive(deadLetter())).rejects.toMatchObject({
    reason: "failed_precondition",
  });
});

test("a runtime redrives the dead letter's component, where it is and reads", async () => {
  const store = new MemoryStore();
  const app = new FakeApp(() => refused("no"));
  const system = new FakeSystem();
  const { runtime, status } = startRuntime({ bindings: [system.binding("fake")], app, store });
  await runtime.apply([component("fake", { backOffMaxRetries: "0" })]);
  await settled();
  const event = sourceEvent("1");
  await system.reading.deliver([event]);
  await settled();
  expect(event.settlements).toEqual([{ outcome: "handled", movedTo: "dead letters" }]);
  const [deadLetter] = await store.deadLetters.list({}, { limit: 1 });
  if (deadLetter === undefined) throw new Error("there is no dead letter");
  expect(deadLetter).toMatchObject({ component: "orders", type: "bindings.fake" });
  app.handle = () => handled;
  expect(await runtime.redrive(deadLetter)).toEqual({ outcome: "handled", reason: "" });
  expect(status()).toMatchObject({ handled: 1, endedOtherwise: { "dead letter": 1 } });
  const elsewhere = runtime.redrive({ ...deadLetter, component: "gone" });
  await expect(elsewhere).rejects.toMatchObject({ reason: "not_found" });
  await runtime.drain(0);
  await expect(runtime.redrive(deadLetter)).rejects.toMatchObject({
    reason: "failed_precondition",
  });
  expect(await runtime.history.find("1")).toMatchObject([
    { component: "orders", end: "handled" },
    { component: "orders", end: "dead letter", deadLetter: deadLetter.id },
  ]);
});

test("onExhausted: halt pauses the component with the reason, and gives its events back", async () => {
  const system = new FakeSystem();
  const app = new FakeApp(() => refused("cannot be read"));
  const { runtime, status, invoke } = startRuntime({ bindings: [system.binding("fake")], app });
  await runtime.apply([component("fake", { onExhausted: "halt", backOffMaxRetries: "0" })]);
  await settled();
  const event = sourceEvent("1");
  await system.reading.deliver([event]);
  await settled();
  expect(status()).toMatchObject({ state: "paused" });
  expect(status().reason).toContain("cannot be read");
  expect(event.settlements).toMatchObject([{ outcome: "returned" }]);
  expect(system.log).toContain("close 1");
  await invoke("orders");
  expect(system.calls).toHaveLength(1);
});
