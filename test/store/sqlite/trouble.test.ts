import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { BindingError } from "../../../src/errors.ts";
import { until } from "../../until.ts";
import { openStore, startWriting, temporaryFolder } from "../opened-store.ts";
import { attempt, deadLetter } from "../records.ts";

test("a full disk refuses what has no room, keeps what it has, and is well again once there is room", async () => {
  const folder = temporaryFolder();
  const store = openStore({ folder, maxPages: 100 });
  const ids: string[] = [];
  const fill = async (): Promise<BindingError> => {
    for (;;) {
      try {
        const large = deadLetter({ event: { data: Buffer.alloc(20_000) } });
        ids.push(await store.deadLetters.put(large, "f"));
      } catch (error) {
        if (error instanceof BindingError) return error;
        throw error;
      }
    }
  };
  const error = await fill();
  expect(error).toMatchObject({
    reason: "unavailable",
    effect: "unsent",
    systemCode: "SQLITE_FULL",
  });
  expect(error.message).toContain(join(folder, "records.db"));
  expect(error.message).toContain("make room");
  expect(store.trouble).toBe(error.message);
  const listed = await store.deadLetters.list({}, { limit: 1000 });
  expect(listed.map(({ id }) => id)).toEqual(ids);

  expect(await store.deadLetters.remove(ids.slice(0, 3))).toBe(3);
  expect(store.trouble).toBeUndefined();
  await store.deadLetters.put(deadLetter(), "f");
  expect(store.log).toEqual([`error: ${error.message}`, "info: the store can be written again"]);
});

test("a large dead letter that finds no room leaves that to a small one beside it", async () => {
  const store = openStore({ folder: temporaryFolder(), maxPages: 100 });
  const large = store.deadLetters.put(deadLetter({ event: { data: Buffer.alloc(10 ** 6) } }), "f");
  const small = deadLetter();
  const stored = store.deadLetters.put(small, "f");
  await expect(large).rejects.toThrow("the disk is full");
  expect(await stored).toBe(small.id);
});

test("a process that may write no larger files says so, and what it stored is there", async () => {
  const folder = temporaryFolder();
  // In units of 512 bytes.
  const writing = startWriting(folder, { count: 2000, shell: "ulimit -f 1000" });
  await writing.ended;
  expect(writing.child.exitCode).toBe(0);
  expect(writing.stored().length).toBeGreaterThan(50);
  expect(writing.failed().length).toBeGreaterThan(50);
  for (const message of new Set(writing.failed())) {
    expect(message).toMatch(/cannot (use|write) the store .*records\.db: the disk/);
  }
  const store = openStore({ folder });
  const listed = await store.deadLetters.list({}, { limit: 10_000, maxData: 0 });
  const there = new Set(listed.map(({ id }) => id));
  expect(writing.stored().filter((id) => !there.has(id))).toEqual([]);
});

test("a folder that may not be written is named", async () => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o555);
  // Nobody, as root may write everywhere.
  const uid = process.getuid?.() === 0 ? 65_534 : undefined;
  const writing = startWriting(join(folder, "orders"), { count: 2, ...(uid && { uid }) });
  await writing.ended;
  chmodSync(folder, 0o755);
  expect(writing.stored()).toEqual([]);
  expect(writing.failed()).toEqual([
    expect.stringMatching(/cannot write the store .*orders.*not permitted.*EACCES.*--state-dir/),
    expect.stringContaining("EACCES"),
  ]);
});

test("a file that may not be written is left alone, and read once it may", async () => {
  const folder = temporaryFolder();
  const uid = process.getuid?.() === 0 ? 65_534 : undefined;
  chmodSync(folder, 0o777);
  const first = startWriting(folder, { count: 1, ...(uid && { uid }) });
  await first.ended;
  chmodSync(join(folder, "records.db"), 0o444);
  const second = startWriting(folder, { count: 1, ...(uid && { uid }) });
  await second.ended;
  expect(second.failed()).toEqual([expect.stringMatching(/records\.db: not permitted.*EACCES/)]);
  chmodSync(join(folder, "records.db"), 0o644);
  const there = await openStore({ folder }).deadLetters.list({}, { limit: 10 });
  expect(there.map(({ id }) => id)).toEqual(first.stored());
});

