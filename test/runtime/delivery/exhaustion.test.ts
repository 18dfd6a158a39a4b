import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { newCounts } from "../../../src/runtime/delivery/event-counts.ts";
import type { OnExhausted } from "../../../src/runtime/delivery/on-exhausted.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { delivering, deliveringAgain, policy } from "../delivering.ts";
import { FakeApp, handled, ManualApp, refused } from "../fake-app.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const once = { ...policy, attempts: 1 };
const deadLetters = (store: MemoryStore) =>
  [...store.stored.values()].map(({ deadLetter }) => deadLetter);

/** Refuses the events whose payload begins with `poison`. */
function poisoned(): FakeApp {
  return new FakeApp(({ data }) =>
    String(data).startsWith("poison") ? refused(`no ${String(data)}`) : handled,
  );
}

test("a dead letter holds the whole event and what was tried, and its source hears handled after it is stored", async () => {
  const store = new MemoryStore();
  const gate = Promise.withResolvers<void>();
  const { delivery, ends, logger } = delivering(poisoned(), { store });
  const headers = [
    { name: "a", value: Uint8Array.of(255, 0) },
    { name: "a", value: Uint8Array.of() },
  ];
  const facts = { key: Uint8Array.of(9, 200), headers, metadata: { topic: "t" } };
  const event = sourceEvent("poison", facts);
  const next = sourceEvent("next", { key: facts.key });
  await delivery.deliver([event, next]);
  await vi.advanceTimersByTimeAsync(299);
  store.gate = gate.promise;
  await vi.advanceTimersByTimeAsync(1000);
  expect([event.settlements, next.settlements]).toEqual([[], []]);
  gate.resolve();
  await settled();
  expect([event.settlements, next.settlements]).toEqual([
    [{ outcome: "handled", movedTo: "dead letters" }],
    [{ outcome: "handled" }],
  ]);
  expect(deadLetters(store)).toMatchObject([
    {
      component: "orders",
      type: "bindings.fake",
      cause: "exhausted",
      reason: "no poison",
      identity: "poison",
      failed: 3,
      redrives: 0,
      edited: false,
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      event: { data: Buffer.from("poison"), headers, metadata: { topic: "t" }, key: facts.key },
      attempts: Array(3).fill({ outcome: "refused", answer: "no poison" }),
    },
  ]);
  expect(ends).toEqual(["dead letter"]);
  // Its id is what `cufflink dead-letters show` wants.
  const { id } = deadLetters(store)[0] ?? {};
  const ids = { trace_id: expect.any(String), span_id: expect.any(String) };
  const fields = { ...ids, event: "poison", attempt: 3, reason: "no poison", deadLetter: id };
  const message = "event not handled, its attempts are used up";
  expect(logger.lines.filter(({ level }) => level === "error")).toEqual([
    { level: "error", fields, message },
  ]);
  expect([delivery.inFlight, delivery.waiting]).toEqual([0, 0]);
  expect(delivery.counts).toEqual({
    ended: { ...newCounts().ended, handled: 1, "dead letter": 1 },
    ...{ attempts: 4, failedAttempts: 3, attemptTime: 0 },
  });
});

test("an app that says never is not asked again, however many attempts are left", async () => {
  const store = new MemoryStore();
  const app = new FakeApp(() => ({ kind: "refused", reason: "cannot be read", final: true }));
  const { delivery } = delivering(app, {
    store,
    retry: { ...policy, attempts: Number.POSITIVE_INFINITY },
  });
  await delivery.deliver([sourceEvent("1")]);
  await settled();
  expect(app.deliveries).toHaveLength(1);
  expect(deadLetters(store)).toMatchObject([
    { cause: "refused", reason: "cannot be read", failed: 1 },
  ]);
});

const http = [{ from: 500, to: 599 }];
const grpc = [{ from: 14, to: 14 }];

