import { expect, test } from "vitest";
import type { HistoryRecord } from "../../src/store/records.ts";
import { defaultRetention } from "../../src/store/store.ts";
import { openStore, temporaryFolder } from "./opened-store.ts";

function record(parts: Partial<HistoryRecord> = {}): HistoryRecord {
  return {
    component: "orders",
    eventId: "e1",
    source: "topic/0",
    receivedAt: 1000,
    attempts: [{ at: 1001, took: 7, outcome: "refused", answer: "no\0\ud800" }],
    renewals: [1500],
    traceId: "0af7651916cd43dd8448eb211c80319c",
    end: "dead letter",
    endedAt: Date.now(),
    reason: "the app answered 500",
    deadLetter: "an id",
    ...parts,
  };
}

test("what became of an event is found, newest first, also by a later process", async () => {
  const folder = temporaryFolder();
  const first = openStore({ folder });
  const [one, two, three] = [
    record(),
    record({ end: "handled", reason: "", deadLetter: undefined }),
    record({ component: "returns" }),
  ];
  await first.history.append([one, record({ eventId: "other" })]);
  await first.history.append([two, three]);
  expect(await first.history.find("e1", undefined)).toEqual([three, two, one]);
  await first.close();
  const later = openStore({ folder });
  expect(await later.history.find("e1", "orders")).toEqual([two, one]);
  expect(await later.history.find("e2", undefined)).toEqual([]);
});

test("events are found by their trace id too, those without one by none", async () => {
  const store = openStore({ folder: ":memory:" });
  const traceId = "a".repeat(32);
  const [nameless, named, other] = [
    record({ eventId: "", traceId, component: "readings" }),
    record({ traceId }),
    record({ eventId: "", traceId: "" }),
  ];
  const last = record();
  await store.history.append([nameless, named, other, last]);
  expect(await store.history.find(traceId, undefined)).toEqual([named, nameless]);
  expect(await store.history.find(traceId, "readings")).toEqual([nameless]);
  expect(await store.history.find("e1", undefined)).toEqual([last, named]);
});

test("at most 100 are told", async () => {
  const store = openStore({ folder: ":memory:" });
  await store.history.append(Array.from({ length: 120 }, (_, at) => record({ receivedAt: at })));
  const found = await store.history.find("e1", undefined);
  expect(found.map(({ receivedAt }) => receivedAt)).toEqual(
    Array.from({ length: 100 }, (_, index) => 119 - index),
  );
});

test("the oldest give way to what comes", async () => {
  const retention = { ...defaultRetention, history: { age: 10 ** 9, count: 3 } };
  const store = openStore({ folder: ":memory:", retention });
  for (let at = 0; at < 5; at++) await store.history.append([record({ receivedAt: at })]);
  const found = await store.history.find("e1", undefined);
  expect(found.map(({ receivedAt }) => receivedAt)).toEqual([4, 3, 2]);
});

test("that it cannot be kept is no trouble for what must be", async () => {
  const store = openStore({ folder: temporaryFolder(), maxPages: 30 });
  const large = record({ reason: "x".repeat(200_000) });
  await expect(store.history.append([large])).rejects.toThrow("history.db");
  expect(store.trouble).toBeUndefined();
});
