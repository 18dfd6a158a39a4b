import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { InboundEvent } from "../../../src/binding.ts";
import { BindingError } from "../../../src/errors.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { delivering, policy } from "../delivering.ts";
import { FakeApp, handled, ManualApp, refused } from "../fake-app.ts";
import { settled } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const minute = 60_000;
const lease = { duration: 25 * minute };

/** A queue that leases its events for 25 minutes, and redelivers at once what was returned, in its order. */
class LeasingQueue {
  readonly returned: string[] = [];
  readonly handled: string[] = [];
  readonly reasons = new Set<string>();
  deliver: (events: readonly InboundEvent[]) => Promise<void> = async () => {};
  readonly #back: string[] = [];
  readonly #known = new Map<string, Pick<InboundEvent, "id" | "key">>();

  send(text: string, about: Pick<InboundEvent, "id" | "key"> = {}, redelivered = false): void {
    this.#known.set(text, about);
    void this.deliver([
      {
        ...{ data: Buffer.from(text), metadata: {}, headers: [], redelivered, lease, ...about },
        settle: (settlement) => {
          if (settlement.outcome === "handled") return void this.handled.push(text);
          this.returned.push(text);
          this.reasons.add(settlement.reason);
          this.#back.push(text);
          queueMicrotask(() => {
            for (const one of this.#back.splice(0)) this.send(one, this.#known.get(one), true);
          });
        },
      },
    ]);
  }
}

function lending(app: FakeApp, options: Parameters<typeof delivering>[1] = {}) {
  const queue = new LeasingQueue();
  const made = delivering(app, options);
  queue.deliver = (events) => made.delivery.deliver(events);
  return { queue, ...made };
}

test("an event that waits for an absent app is returned in time, and handled once the app is there", async () => {
  const app = new FakeApp();
  app.available = false;
  const { queue, logger, history, delivery } = lending(app);
  queue.send("1", { id: "one" });
  queue.send("2");
  await vi.advanceTimersByTimeAsync(23 * minute);
  expect(queue.returned).toEqual([]);
  await vi.advanceTimersByTimeAsync(2 * minute);
  expect(queue.returned).toEqual(["1", "2"]);
  expect([...queue.reasons]).toEqual(["lease expired; its source redelivers it"]);
  expect(logger.lines).toMatchObject([{ level: "info", fields: { events: 2 } }]);
  expect(delivery.waiting).toBe(2);
  await vi.advanceTimersByTimeAsync(25 * minute);
  expect(queue.returned).toEqual(["1", "2", "1", "2"]);
  app.available = true;
  await settled();
  expect(queue.handled).toEqual(["1", "2"]);
  expect(app.deliveries.map(({ attempt }) => attempt)).toEqual([1, 1]);
  expect((await history.find("one")).map(({ end }) => end).toSorted()).toEqual([
    ...["handled", "returned", "returned"],
  ]);
  expect(vi.getTimerCount()).toBe(0);
});

test.for([
  ["with an id", "one"],
  ["without one", undefined],
] as const)(
  "attempts at an event %s are counted on, and its pause goes on, when it was returned",
  async ([, id]) => {
    const app = new FakeApp(() => refused("no", 20 * minute));
    const { queue } = lending(app, { store: new MemoryStore() });
    queue.send("1", { id });
    await vi.advanceTimersByTimeAsync(30 * minute);
    expect(queue.returned).toEqual(["1"]);
    expect(app.deliveries.length).toBe(2);
    await vi.advanceTimersByTimeAsync(9 * minute);
    expect(app.deliveries.length).toBe(2);
    await vi.advanceTimersByTimeAsync(2 * minute);
    expect(app.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(app.deliveries.at(-1)?.lastError).toBe("no");
    // It was the last: the event is in the dead letters.
    expect(queue.handled).toEqual(["1"]);
  },
);

test("what is behind it with the same key goes with it and comes again behind it; others stay", async () => {
  const app = new FakeApp(({ data }) =>
    Buffer.from(data ?? []).toString() === "a1" && app.deliveries.length < 3
      ? refused("later", 30 * minute)
      : handled,
  );
  const { queue } = lending(app);
  queue.send("a1", { key: "a", id: "a1" });
  await vi.advanceTimersByTimeAsync(20 * minute);
  for (const text of ["a2", "a3"]) queue.send(text, { key: "a", id: text });
  queue.send("b1", { key: "b", id: "b1" });
  await vi.advanceTimersByTimeAsync(5 * minute);
  expect(queue.returned).toEqual(["a1", "a2", "a3"]);
  await vi.advanceTimersByTimeAsync(10 * minute);
  expect(queue.handled).toEqual(["b1", "a1", "a2", "a3"]);
  expect(app.texts).toEqual(["a1", "b1", "a1", "a2", "a3"]);
});

test("what the app has stays with it; refused after that, it goes back with what is behind it", async () => {
  const app = new ManualApp();
  const { queue } = lending(app, { retry: { ...policy, attempts: 9 } });
  for (const text of ["a1", "a2"]) queue.send(text, { key: "a", id: text });
  queue.send("b1", { key: "b", id: "b1" });
  await vi.advanceTimersByTimeAsync(26 * minute);
  expect([queue.returned, app.out]).toEqual([["a2"], ["a1", "b1"]]);
  app.answer("a1", refused("no"));
  app.answer("b1");
  await settled();
  expect([queue.returned, queue.handled]).toEqual([["a2", "a1", "a2"], ["b1"]]);
  expect(app.out).toEqual([]);
  await vi.advanceTimersByTimeAsync(policy.initial);
  app.answer("a1");
  await settled();
  app.answer("a2");
  await settled();
  expect(queue.handled).toEqual(["b1", "a1", "a2"]);
  expect(app.deliveries.at(-2)).toMatchObject({ id: "a1", attempt: 2 });
});

test("one that cannot be put into the dead letters is returned, and not attempted once more", async () => {
  const store = new MemoryStore();
  store.trouble = "the disk is full";
  const app = new FakeApp(() => refused("no"));
  const { queue } = lending(app, { retry: { ...policy, attempts: 1 }, store });
  queue.send("1");
  await vi.advanceTimersByTimeAsync(30 * minute);
  expect(queue.returned).toEqual(["1"]);
  store.trouble = undefined;
  await vi.advanceTimersByTimeAsync(minute);
  expect(app.deliveries.length).toBe(1);
  expect(queue.handled).toEqual(["1"]);
});

/** Events whose leases are extended as `extend` says, with how each was settled. */
function extendable(text: string, extend: () => Promise<void>, key: string) {
  const ends: string[] = [];
  const event: InboundEvent = {
    ...{ data: Buffer.from(text), metadata: {}, headers: [], key, id: text },
    lease: { duration: 30_000, extend },
    settle: (settlement) => void ends.push(settlement.outcome),
  };
  return { event, ends };
}

const gone = (): Promise<void> =>
  Promise.reject(new BindingError("not_found", "the lease is another's", { effect: "rejected" }));

test("an extension that is refused for good returns the event and later ones of its key, at once", async () => {
  const app = new FakeApp();
  app.available = false;
  const { delivery, logger } = delivering(app);
  const first = extendable("a1", async () => {}, "a");
  const second = extendable("a2", gone, "a");
  const third = extendable("a3", async () => {}, "a");
  const other = extendable("b1", async () => {}, "b");
  void delivery.deliver([first.event, second.event, third.event, other.event]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([first.ends, second.ends, third.ends, other.ends]).toEqual([
    ...[[], ["returned"], ["returned"], []],
  ]);
  expect(logger.lines).toMatchObject([
    { level: "warn", fields: { event: "a2", reason: "the lease is another's" } },
    { level: "info", fields: { events: 2 } },
  ]);
  await delivery.drain(0);
});

test("what waits for a retry is extended, and returned when that is refused; what the app has is the app's", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app);
  let refuses = false;
  let extended = 0;
  const extend = (): Promise<void> => (refuses ? gone() : Promise.resolve(void extended++));
  const waiting = extendable("a1", extend, "a");
  const withApp = extendable("b1", gone, "b");
  const behind = extendable("b2", async () => {}, "b");
  await delivery.deliver([waiting.event, withApp.event, behind.event]);
  app.answer("a1", { kind: "refused", reason: "later", after: 100_000 });
  await vi.advanceTimersByTimeAsync(20_000);
  expect([extended, waiting.ends, withApp.ends, behind.ends]).toEqual([2, [], [], []]);
  refuses = true;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(waiting.ends).toEqual(["returned"]);
  app.answer("b1");
  await settled();
  expect(withApp.ends).toEqual(["handled"]);
  app.answer("b2");
  await settled();
  expect(behind.ends).toEqual(["handled"]);
});

test("an extension that only fails is tried again until the lease has ended", async () => {
  const app = new FakeApp();
  app.available = false;
  const { delivery } = delivering(app);
  let tries = 0;
  const extend = (): Promise<void> => Promise.reject(new Error(`no answer ${++tries}`));
  const { event, ends } = extendable("a1", extend, "a");
  void delivery.deliver([event]);
  await vi.advanceTimersByTimeAsync(28_000);
  expect([tries, ends]).toEqual([2, []]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect([tries, ends]).toEqual([2, ["returned"]]);
});