test("a place that is no folder is trouble, until it is one", async () => {
  const folder = join(temporaryFolder(), "orders");
  writeFileSync(folder, "");
  const store = openStore({ folder });
  await expect(store.attempts.begin("orders", attempt())).rejects.toThrow(folder);
  expect(store.trouble).toContain(folder);
  rmSync(folder);
  await until(() => store.trouble === undefined, { what: "the store to be well by itself" });
  await store.attempts.begin("orders", attempt());
});

test("a store without a place refuses to write, and says which flag is missing", async () => {
  const store = openStore({ folder: undefined });
  expect(store.trouble).toContain("--state-dir");
  await expect(store.deadLetters.put(deadLetter(), "f")).rejects.toThrow("--state-dir");
  await expect(store.claims.claim("s", "k", "f", 1000)).rejects.toThrow("--state-dir");
  expect(await store.deadLetters.list({}, { limit: 10 })).toEqual([]);
});

test("a file of a newer version is left as it is", async () => {
  const folder = temporaryFolder();
  const newer = new DatabaseSync(join(folder, "records.db"));
  newer.exec("CREATE TABLE of_the_future (x); PRAGMA user_version = 999");
  newer.close();
  const store = openStore({ folder });
  await expect(store.deadLetters.put(deadLetter(), "f")).rejects.toThrow(/a newer Cufflink.*999/);
  expect(store.trouble).toContain("a newer Cufflink");
  await store.close();
  const after = new DatabaseSync(join(folder, "records.db"));
  expect(after.prepare("SELECT name FROM sqlite_schema").all()).toEqual([
    { name: "of_the_future" },
  ]);
  after.close();
});

test("files that somebody removes are made anew, and it is said", async () => {
  const parent = temporaryFolder();
  const folder = join(parent, "orders");
  const store = openStore({ folder });
  await store.attempts.begin("orders", attempt({ identity: "before" }));
  rmSync(folder, { recursive: true });
  await store.attempts.begin("orders", attempt({ identity: "after" }));
  expect(store.log).toEqual([expect.stringContaining("it was removed")]);
  await store.close();
  expect(await openStore({ folder }).attempts.load("orders")).toMatchObject([
    { identity: "after" },
  ]);
});

test("nothing is made before there is something to keep", async () => {
  const folder = join(temporaryFolder(), "orders");
  const store = openStore({ folder });
  expect(await store.deadLetters.list({}, { limit: 10 })).toEqual([]);
  expect(await store.deadLetters.get("x")).toBeUndefined();
  expect(await store.deadLetters.totals()).toEqual([]);
  expect(await store.deadLetters.remove(["x"])).toBe(0);
  expect(await store.attempts.load("orders")).toEqual([]);
  expect(await store.history.find("x", undefined)).toEqual([]);
  store.attempts.forget("orders", ["x"]);
  await store.close();
  expect(() => readdirSync(folder)).toThrow("ENOENT");
});

test("a closed store refuses, and closing it twice is one closing", async () => {
  const store = openStore({ folder: temporaryFolder() });
  const put = store.deadLetters.put(deadLetter(), "f");
  const closing = store.close();
  await Promise.all([closing, store.close()]);
  expect(await put).toBeTypeOf("string");
  await expect(store.deadLetters.put(deadLetter(), "f")).rejects.toThrow("the store is closed");
});

test("only this user may look into the folder", async () => {
  const folder = join(temporaryFolder(), "a", "orders");
  mkdirSync(join(folder, ".."));
  await openStore({ folder }).attempts.begin("orders", attempt());
  const { statSync } = await import("node:fs");
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});
