import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { InboundEvent } from "../../../src/binding.ts";
import type { Breaker } from "../../../src/policy/policy.ts";
import type { Intake } from "../../../src/runtime/app.ts";
import { windowLimits } from "../../../src/runtime/delivery/window.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { until } from "../../until.ts";
import { delivering, policy } from "../delivering.ts";
import { FakeApp, handled, ManualApp, refused } from "../fake-app.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Keeps the order of a key itself, and takes whatever comes. */
class PipeliningApp extends ManualApp {
  readonly intake: Intake = {
    takes: () => "now",
    onRoom: () => () => undefined,
    maxInFlight: 1000,
  };
}

class FakeBreaker implements Breaker {
  readonly name = "orders-breaker";
  state: Breaker["state"] = "closed";
  passesIn = 0;
  room = Number.POSITIVE_INFINITY;
  readonly ended: (boolean | undefined)[] = [];
  readonly listeners = new Set<() => void>();

  enter() {
    if (this.room === 0) return undefined;
    this.room--;
    return { period: 1 };
  }

  done(_: object, succeeded: boolean | undefined): void {
    this.ended.push(succeeded);
  }

  onPass(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  pass(room: number): void {
    this.room = room;
    for (const listener of this.listeners) listener();
  }
}

test("a timeout is an attempt, and gives the app's request up", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app, { policy: { retry: policy, timeout: 5000 } });
  await delivery.deliver([sourceEvent("1")]);
  await vi.advanceTimersByTimeAsync(4999);
  expect(delivery.counts.failedAttempts).toBe(0);
  await vi.advanceTimersByTimeAsync(101);
  expect(app.deliveries).toMatchObject([
    { attempt: 1 },
    { attempt: 2, lastError: "the app gave no answer within 5000 ms, the policy's timeout" },
  ]);
  app.answer("1");
  await vi.advanceTimersByTimeAsync(10_000);
  expect([
    delivery.counts.ended.handled,
    delivery.counts.failedAttempts,
    vi.getTimerCount(),
  ]).toEqual([1, 1, 0]);
});

