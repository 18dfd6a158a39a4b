import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MemoryStore } from "../../store/memory-store.ts";
import { delivering, policy } from "../delivering.ts";
import { FakeApp, handled, ManualApp, refused } from "../fake-app.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const byId = { deduplicate: "id" } as const;

test("claimed before the app has it, done before the source hears of it", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const { delivery } = delivering(app, { store, ...byId });
  const claimed = Promise.withResolvers<void>();
  store.gate = claimed.promise;
  const event = sourceEvent("1");
  await delivery.deliver([event]);
  await settled();
  expect(app.out).toEqual([]);
  claimed.resolve();
  await settled();
  expect([app.out, store.log]).toEqual([["1"], ["claim 1"]]);
  const done = Promise.withResolvers<void>();
  store.gate = done.promise;
  app.answer("1");
  await settled();
  expect(event.settlements).toEqual([]);
  done.resolve();
  await settled();
  expect([event.settlements, store.log]).toEqual([
    [{ outcome: "handled" }],
    ["claim 1", "complete 1"],
  ]);
});

test("a duplicate of a handled event is settled without the app, and its key goes on", async () => {
  const store = new MemoryStore();
  const app = new FakeApp();
  const { delivery, ends, history } = delivering(app, { store, ...byId });
  await delivery.deliver([sourceEvent("1", { key: "k" })]);
  await settled();
  const [again, next] = [sourceEvent("1", { key: "k" }), sourceEvent("2", { key: "k" })];
  await delivery.deliver([again, next]);
  await settled();
  expect(app.texts).toEqual(["1", "2"]);
  expect([again.settlements.length, next.settlements.length, ends]).toEqual([1, 1, ["duplicate"]]);
  expect((await history.find("1")).map(({ end }) => end).toSorted()).toEqual([
    "duplicate",
    "handled",
  ]);
});

test("a duplicate of an event that is with us waits for what becomes of it", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const { delivery } = delivering(app, { store, ...byId });
  const [one, same, other] = [sourceEvent("1"), sourceEvent("1"), sourceEvent("2")];
  await delivery.deliver([one, same, other]);
  await settled();
  expect(app.out).toEqual(["1", "2"]);
  app.answer("1", refused());
  await vi.advanceTimersByTimeAsync(100);
  expect([app.texts, same.settlements]).toEqual([["1", "2", "1"], []]);
  app.answer("1");
  await settled();
  expect([one.settlements.length, same.settlements.length]).toEqual([1, 1]);
  expect(app.texts).toEqual(["1", "2", "1"]);
});

test("one that was returned is delivered when it comes again", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const first = delivering(app, { store, ...byId });
  await first.delivery.deliver([sourceEvent("1")]);
  await settled();
  const drained = first.delivery.drain(1000);
  app.answer("1", refused());
  await drained;
  const second = delivering(app, { store, ...byId });
  await second.delivery.deliver([sourceEvent("1")]);
  await settled();
  expect(app.texts).toEqual(["1", "1"]);
});

test("a claim that an earlier process has left is taken over", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const first = delivering(app, { store, ...byId });
  await first.delivery.deliver([sourceEvent("1")]);
  await settled();
  store.restart();
  const second = delivering(app, { store, ...byId });
  await second.delivery.deliver([sourceEvent("1")]);
  await settled();
  app.answer("1");
  await settled();
  expect(second.delivery.counts.ended.handled).toBe(1);
  const third = delivering(app, { store, ...byId });
  await third.delivery.deliver([sourceEvent("1")]);
  await settled();
  expect([app.texts, third.delivery.counts.ended]).toMatchObject([
    ["1", "1"],
    { handled: 0, duplicate: 1 },
  ]);
});

test("a header tells duplicates too; an event without it is delivered", async () => {
  const store = new MemoryStore();
  const app = new FakeApp();
  const { delivery } = delivering(app, { store, deduplicate: { header: "order-id" } });
  const headers = [{ name: "Order-ID", value: Buffer.from("7") }];
  await delivery.deliver([sourceEvent("1", { headers })]);
  await settled();
  await delivery.deliver([sourceEvent("2", { headers }), sourceEvent("3"), sourceEvent("3")]);
  await settled();
  expect(app.texts).toEqual(["1", "3", "3"]);
});