test.each([
  [{ http }, { http: 503 }, 3],
  [{ http }, { http: 404 }, 1],
  [{ http }, { grpc: 3 }, 3],
  [{ http }, undefined, 3],
  [{ grpc }, { grpc: 14 }, 3],
  [{ grpc }, { grpc: 3 }, 1],
  [{ http, grpc }, { http: 400 }, 1],
  [undefined, { http: 404 }, 3],
])("by a matching of %j an answer of %j is tried %i times", async (matching, codes, times) => {
  const store = new MemoryStore();
  const app = new FakeApp(() => ({ kind: "refused", reason: "no", codes }));
  const { delivery } = delivering(app, { store, policy: { retry: policy, matching } });
  const event = sourceEvent("1");
  await delivery.deliver([event]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(app.deliveries).toHaveLength(times);
  expect(deadLetters(store)).toMatchObject([{ cause: "exhausted", reason: "no", failed: times }]);
  expect(event.settlements).toEqual([{ outcome: "handled", movedTo: "dead letters" }]);
});

test("while the store fails the event stays, unacknowledged, and is put there later without asking the app", async () => {
  const store = new MemoryStore();
  const { delivery, logger } = delivering(poisoned(), { store, retry: once });
  store.trouble = "disk full";
  const event = sourceEvent("poison", { key: "k" });
  const [behind, other] = [sourceEvent("behind", { key: "k" }), sourceEvent("other", { key: "o" })];
  const since = new Date();
  await delivery.deliver([event, behind, other]);
  await settled();
  expect([event.settlements, behind.settlements]).toEqual([[], []]);
  expect(other.settlements).toHaveLength(1);
  expect(delivery.blockage).toEqual({
    reason: "event poison cannot be put into the dead letters: disk full",
    since,
  });
  await vi.advanceTimersByTimeAsync(5000);
  expect([event.settlements, store.stored.size]).toEqual([[], 0]);
  // Said once, not at each try.
  const said = logger.lines.filter(({ message }) => message.includes("not acknowledged"));
  expect(said).toHaveLength(1);
  store.trouble = undefined;
  await vi.advanceTimersByTimeAsync(1000);
  expect([event.settlements.length, behind.settlements.length]).toEqual([1, 1]);
  expect([store.stored.size, delivery.blockage]).toEqual([1, undefined]);
  expect(deadLetters(store)[0]?.failed).toBe(1);
});

test("without a store nothing is acknowledged", async () => {
  const { delivery } = delivering(poisoned(), { retry: once });
  const event = sourceEvent("poison");
  await delivery.deliver([event]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(event.settlements).toEqual([]);
  expect(delivery.blockage?.reason).toContain("this runtime was given no store");
});

test("output: the event goes to it, and is tried again there alone until it has it", async () => {
  const invoked: unknown[][] = [];
  let down = true;
  const app = poisoned();
  const { delivery, ends } = delivering(app, {
    retry: once,
    onExhausted: { kind: "output", output: "parking" },
    invokeOutput: async (...call) => {
      invoked.push(call);
      if (down) throw new Error("connection refused");
    },
  });
  const event = sourceEvent("poison");
  await delivery.deliver([event]);
  await settled();
  expect(event.settlements).toEqual([]);
  expect(delivery.blockage?.reason).toBe(
    "event poison cannot be put into output parking: connection refused",
  );
  down = false;
  await vi.advanceTimersByTimeAsync(1000);
  expect(event.settlements).toEqual([{ outcome: "handled", movedTo: { output: "parking" } }]);
  expect([app.deliveries.length, invoked.length, delivery.blockage]).toEqual([1, 2, undefined]);
  expect(invoked[1]).toEqual([
    "parking",
    Buffer.from("poison"),
    {
      "cufflink-component": "orders",
      "cufflink-event-id": "poison",
      "cufflink-reason": "no poison",
    },
    expect.any(AbortSignal),
  ]);
  expect(ends).toEqual(["output"]);
});

test("a store that hangs holds no place for longer than half a minute, and what is kept late is one dead letter", async () => {
  const store = new MemoryStore();
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  const { delivery } = delivering(poisoned(), { store, retry: once });
  const event = sourceEvent("poison", { key: "k" });
  await delivery.deliver([event]);
  await vi.advanceTimersByTimeAsync(29_999);
  expect([delivery.inFlight, delivery.blockage]).toEqual([1, undefined]);
  await vi.advanceTimersByTimeAsync(1);
  expect([delivery.inFlight, event.settlements]).toEqual([0, []]);
  expect(delivery.blockage?.reason).toBe(
    "event poison cannot be put into the dead letters: no answer within 30 s",
  );
  gate.resolve();
  await vi.advanceTimersByTimeAsync(1000);
  expect(event.settlements).toEqual([{ outcome: "handled", movedTo: "dead letters" }]);
  expect([store.stored.size, delivery.blockage]).toEqual([1, undefined]);
});

test("an output that hangs is interrupted, holds no place, and gets the event again", async () => {
  const signals: AbortSignal[] = [];
  const { delivery } = delivering(poisoned(), {
    retry: once,
    onExhausted: { kind: "output", output: "parking" },
    invokeOutput: async (...[, , , signal]) => {
      signals.push(signal);
      if (signals.length === 1) await new Promise(() => undefined);
    },
  });
  const event = sourceEvent("poison");
  await delivery.deliver([event]);
  await vi.advanceTimersByTimeAsync(30_000);
  expect([delivery.inFlight, signals[0]?.aborted, event.settlements]).toEqual([0, true, []]);
  await vi.advanceTimersByTimeAsync(1000);
  expect([signals.length, event.settlements]).toEqual([
    2,
    [{ outcome: "handled", movedTo: { output: "parking" } }],
  ]);
  expect(vi.getTimerCount()).toBe(0);
});

test("a store that hangs keeps a noted attempt for half a minute, and no longer", async () => {
  const store = new MemoryStore();
  const app = new FakeApp(() => (app.deliveries.length === 1 ? refused() : handled));
  const { delivery, logger } = delivering(app, { store });
  store.gate = new Promise(() => undefined);
  await delivery.deliver([sourceEvent("1")]);
  await vi.advanceTimersByTimeAsync(30_099);
  expect([app.deliveries.length, delivery.inFlight]).toEqual([1, 0]);
  await vi.advanceTimersByTimeAsync(1);
  expect([app.deliveries.length, delivery.counts.ended.handled]).toEqual([2, 1]);
  expect(logger.lines.at(-1)?.message).toContain("attempts cannot be stored");
});

test.each<[OnExhausted["kind"], object, string]>([
  ["drop", { outcome: "handled" }, "dropped"],
  ["return", { outcome: "returned", reason: "no poison", after: 1000 }, "returned"],
])("%s: the source hears it at once, the key goes on", async (kind, settlement, end) => {
  const onExhausted = { kind } as OnExhausted;
  const { delivery, ends, logger } = delivering(poisoned(), { retry: once, onExhausted });
  const [event, next] = [sourceEvent("poison", { key: "k" }), sourceEvent("next", { key: "k" })];
  await delivery.deliver([event, next]);
  await settled();
  expect([event.settlements, next.settlements]).toEqual([[settlement], [{ outcome: "handled" }]]);
  expect(ends).toEqual([end]);
  expect(logger.lines.filter(({ level }) => level === "error")).toHaveLength(1);
});

test("what was returned for good begins with fresh attempts when it comes again", async () => {
  const store = new MemoryStore();
  const app = poisoned();
  const { delivery } = delivering(app, { store, onExhausted: { kind: "return" } });
  await delivery.deliver([sourceEvent("poison")]);
  await vi.advanceTimersByTimeAsync(400);
  await delivery.deliver([sourceEvent("poison")]);
  await vi.advanceTimersByTimeAsync(400);
  expect(app.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1, 2, 3]);
  expect(store.counts.size).toBe(0);
});

test("halt: nothing is dispatched any more, and everything is the source's again", async () => {
  const app = poisoned();
  const { delivery, halts } = delivering(app, { retry: once, onExhausted: { kind: "halt" } });
  const [event, next] = [sourceEvent("poison"), sourceEvent("next")];
  await delivery.deliver([event]);
  await settled();
  expect(halts).toEqual(["no poison"]);
  await delivery.deliver([next]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(app.texts).toEqual(["poison"]);
  expect(halts).toHaveLength(1);
  await delivery.drain(1000);
  expect([event.settlements, next.settlements]).toEqual([
    [{ outcome: "returned", reason: "no poison" }],
    [{ outcome: "returned", reason: "the runtime stops", unattempted: true }],
  ]);
});

test("attempts begun before a restart count, and the last of them may have ended the process", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const first = delivering(app, { store });
  await first.delivery.deliver([sourceEvent("a1", { key: "a" })]);
  app.answer("a1", refused("no"));
  await vi.advanceTimersByTimeAsync(100);
  expect(app.deliveries.at(-1)?.attempt).toBe(2);
  // The process ends here, in the middle of the second attempt.
  const again = await deliveringAgain(app, { store });
  await again.delivery.deliver([sourceEvent("a1", { key: "a" })]);
  await settled();
  expect(app.deliveries.at(-1)).toMatchObject({ attempt: 3, lastError: "no" });
  const third = await deliveringAgain(app, { store });
  const event = sourceEvent("a1", { key: "a" });
  const next = sourceEvent("a2", { key: "a" });
  await third.delivery.deliver([event, next]);
  await settled();
  expect([event.settlements, store.stored.size]).toEqual([
    [{ outcome: "handled", movedTo: "dead letters" }],
    1,
  ]);
  expect(deadLetters(store)).toMatchObject([{ failed: 3, reason: "no" }]);
  expect(app.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1]);
  expect(app.out).toContain("a2");
});

