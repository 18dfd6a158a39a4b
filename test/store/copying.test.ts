import { describe, expect, test } from "vitest";
import { copyRecords } from "../../src/store/copying.ts";
import type { HistoryRecord } from "../../src/store/records.ts";
import { describeWith } from "../servers/describe-with.ts";
import { natsEngine, sqliteEngine, type OpenedStore, type StoreEngine } from "./engines.ts";
import { attempt, deadLetter } from "./records.ts";

const hour = 3_600_000;
const pause = { by: "ada", reason: "grün", since: 1_764_150_000_123 };

const record: HistoryRecord = {
  ...{ component: "orders", eventId: "e", source: "s", receivedAt: 1, attempts: [], renewals: [] },
  ...{ traceId: "a".repeat(32), end: "dropped", endedAt: Date.now(), reason: "no" },
  deadLetter: undefined,
};

const letters = [
  deadLetter({
    identity: "one",
    storedAt: Date.now() - 1000,
    event: { data: Buffer.alloc(2 ** 21, "x") },
  }),
  deadLetter({ identity: "two", edited: true, redrives: 2 }),
];

async function fill(store: OpenedStore): Promise<void> {
  for (const one of letters) await store.deadLetters.put(one, `of ${one.identity}`);
  await store.attempts.begin("orders", attempt({ identity: "three" }));
  store.attempts.told("orders", "two", "of two");
  await store.checkpoints.put("feed", "p", { fingerprint: "f", position: "7" });
  await store.pauses.put("orders", pause);
  await store.claims.claim("mail", "begun", "f", hour);
  await store.claims.complete("mail", "done", "g", Buffer.from("result"), hour);
  await store.history.append([record, { ...record, eventId: "", endedAt: record.endedAt + 1 }]);
}

async function expectAll(store: OpenedStore): Promise<void> {
  const listed = await store.deadLetters.list({}, { limit: 10 });
  expect(listed.map(({ id, storedAt, size }) => [id, storedAt, size])).toEqual(
    letters.map((one) => [one.id, one.storedAt, one.event.data?.length]),
  );
  expect(await store.deadLetters.get(letters[1]?.id ?? "")).toMatchObject({
    ...{ edited: true, redrives: 2, fingerprint: "of two" },
  });
  const counts = await store.attempts.load("orders");
  const told = { identity: "two", deadLettered: true, told: true };
  expect(counts).toContainEqual(expect.objectContaining(told));
  expect(counts.find(({ identity }) => identity === "one")?.told).toBeUndefined();
  expect(counts).toContainEqual(attempt({ identity: "three" }));
  expect(await store.checkpoints.load("feed", "p")).toEqual({ fingerprint: "f", position: "7" });
  expect(await store.pauses.load("orders")).toEqual(pause);
  expect(await store.claims.claim("mail", "begun", "x", hour)).toMatchObject({
    ...{ state: "busy", ours: false, fingerprint: "f" },
  });
  expect(await store.claims.claim("mail", "done", "x", hour)).toEqual({
    ...{ state: "done", fingerprint: "g", result: new Uint8Array(Buffer.from("result")) },
  });
  expect(await store.history.find(record.traceId, undefined)).toHaveLength(2);
}

function between(title: string, source: StoreEngine, target: StoreEngine): void {
  test(`all records come over ${title}, once, and what is there stays`, async () => {
    const from = source.open(source.place());
    const to = target.open(target.place());
    await fill(from);
    const counts = await copyRecords(from.copying, to.copying);
    expect(counts).toEqual({
      attempt: { copied: 3, present: 0, "left out": 0 },
      checkpoint: { copied: 1, present: 0, "left out": 0 },
      pause: { copied: 1, present: 0, "left out": 0 },
      claim: { copied: 2, present: 0, "left out": 0 },
      "dead letter": { copied: 2, present: 0, "left out": 0 },
      history: { copied: 2, present: 0, "left out": 0 },
    });
    await expectAll(to);
    // It goes on there, and is copied again.
    await to.checkpoints.put("feed", "p", { fingerprint: "f", position: "8" });
    const again = await copyRecords(from.copying, to.copying);
    const copied = Object.values(again).map((one) => one.copied);
    expect(copied).toEqual([0, 0, 0, 0, 0, 0]);
    expect(await to.checkpoints.load("feed", "p")).toMatchObject({ position: "8" });
    expect(await from.deadLetters.list({}, { limit: 10 })).toHaveLength(2);
  });
}

describeWith("nats", ({ url }) => {
  const nats = natsEngine(url);
  describe("between two engines", () => {
    between("from SQLite to NATS", sqliteEngine, nats);
    between("from NATS to SQLite", nats, sqliteEngine);
  });
});
