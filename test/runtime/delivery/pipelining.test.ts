import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Delivery as Delivered, Intake, Outcome } from "../../../src/runtime/app.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { delivering, policy } from "../delivering.ts";
import { handled, ManualApp, refused } from "../fake-app.ts";
import { settled, sourceEvent, type SourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const notAttempted: Outcome = { kind: "not attempted" };

/** Takes what `takes` says, by default everything. */
class TakingApp extends ManualApp {
  readonly roomListeners = new Set<() => void>();
  readonly #epochs: [text: string, epoch: number][] = [];
  takes: Intake["takes"] = () => "now";
  readonly intake: Intake = {
    takes: (lane, unsettled) => this.takes(lane, unsettled),
    onRoom: (listener) => {
      this.roomListeners.add(listener);
      return () => void this.roomListeners.delete(listener);
    },
    maxInFlight: 1000,
  };

  room(): void {
    for (const listener of this.roomListeners) listener();
  }

  /** The epochs in which the event was sent. */
  epochs(text: string): number[] {
    return this.#epochs.filter(([sent]) => sent === text).map(([, epoch]) => epoch);
  }

  override deliver(delivery: Delivered, signal: AbortSignal): Promise<Outcome> {
    this.#epochs.push([String(delivery.data), delivery.lane?.epoch ?? -1]);
    return super.deliver(delivery, signal);
  }
}

function keyed(...texts: string[]): SourceEvent[] {
  return texts.map((text) => sourceEvent(text, { key: text[0] }));
}

test("the app has several events of a key, in order, with their lane", async () => {
  const app = new TakingApp();
  const { delivery } = delivering(app);
  await delivery.deliver([...keyed("a1", "a2", "b1", "a3"), sourceEvent("free")]);
  expect(app.out.filter((text) => text.startsWith("a"))).toEqual(["a1", "a2", "a3"]);
  expect(app.out).toHaveLength(5);
  const lanes = new Map(app.deliveries.map(({ data, lane }) => [String(data), lane?.number]));
  expect(lanes.get("a1")).toBe(lanes.get("a3"));
  expect(lanes.get("b1")).not.toBe(lanes.get("a1"));
  expect(lanes.get("free")).toBeUndefined();
  expect([delivery.inFlight, delivery.waiting]).toEqual([5, 0]);
});

test("after a refusal the lane begins again from there, once all that was out is back", async () => {
  const app = new TakingApp();
  const { delivery } = delivering(app);
  const events = keyed("a1", "a2", "a3", "b1");
  await delivery.deliver(events);
  app.answer("a1");
  app.answer("a2", refused("no"));
  await settled();
  await delivery.deliver(keyed("a4", "b2"));
  // The pause is long over, and a3 still out.
  await vi.advanceTimersByTimeAsync(5000);
  expect(app.out.toSorted()).toEqual(["a3", "b1", "b2"]);
  app.answer("a3", notAttempted);
  await settled();
  expect([delivery.inFlight, delivery.waiting, delivery.counts.failedAttempts]).toEqual([2, 3, 1]);
  await vi.advanceTimersByTimeAsync(99);
  expect(app.out).not.toContain("a2");
  await vi.advanceTimersByTimeAsync(1);
  expect(app.out).toEqual(["b1", "b2", "a2", "a3", "a4"]);
  expect([app.epochs("a2"), app.epochs("a3"), app.epochs("a4"), app.epochs("b1")]).toEqual([
    [0, 1],
    [0, 1],
    [1],
    [0],
  ]);
  const attempts = app.deliveries.filter(({ data }) => /a[23]/.test(String(data)));
  expect(attempts.map(({ attempt, lastError }) => [attempt, lastError])).toEqual([
    [1, undefined],
    [1, undefined],
    [2, "no"],
    [1, undefined],
  ]);
  for (const text of app.out) app.answer(text);
  await settled();
  expect([delivery.counts.ended.handled, delivery.inFlight, delivery.waiting]).toEqual([6, 0, 0]);
  expect(events.map(({ settlements }) => settlements.length)).toEqual([1, 1, 1, 1]);
});

test("what the app has handled behind a refused event is done, and not sent again", async () => {
  const app = new TakingApp();
  const { delivery } = delivering(app);
  const events = keyed("a1", "a2", "a3");
  await delivery.deliver(events);
  app.answer("a2");
  app.answer("a1", refused("no"));
  app.answer("a3", refused("nor this"));
  await vi.advanceTimersByTimeAsync(100);
  expect(app.out).toEqual(["a1", "a3"]);
  expect(events[1]?.settlements).toEqual([{ outcome: "handled" }]);
  expect(delivery.counts.failedAttempts).toBe(2);
});

test("an event that nobody looked at is offered again soon, and counts no attempt", async () => {
  const app = new TakingApp();
  const { delivery } = delivering(app);
  await delivery.deliver(keyed("a1", "a2"));
  app.answer("a1", notAttempted);
  app.answer("a2", notAttempted);
  await settled();
  expect(app.out).toEqual([]);
  await vi.advanceTimersByTimeAsync(50);
  expect(app.out).toEqual(["a1", "a2"]);
  expect(delivery.counts.failedAttempts).toBe(0);
});

test("an app may ask for a longer pause, for none more, and for an event to be forgotten", async () => {
  const app = new TakingApp();
  const store = new MemoryStore();
  const { delivery, logger } = delivering(app, { store });
  const events = keyed("a1", "b1", "c1");
  await delivery.deliver(events);
  app.answer("a1", { kind: "refused", reason: "later", after: 700 });
  app.answer("b1", { kind: "refused", reason: "never", final: true });
  app.answer("c1", { kind: "dropped", reason: "nobody needs it" });
  await settled();
  expect(events[2]?.settlements).toEqual([{ outcome: "handled" }]);
  await vi.advanceTimersByTimeAsync(699);
  expect(app.out).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(app.out).toEqual(["a1"]);
  expect([events[1]?.settlements, store.stored.size]).toEqual([
    [{ outcome: "handled", movedTo: "dead letters" }],
    1,
  ]);
  const told = logger.lines.map(({ level, fields }) => [level, fields]);
  expect(told).toMatchObject([
    ["warn", { event: "a1", reason: "later", pause: "700ms" }],
    ["warn", { event: "c1", reason: "nobody needs it" }],
    ["error", { event: "b1", reason: "never", deadLetter: expect.any(String) }],
  ]);
});

test("a lane that the app takes nothing of waits for room, and holds up no other", async () => {
  const app = new TakingApp();
  app.takes = (_, unsettled) => (unsettled > 0 ? "lane waits" : "now");
  const { delivery } = delivering(app);
  await delivery.deliver(keyed("a1", "a2", "b1", "b2"));
  expect(app.out).toEqual(["a1", "b1"]);
  app.answer("a1");
  await settled();
  expect(app.out).toEqual(["b1", "a2"]);
  app.takes = () => "now";
  app.room();
  expect(app.out).toEqual(["b1", "a2", "b2"]);
});

test("an app that is full gets nothing until it has room", async () => {
  const app = new TakingApp();
  let credit = 2;
  app.takes = () => (credit-- > 0 ? "now" : "full");
  const { delivery } = delivering(app);
  await delivery.deliver(keyed("a1", "a2", "a3", "b1"));
  expect(app.out).toHaveLength(2);
  app.answer("a1");
  await settled();
  expect(app.deliveries).toHaveLength(2);
  credit = 10;
  app.room();
  expect(app.deliveries).toHaveLength(4);
});

test("maxInFlight of the component bounds what the app has; else what the app says", async () => {
  const events = Array.from({ length: 1500 }, (_, n) => sourceEvent(String(n), { key: "k" }));
  const app = new TakingApp();
  const { delivery } = delivering(app);
  void delivery.deliver(events);
  expect([app.out.length, delivery.waiting]).toEqual([1000, 500]);
  const bounded = new TakingApp();
  void delivering(bounded, { maxInFlight: 7 }).delivery.deliver(events);
  expect(bounded.out).toHaveLength(7);
});

test("replies of one key go out in the order of its events, whichever the app answers first", async () => {
  const app = new TakingApp();
  const ran: string[] = [];
  const down = new Set(["b1"]);
  const { delivery } = delivering(app, {
    fanOut: (reply) => {
      const target = String(reply?.data);
      const run = async (): Promise<void> => {
        ran.push(target);
        if (down.delete(target)) throw new Error("down");
      };
      return { steps: [{ target, run }], concurrency: undefined };
    },
  });
  const events = keyed("a1", "a2", "b1", "b2", "b3");
  await delivery.deliver(events);
  const reply = (text: string): Outcome => ({
    kind: "handled",
    reply: { source: "grpc", data: Buffer.from(text) },
  });
  app.answer("a2", reply("a2"));
  app.answer("b2", reply("b2"));
  await settled();
  expect(ran).toEqual([]);
  app.answer("a1", reply("a1"));
  await settled();
  expect(ran).toEqual(["a1", "a2"]);
  app.answer("b1", reply("b1"));
  app.answer("b3", refused("no"));
  await settled();
  expect(ran).toEqual(["a1", "a2", "b1"]);
  expect(delivery.inFlight).toBe(0);
  await vi.advanceTimersByTimeAsync(100);
  // The app is not asked again for what it has answered.
  expect(ran).toEqual(["a1", "a2", "b1", "b1", "b2"]);
  expect(app.out).toEqual(["b3"]);
  app.answer("b3", reply("b3"));
  await settled();
  expect(ran.at(-1)).toBe("b3");
  expect(events.map(({ settlements }) => settlements.length)).toEqual([1, 1, 1, 1, 1]);
  expect([delivery.inFlight, delivery.waiting, delivery.counts.ended.handled]).toEqual([0, 0, 5]);
});

test("draining returns what was not sent, and what comes back unhandled", async () => {
  const app = new TakingApp();
  const { delivery } = delivering(app, { maxInFlight: 3 });
  const events = keyed("a1", "a2", "a3", "a4", "b1");
  void delivery.deliver(events.slice(0, 4));
  void delivery.deliver(events.slice(4));
  const drained = delivery.drain(10_000);
  app.answer("a1");
  app.answer("a2", refused("no"));
  app.answer("a3", notAttempted);
  expect(await drained).toEqual({ abandoned: 0 });
  expect(events.map(({ settlements }) => settlements)).toMatchObject([
    [{ outcome: "handled" }],
    [{ outcome: "returned", reason: "no" }],
    [{ outcome: "returned" }],
    [{ outcome: "returned" }],
    [{ outcome: "returned" }],
  ]);
  expect([delivery.inFlight, delivery.waiting]).toEqual([0, 0]);
});

test("over thousands of events each key stays in order and each event is handled once, whatever fails", async () => {
  vi.useRealTimers();
  let random = 11;
  const chance = (one: number): boolean => (random = (random * 48_271) % 2_147_483_647) % one === 0;
  const seen = new Map<string, number[]>();
  const app = new LaneKeepingApp(async ({ data }) => {
    if (chance(3)) await new Promise((resolve) => setImmediate(resolve));
    if (chance(7)) return refused();
    const [key = "", number = ""] = String(data).split(":");
    seen.set(key, [...(seen.get(key) ?? []), Number(number)]);
    return handled;
  });
  const quick = { ...policy, initial: 0, max: 1, attempts: Number.POSITIVE_INFINITY };
  const { delivery } = delivering(app, { retry: quick });
  const keys = 17;
  const events = Array.from({ length: 3400 }, (_, n) =>
    sourceEvent(`${n % keys}:${Math.floor(n / keys)}`, { key: String(n % keys) }),
  );
  for (let at = 0; at < events.length; at += 200)
    await delivery.deliver(events.slice(at, at + 200));
  await vi.waitFor(() => expect(delivery.counts.ended.handled).toBe(events.length), 20_000);
  const inOrder = Array.from({ length: events.length / keys }, (_, n) => n);
  expect(seen.size).toBe(keys);
  for (const numbers of seen.values()) expect(numbers).toEqual(inOrder);
  expect(events.every(({ settlements }) => settlements.length === 1)).toBe(true);
  expect(app.pipelined).toBeGreaterThan(0);
  expect([delivery.inFlight, delivery.waiting]).toEqual([0, 0]);
});

/** Handles each lane's events one after another, and passes over those behind one that it refused. */
class LaneKeepingApp extends TakingApp {
  pipelined = 0;
  readonly #last = new Map<number, Promise<unknown>>();
  readonly #refusedIn = new Map<number, number>();
  readonly #work: (delivery: Delivered) => Promise<Outcome>;

  constructor(work: (delivery: Delivered) => Promise<Outcome>) {
    super();
    this.#work = work;
    this.takes = (_, unsettled) => {
      if (unsettled > 0) this.pipelined++;
      return "now";
    };
  }

  override async deliver(delivery: Delivered): Promise<Outcome> {
    const { number = 0, epoch = 0 } = delivery.lane ?? {};
    const outcome = (this.#last.get(number) ?? Promise.resolve()).then(async () => {
      if (this.#refusedIn.get(number) === epoch) return notAttempted;
      const answer = await this.#work(delivery);
      if (answer.kind === "refused") this.#refusedIn.set(number, epoch);
      return answer;
    });
    this.#last.set(number, outcome);
    return outcome;
  }
}