test("a first attempt that failed counts after an orderly end too, as where the app ends with its runtime", async () => {
  const store = new MemoryStore();
  const app = poisoned();
  for (const attempt of [1, 2, 3]) {
    const { delivery } = await deliveringAgain(app, { store });
    const event = sourceEvent("poison");
    await delivery.deliver([event]);
    await settled();
    await delivery.drain(0);
    await settled();
    expect(app.deliveries.at(-1)?.attempt).toBe(attempt);
    expect(event.settlements[0]?.outcome).toBe(attempt < 3 ? "returned" : "handled");
  }
  expect(deadLetters(store)).toMatchObject([{ failed: 3, reason: "no poison" }]);
});

test("nothing is written for events that are handled at the first attempt", async () => {
  const store = new MemoryStore();
  const { delivery } = delivering(new FakeApp(), { store });
  await delivery.deliver([sourceEvent("1"), sourceEvent("2")]);
  await settled();
  expect([delivery.counts.ended.handled, store.log]).toEqual([2, []]);
});

test("the second attempt begins once it is noted; handled, it is forgotten", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const { delivery } = delivering(app, { store });
  await delivery.deliver([sourceEvent("1")]);
  app.answer("1", refused());
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  await vi.advanceTimersByTimeAsync(5000);
  expect([app.out, store.log]).toEqual([[], []]);
  gate.resolve();
  await settled();
  expect([app.out, store.log]).toEqual([["1"], ["begin 1 2"]]);
  app.answer("1");
  await settled();
  expect([store.log.at(-1), store.counts.size]).toEqual(["forget 1", 0]);
});

