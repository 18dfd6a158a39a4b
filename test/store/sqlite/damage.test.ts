import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore, temporaryFolder } from "../opened-store.ts";
import { attempt, deadLetter } from "../records.ts";

test("a file that is no database any more is kept, and another begun", async () => {
  const folder = temporaryFolder();
  await fill(folder, 10);
  overwrite(folder, 0, 100);
  const damaged = readFileSync(join(folder, "records.db"));
  const store = openStore({ folder });
  const kept = deadLetter();
  expect(await store.deadLetters.put(kept, "f")).toBe(kept.id);
  expect(store.trouble).toBeUndefined();
  const [name = "", ...others] = readdirSync(folder).filter((one) => one.includes("corrupt"));
  expect(others).toEqual([]);
  expect(name).toMatch(/^records\.db\.corrupt-\d{8}T\d{6}Z$/);
  expect(readFileSync(join(folder, name)).equals(damaged)).toBe(true);
  expect(store.log).toEqual([expect.stringMatching(new RegExp(`^error: .*${name}`))]);
  expect(store.log[0]).toContain("0 of its records could be read");
  expect((await store.deadLetters.list({}, { limit: 100 })).map(({ id }) => id)).toEqual([kept.id]);
});

test("of a file with a damaged middle all the rest is there in the new one", async () => {
  const folder = temporaryFolder();
  const ids = await fill(folder, 200);
  const middle = Math.floor(statSync(join(folder, "records.db")).size / 2 / 4096) * 4096;
  overwrite(folder, middle, 3 * 4096);
  const store = openStore({ folder });
  const listed = await store.deadLetters.list({}, { limit: 1000 });
  const there = listed.map(({ id }) => id).filter((id) => ids.includes(id));
  expect(there.length).toBeGreaterThan(150);
  expect(there).toContain(ids[0]);
  expect(there).toContain(ids.at(-1));
  for (const { id, event } of listed)
    expect(Buffer.from(event.data!)).toEqual(Buffer.alloc(3000, id));
  expect(await store.attempts.load("orders")).not.toEqual([]);
  expect(readdirSync(folder).some((name) => name.includes("corrupt"))).toBe(true);
  expect(store.log).toEqual([expect.stringMatching(/\d+ of its records could be read.*kept as/)]);
  await store.deadLetters.put(deadLetter(), "f");
});

test("a damaged history leaves dead letters alone", async () => {
  const folder = temporaryFolder();
  const ids = await fill(folder, 3);
  overwrite(folder, 0, 100, "history.db");
  const store = openStore({ folder });
  expect(await store.history.find("e", undefined)).toEqual([]);
  expect(store.trouble).toBeUndefined();
  const listed = await store.deadLetters.list({}, { limit: 10 });
  expect(listed.map(({ id }) => id)).toEqual(ids);
});

async function fill(folder: string, count: number): Promise<string[]> {
  const store = openStore({ folder });
  const ids: string[] = [];
  for (let number = 0; number < count; number++) {
    const one = deadLetter();
    const event = { ...one.event, data: Buffer.alloc(3000, one.id) };
    ids.push(await store.deadLetters.put({ ...one, event }, "f"));
  }
  await store.attempts.begin("orders", attempt());
  await store.history.append([
    {
      component: "orders",
      eventId: "e",
      source: "",
      receivedAt: 1,
      attempts: [],
      renewals: [],
      traceId: "",
      end: "handled",
      endedAt: Date.now(),
      reason: "",
      deadLetter: undefined,
    },
  ]);
  await store.close();
  return ids;
}

function overwrite(folder: string, at: number, length: number, name = "records.db"): void {
  const file = openSync(join(folder, name), "r+");
  writeSync(file, Buffer.alloc(length, 0x5a), 0, length, at);
  closeSync(file);
}