test("an open circuit breaker lets nothing through, costs no attempt, and says so", async () => {
  const breaker = new FakeBreaker();
  const app = new FakeApp();
  const { delivery } = delivering(app, { policy: { retry: policy, breaker } });
  breaker.room = 0;
  breaker.state = "open";
  await delivery.deliver([sourceEvent("1"), sourceEvent("2"), sourceEvent("3")]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([app.deliveries.length, delivery.counts.failedAttempts]).toEqual([0, 0]);
  expect(delivery.blockage?.reason).toBe(
    "circuit breaker orders-breaker is open: the app gets nothing for a while",
  );
  breaker.state = "half-open";
  breaker.pass(1);
  await settled();
  expect(app.deliveries).toMatchObject([{ attempt: 1 }]);
  expect(breaker.ended).toEqual([true]);
  breaker.state = "closed";
  breaker.pass(10);
  await settled();
  expect([delivery.counts.ended.handled, delivery.blockage, breaker.listeners.size]).toEqual([
    3,
    undefined,
    0,
  ]);
});

test("a breaker hears what the answers say about the app, and of each attempt once", async () => {
  const breaker = new FakeBreaker();
  const outcomes = [
    refused("no"),
    { kind: "refused", reason: "never", final: true },
    { kind: "dropped", reason: "old" },
    { kind: "unsent", reason: "connection refused" },
    handled,
  ] as const;
  const app = new FakeApp(() => outcomes[app.deliveries.length - 1] ?? handled);
  const store = new MemoryStore();
  const retry = { ...policy, attempts: 1 };
  const { delivery } = delivering(app, { store, maxInFlight: 1, policy: { retry, breaker } });
  void delivery.deliver(["1", "2", "3", "4", "5"].map((text) => sourceEvent(text)));
  await vi.advanceTimersByTimeAsync(1000);
  expect(breaker.ended).toEqual([false, true, true, undefined, true, true]);
});

test("another policy counts from the next attempt on, and frees who waited for the breaker before", async () => {
  const breaker = new FakeBreaker();
  breaker.room = 0;
  const app = new FakeApp(() => refused());
  let changed: (() => void) | undefined;
  const now: { retry: typeof policy; breaker?: Breaker | undefined } = { retry: policy, breaker };
  const { delivery } = delivering(app, {
    policy: now,
    onPolicy: (listener) => {
      changed = listener;
      return () => undefined;
    },
  });
  await delivery.deliver([sourceEvent("1")]);
  now.retry = { ...policy, attempts: 7 };
  now.breaker = undefined;
  changed?.();
  await settled();
  expect(app.deliveries).toMatchObject([{ attempt: 1, attempts: 7 }]);
  expect(breaker.listeners.size).toBe(0);
});

test("maxPerKey bounds what the app has of one key, and holds up no other", async () => {
  const app = new PipeliningApp();
  const { delivery } = delivering(app, { maxPerKey: 2 });
  const events = ["a1", "a2", "a3", "a4", "b1", "b2"].map((text) =>
    sourceEvent(text, { key: text[0] }),
  );
  await delivery.deliver(events);
  expect(app.out.toSorted()).toEqual(["a1", "a2", "b1", "b2"]);
  app.answer("a2");
  await settled();
  expect(app.out).toContain("a3");
  expect(app.out).not.toContain("a4");
  for (const text of ["a1", "a3", "b1", "b2"]) app.answer(text);
  await settled();
  app.answer("a4");
  await settled();
  expect(delivery.counts.ended.handled).toBe(6);
  expect(app.texts.filter((text) => text.startsWith("a"))).toEqual(["a1", "a2", "a3", "a4"]);
});

test("exhausted behind an event that is tried again, it waits for that one and then goes alone", async () => {
  const app = new PipeliningApp();
  const store = new MemoryStore();
  const { delivery } = delivering(app, { store });
  const events = ["a1", "a2", "a3"].map((text) => sourceEvent(text, { key: "a" }));
  await delivery.deliver(events);
  app.answer("a1", refused());
  app.answer("a2", { kind: "refused", reason: "never", final: true });
  app.answer("a3", { kind: "not attempted" });
  await vi.advanceTimersByTimeAsync(100);
  expect([app.out, store.stored.size]).toEqual([["a1"], 0]);
  app.answer("a1");
  await settled();
  expect([app.out, store.stored.size]).toEqual([["a3"], 1]);
  app.answer("a3");
  await settled();
  expect(events.map(({ settlements }) => settlements)).toEqual([
    [{ outcome: "handled" }],
    [{ outcome: "handled", movedTo: "dead letters" }],
    [{ outcome: "handled" }],
  ]);
  expect([delivery.inFlight, delivery.waiting]).toEqual([0, 0]);
});

function leased(text: string, extend: () => Promise<void>, key?: string): InboundEvent {
  return {
    ...sourceEvent(text, key === undefined ? {} : { key }),
    lease: { duration: 30_000, extend },
  };
}

test("leases are renewed each third of their duration while the event is held, wherever it is", async () => {
  const app = new ManualApp();
  const { delivery, history } = delivering(app, { maxInFlight: 2 });
  const renewed: string[] = [];
  const event = (text: string, key: string) =>
    leased(text, async () => void renewed.push(text), key);
  void delivery.deliver([event("app", "a"), event("parked", "p"), event("queued", "a")]);
  app.answer("parked", { kind: "refused", reason: "later", after: 100_000 });
  await vi.advanceTimersByTimeAsync(9_999);
  expect([renewed, vi.getTimerCount()]).toEqual([[], 2]);
  await vi.advanceTimersByTimeAsync(20_001);
  expect(renewed).toEqual(Array(3).fill(["app", "parked", "queued"]).flat());
  app.answer("app");
  await settled();
  app.answer("queued");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(renewed.slice(9)).toEqual(["parked"]);
  await delivery.drain(0);
  expect(vi.getTimerCount()).toBe(0);
  expect((await history.find("app"))[0]?.renewals).toHaveLength(3);
});

test("a lease that is not renewed is said, and stands in the history; the event goes on", async () => {
  const app = new ManualApp();
  const { delivery, logger, history } = delivering(app);
  await delivery.deliver([leased("1", () => Promise.reject(new Error("gone")))]);
  await vi.advanceTimersByTimeAsync(10_000);
  app.answer("1");
  await settled();
  expect(logger.lines).toMatchObject([{ level: "warn", fields: { event: "1", reason: "gone" } }]);
  expect(await history.find("1")).toMatchObject([
    { end: "handled", renewals: [], failedRenewals: [{ reason: "gone" }] },
  ]);
});

test("progress tells what came, what was settled, when, and what is oldest", async () => {
  vi.setSystemTime(1_000_000);
  const app = new ManualApp();
  const { delivery } = delivering(app);
  expect(delivery.progress).toEqual({
    ...{ delivered: 0, settled: 0, lastSettledAt: undefined, oldest: undefined },
  });
  await delivery.deliver([sourceEvent("1"), sourceEvent("2")], "p1");
  vi.setSystemTime(1_005_000);
  await delivery.deliver([sourceEvent("3")], "p2");
  app.answer("1");
  await settled();
  expect(delivery.progress).toEqual({
    ...{ delivered: 3, settled: 1, lastSettledAt: 1_005_000 },
    oldest: { label: "2", since: new Date(1_000_000) },
  });
});

const megabyte = new Uint8Array(1024 * 1024);

/** Delivers as a source that awaits room does, and counts what it has delivered. */
async function pour(
  deliver: (events: InboundEvent[], source: string) => Promise<void>,
  source: string,
  poured: { events: number },
): Promise<void> {
  for (let number = 0; number < 1000; number++) {
    poured.events++;
    await deliver([{ ...sourceEvent(`${source} ${number}`), data: megabyte }], source);
  }
}

test.each(["hangs", "refuses everything"])(
  "an app that %s makes memory grow to a bound, by however many sources the events come",
  async (which) => {
    const app = new PipeliningApp();
    if (which === "refuses everything") app.handle = () => refused("no");
    const { delivery } = delivering(app, {
      maxInFlight: 500,
      retry: { ...policy, initial: 3_600_000, max: 3_600_000 },
    });
    const deliver = delivery.deliver.bind(delivery);
    const one = { events: 0 };
    void pour(deliver, "p0", one);
    await vi.advanceTimersByTimeAsync(1000);
    expect([delivery.heldBy?.label, one.events]).toEqual([
      "p0 0",
      windowLimits.bytes / megabyte.length,
    ]);
    const all = { events: one.events };
    for (let number = 1; number < 20; number++) void pour(deliver, `p${number}`, all);
    await vi.advanceTimersByTimeAsync(1000);
    // Four windows, and what each further source brought before it was told to wait.
    expect(all.events).toBeGreaterThanOrEqual(4 * 64);
    expect(all.events).toBeLessThanOrEqual(4 * 64 + 20);
    const before = all.events;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(all.events).toBe(before);
    const drained = delivery.drain(0);
    await vi.advanceTimersByTimeAsync(0);
    await drained;
  },
);

test("what is settled behind an event that waits is let go, payload and all", async () => {
  vi.useRealTimers();
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const app = new FakeApp();
  app.deliver = async ({ data }) => (data?.length === 1 ? refused("no") : handled);
  const { delivery } = delivering(app, {
    retry: { ...policy, initial: 3_600_000, max: 3_600_000 },
  });
  let gone = 0;
  const collected = new FinalizationRegistry<string>(() => void gone++);
  await delivery.deliver([{ ...sourceEvent("poison"), data: Uint8Array.of(1) }]);
  for (let number = 0; number < 100; number++) {
    const data = new Uint8Array(1000);
    collected.register(data, "");
    await delivery.deliver([{ ...sourceEvent(String(number)), data, settle() {} }]);
  }
  await until(() => delivery.counts.ended.handled === 100, { what: "the others to be handled" });
  await until(
    () => {
      collect();
      return gone > 90;
    },
    { what: () => `their payloads to be collected: ${gone} are`, within: 20_000 },
  );
  await delivery.drain(0);
});