test("attempts that cannot be stored go on, and one warning says so", async () => {
  const store = new MemoryStore();
  store.trouble = "read-only";
  const app = new FakeApp(() => (app.deliveries.length < 3 ? refused() : handled));
  const { delivery, logger } = delivering(app, { store });
  await delivery.deliver([sourceEvent("1")]);
  await vi.advanceTimersByTimeAsync(300);
  expect([app.deliveries.length, delivery.counts.ended.handled]).toEqual([3, 1]);
  expect(logger.lines.filter(({ message }) => message.startsWith("attempts"))).toHaveLength(1);
});

test("an app that is away costs no attempt, also where one was noted", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const { delivery } = delivering(app, { store });
  await delivery.deliver([sourceEvent("1")]);
  app.answer("1", refused());
  await vi.advanceTimersByTimeAsync(100);
  app.available = false;
  app.answer("1", { kind: "unsent", reason: "connection refused" });
  await vi.advanceTimersByTimeAsync(300_000);
  expect(store.counts.get("orders 1")?.begun).toBe(2);
  // A restart now must not count an attempt that never went out.
  await delivery.drain(0);
  await settled();
  expect(store.counts.get("orders 1")?.begun).toBe(1);
  app.available = true;
  const again = await deliveringAgain(app, { store });
  await again.delivery.deliver([sourceEvent("1")]);
  await settled();
  expect(app.deliveries.at(-1)?.attempt).toBe(2);
});

test("a dead letter whose source never heard of it is the same dead letter when its event comes again", async () => {
  const store = new MemoryStore();
  const app = poisoned();
  const lost = delivering(app, { store, retry: once });
  await lost.delivery.deliver([sourceEvent("poison")]);
  await settled();
  const [before] = deadLetters(store);
  // The process ended before the acknowledgement was out.
  const { delivery } = await deliveringAgain(app, { store, retry: once });
  const event = sourceEvent("poison");
  await delivery.deliver([event]);
  await settled();
  expect(event.settlements).toEqual([{ outcome: "handled", movedTo: "dead letters" }]);
  expect(deadLetters(store)).toMatchObject([{ id: before?.id, reason: "no poison" }]);
  expect([app.deliveries.length, store.stored.size]).toEqual([1, 1]);
  // Another event under the same id is another event.
  const other = sourceEvent("poison", { data: Buffer.from("poison too") });
  await delivery.deliver([other]);
  await settled();
  expect([app.deliveries.length, store.stored.size]).toEqual([2, 2]);
});