test.each(["no store", "a store that fails"])("%s: all are delivered, said once", async (which) => {
  const store = new MemoryStore();
  store.trouble = "disk full";
  const app = new FakeApp();
  const options = which === "no store" ? byId : { ...byId, store };
  const { delivery, logger } = delivering(app, options);
  for (const text of ["1", "2", "1"]) {
    await delivery.deliver([sourceEvent(text)]);
    await settled();
  }
  expect([app.texts.length, delivery.counts.ended.handled]).toEqual([3, 3]);
  expect(logger.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
});

test("an event whose attempts are used up is done too: its duplicate makes no second dead letter", async () => {
  const store = new MemoryStore();
  const app = new FakeApp(() => refused("no"));
  const once = { ...policy, attempts: 1 };
  const { delivery } = delivering(app, { store, retry: once, ...byId });
  await delivery.deliver([sourceEvent("1")]);
  await settled();
  await delivery.deliver([sourceEvent("1")]);
  await settled();
  expect([app.deliveries.length, store.stored.size]).toEqual([1, 1]);
  expect(delivery.counts.ended).toMatchObject({ handled: 0, "dead letter": 2, duplicate: 0 });
});

test("many duplicates, in the order of their keys, end as many times as they came", async () => {
  vi.useRealTimers();
  const store = new MemoryStore();
  const app = new FakeApp(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return handled;
  });
  const { delivery } = delivering(app, { store, ...byId });
  const events = Array.from({ length: 3000 }, (_, n) =>
    sourceEvent(String(n % 1000), { key: String(n % 7) }),
  );
  for (let at = 0; at < events.length; at += 100)
    await delivery.deliver(events.slice(at, at + 100));
  const ended = { handled: 1000, duplicate: 2000 };
  await vi.waitFor(() => expect(delivery.counts.ended).toMatchObject(ended), 20_000);
  expect(app.texts).toHaveLength(1000);
  expect(events.every(({ settlements }) => settlements.length === 1)).toBe(true);
  expect([delivery.inFlight, delivery.waiting]).toEqual([0, 0]);
});

test("an exhausted event that is being marked as done is not given back by the end of the runtime", async () => {
  const store = new MemoryStore();
  const app = new FakeApp(() => refused("no"));
  const { delivery } = delivering(app, { store, retry: { ...policy, attempts: 1 }, ...byId });
  const event = sourceEvent("1", { key: "k" });
  const marked = Promise.withResolvers<void>();
  store.afterPut = () => (store.gate = marked.promise);
  await delivery.deliver([event]);
  await settled();
  expect([store.stored.size, event.settlements]).toEqual([1, []]);
  let ended = false;
  const drained = delivery.drain(10_000).then(() => (ended = true));
  await settled();
  expect([ended, event.settlements]).toEqual([false, []]);
  marked.resolve();
  await drained;
  expect(event.settlements).toEqual([{ outcome: "handled", movedTo: "dead letters" }]);
});

test("a store that hangs holds all up for half a minute, once, and tells duplicates again when it answers", async () => {
  const app = new FakeApp();
  const store = new MemoryStore();
  const { delivery, logger } = delivering(app, { store, ...byId });
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  const numbers = Array.from({ length: 20 }, (_, index) => String(index));
  void delivery.deliver(numbers.slice(0, 10).map((text) => sourceEvent(text)));
  await vi.advanceTimersByTimeAsync(20_000);
  const later = numbers.slice(10).map((text) => sourceEvent(text));
  void delivery.deliver(later);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(app.deliveries.length).toBe(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(app.deliveries.length).toBe(20);
  expect(later.every(({ settlements }) => settlements.length === 1)).toBe(true);
  const next = sourceEvent("next");
  void delivery.deliver([next]);
  await settled();
  expect(next.settlements).toEqual([{ outcome: "handled" }]);
  expect(logger.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  gate.resolve();
  await settled();
  void delivery.deliver([sourceEvent("again"), sourceEvent("again")]);
  await settled();
  expect(app.texts.filter((text) => text === "again")).toHaveLength(1);
});
