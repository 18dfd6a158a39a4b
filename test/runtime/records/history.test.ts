import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Entry } from "../../../src/runtime/delivery/entry.ts";
import { History } from "../../../src/runtime/records/history.ts";
import { Window } from "../../../src/runtime/delivery/window.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { delivering } from "../delivering.ts";
import { FakeApp, handled, ManualApp, refused } from "../fake-app.ts";
import { keepingLogger, settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const handledEnd = { how: "handled", reason: "" } as const;

function entry(id: string, change: (entry: Entry) => void = () => undefined): Entry {
  const one = new Entry(sourceEvent(id), new Window("orders[3]"), undefined);
  change(one);
  return one;
}

test("tells each attempt with its time, how long it took and the app's answer, and where the event ended", async () => {
  vi.setSystemTime(1_795_000_000_000);
  const app = new ManualApp();
  const { delivery, history } = delivering(app);
  await vi.advanceTimersByTimeAsync(1000);
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  await delivery.deliver([sourceEvent("1", { metadata: { traceparent } })], "orders[3]");
  await vi.advanceTimersByTimeAsync(40);
  app.answer("1", refused("not now"));
  await vi.advanceTimersByTimeAsync(100);
  await vi.advanceTimersByTimeAsync(60);
  app.answer("1");
  await settled();
  const [record, ...others] = await history.find("1");
  expect(others).toEqual([]);
  const received = 1_795_000_001_000;
  expect(record).toMatchObject({
    component: "orders",
    eventId: "1",
    source: "orders[3]",
    receivedAt: received,
    attempts: [
      { took: 40, outcome: "refused", answer: "not now" },
      { took: 60, outcome: "handled", answer: "" },
    ],
    renewals: [],
    traceId: "a".repeat(32),
    end: "handled",
    endedAt: received + 200,
    reason: "",
    deadLetter: undefined,
  });
  const [first, second] = record?.attempts ?? [];
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBe(140);
  expect(await history.find("a".repeat(32))).toEqual([record]);
  expect(await history.find("1", "another component")).toEqual([]);
});

test("remembers the last 10,000, and nothing of their payloads", async () => {
  const history = new History(undefined, keepingLogger());
  for (let number = 0; number < 10_005; number++)
    history.record("orders", entry(String(number)), handledEnd, number);
  expect(await history.find("4")).toEqual([]);
  expect(await history.find("5")).toMatchObject([{ eventId: "5", endedAt: 5 }]);
  expect(await history.find("10004")).toMatchObject([{ source: "orders[3]" }]);
});

test("the newest of one id come first", async () => {
  const history = new History(undefined, keepingLogger());
  for (let number = 0; number < 150; number++)
    history.record("orders", entry("same"), handledEnd, number);
  const found = await history.find("same");
  expect(found).toHaveLength(100);
  expect([found[0]?.endedAt, found.at(-1)?.endedAt]).toEqual([149, 50]);
});

test("the store gets each event with something to tell, and of the others some a second", async () => {
  const store = new MemoryStore();
  const app = new FakeApp(({ data, attempt }) =>
    String(data).startsWith("bad") && attempt === 1 ? refused("no") : handled,
  );
  const { delivery, history } = delivering(app, { store });
  const events = Array.from({ length: 1000 }, (_, n) =>
    sourceEvent(`${n % 4 ? "good" : "bad"} ${n}`),
  );
  for (const event of events) await delivery.deliver([event]);
  await vi.advanceTimersByTimeAsync(200);
  await history.flush();
  const kept = store.records.map(({ eventId }) => eventId);
  expect(kept.filter((id) => id.startsWith("bad"))).toHaveLength(250);
  expect(kept.filter((id) => id.startsWith("good"))).toHaveLength(100);
  await vi.advanceTimersByTimeAsync(1000);
  await delivery.deliver([sourceEvent("good late")]);
  await vi.advanceTimersByTimeAsync(500);
  expect(store.records.at(-1)?.eventId).toBe("good late");
  // What memory and the store have both is told once.
  expect(await history.find("bad 0")).toHaveLength(1);
  expect(await history.find("good late")).toHaveLength(1);
});

test("what an earlier process has kept is found too", async () => {
  const store = new MemoryStore();
  const before = new History(store.history, keepingLogger());
  before.record("orders", entry("1"), handledEnd, 1);
  await before.close();
  const history = new History(store.history, keepingLogger());
  history.record("orders", entry("1"), { how: "duplicate", reason: "again" }, 2);
  expect((await history.find("1")).map(({ end }) => end)).toEqual(["duplicate", "handled"]);
});

test("a store that fails is said once, delays nothing, and its history is kept again afterwards", async () => {
  const store = new MemoryStore();
  const logger = keepingLogger();
  const history = new History(store.history, logger);
  store.trouble = "disk full";
  for (let number = 0; number < 3; number++) {
    history.record("orders", entry(String(number)), { how: "dropped", reason: "" }, number);
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(logger.lines).toMatchObject([{ level: "warn", fields: { reason: "disk full" } }]);
  store.trouble = undefined;
  history.record("orders", entry("3"), { how: "dropped", reason: "" }, 3);
  await vi.advanceTimersByTimeAsync(500);
  expect(store.records.map(({ eventId }) => eventId)).toEqual(["3"]);
});

test("a store that hangs makes neither memory grow nor the end late", async () => {
  const store = new MemoryStore();
  const logger = keepingLogger();
  const appended: number[] = [];
  const hanging = {
    ...store.history,
    append: (records: readonly unknown[]) => {
      appended.push(records.length);
      return new Promise<void>(() => undefined);
    },
  };
  const history = new History(hanging, logger);
  const failed = (one: Entry) => one.note("refused", "no");
  for (let number = 0; number < 20_000; number++)
    history.record("orders", entry(String(number), failed), handledEnd, number);
  expect(appended).toEqual([500]);
  const closed = history.close();
  await vi.advanceTimersByTimeAsync(2000);
  await closed;
  expect(appended).toEqual([500]);
});

test("of many attempts the last 100 are kept, and of a long answer its beginning", async () => {
  const history = new History(undefined, keepingLogger());
  const one = entry("1", (each) => {
    for (let number = 0; number < 150; number++)
      each.note("refused", `${number} ${"x".repeat(5000)}`);
  });
  history.record("orders", one, { how: "returned", reason: "" }, 1);
  const [record] = await history.find("1");
  expect(record?.attempts).toHaveLength(100);
  expect(record?.attempts[0]?.answer).toMatch(/^50 x/);
  expect(record?.attempts[0]?.answer).toHaveLength(1000);
});