test.for(["in the same process", "after a restart"])(
  "an event whose dead letter is gone is attempted from the first on when it comes again %s",
  async (when) => {
    const store = new MemoryStore();
    const app = poisoned();
    let { delivery } = delivering(app, { store, retry: once });
    await delivery.deliver([sourceEvent("poison")]);
    await settled();
    const [deadLetter] = deadLetters(store);
    if (deadLetter === undefined) throw new Error("there is no dead letter");
    if (when === "after a restart")
      ({ delivery } = await deliveringAgain(app, { store, retry: once }));
    await store.deadLetters.remove([deadLetter.id]);
    delivery.deadLetterRemoved(deadLetter);
    expect(store.counts.size).toBe(0);
    await delivery.deliver([sourceEvent("poison")]);
    await settled();
    expect(app.deliveries.map(({ attempt }) => attempt)).toEqual([1, 1]);
    expect(deadLetters(store)).toMatchObject([{ failed: 1 }]);
  },
);

test("an event whose dead letter is gone before its source was told is not handled when it comes again, and once told it is", async () => {
  const store = new MemoryStore();
  const app = poisoned();
  const ended = delivering(app, { store, retry: once });
  await ended.delivery.deliver([sourceEvent("poison")]);
  await settled();
  // The process ended between the two.
  for (const [key, count] of store.counts) store.counts.set(key, { ...count, told: false });
  const { delivery } = await deliveringAgain(app, { store, retry: once });
  for (const attempts of [1, 2]) {
    const [deadLetter] = deadLetters(store);
    if (deadLetter === undefined) throw new Error("there is no dead letter");
    await store.deadLetters.remove([deadLetter.id]);
    delivery.deadLetterRemoved(deadLetter);
    const event = sourceEvent("poison");
    await delivery.deliver([event]);
    await settled();
    expect(event.settlements).toEqual([{ outcome: "handled", movedTo: "dead letters" }]);
    expect([app.deliveries.length, store.stored.size]).toEqual([attempts, 1]);
  }
});

test("events without an id that are equal are dead letters of their own", async () => {
  const store = new MemoryStore();
  const app = poisoned();
  const withoutId = () => ({ ...sourceEvent("poison"), id: undefined });
  const { delivery } = delivering(app, { store, retry: once });
  await delivery.deliver([withoutId(), withoutId()]);
  await settled();
  expect([store.stored.size, app.deliveries.length]).toEqual([2, 2]);
  const again = await deliveringAgain(app, { store, retry: once });
  // The source knows that this one is new.
  await again.delivery.deliver([{ ...withoutId(), redelivered: false }]);
  await settled();
  expect([store.stored.size, app.deliveries.length]).toEqual([3, 3]);
  // Two of them may come again; a third equal one is new.
  await again.delivery.deliver([withoutId(), withoutId(), withoutId()]);
  await settled();
  expect([store.stored.size, app.deliveries.length]).toEqual([4, 4]);
});

test("the end of the runtime: what was refused for the last time still goes to the dead letters", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const { delivery } = delivering(app, { store, retry: once });
  const [event, behind] = [sourceEvent("a1", { key: "a" }), sourceEvent("a2", { key: "a" })];
  await delivery.deliver([event, behind]);
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  const drained = delivery.drain(10_000);
  app.answer("a1", refused("no"));
  await settled();
  expect(event.settlements).toEqual([]);
  gate.resolve();
  expect(await drained).toEqual({ abandoned: 0 });
  expect([event.settlements, behind.settlements]).toEqual([
    [{ outcome: "handled", movedTo: "dead letters" }],
    [{ outcome: "returned", reason: "no", unattempted: true }],
  ]);
  expect(store.stored.size).toBe(1);
});

test("a store that hangs does not outlast the deadline, and nothing is acknowledged", async () => {
  const store = new MemoryStore();
  store.gate = new Promise(() => undefined);
  const { delivery } = delivering(poisoned(), { store, retry: once });
  const event = sourceEvent("poison");
  await delivery.deliver([event]);
  await settled();
  const drained = delivery.drain(1000);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await drained).toEqual({ abandoned: 1 });
  expect(event.settlements).toMatchObject([{ outcome: "returned" }]);
});
