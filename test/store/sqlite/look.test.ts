import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { mountSmallDisk } from "../../faults/small-disk.ts";
import { StoreThread } from "../../../src/store/sqlite/store-thread.ts";
import { defaultRetention } from "../../../src/store/store.ts";
import { until } from "../../until.ts";
import { openStore, temporaryFolder } from "../opened-store.ts";
import { deadLetter } from "../records.ts";

test("a look makes nothing, and says nothing where all is well", async () => {
  const folder = join(temporaryFolder(), "cufflink/orders");
  const store = openStore({ folder });
  await store.look();
  expect(store.trouble).toBeUndefined();
  expect(store.log).toEqual([]);
  expect(existsSync(folder)).toBe(false);
  await store.deadLetters.put(deadLetter(), "f");
});

test("without a place for it, one line says so", async () => {
  const store = openStore({ folder: undefined });
  await store.look();
  expect(store.trouble).toContain("neither XDG_STATE_HOME nor HOME is set; say --state-dir FOLDER");
  expect(store.log).toEqual([`error: ${store.trouble}`]);
});

test("a folder that another has is told before there is something to keep, and when it is free", async () => {
  const folder = temporaryFolder();
  const first = openStore({ folder });
  await first.deadLetters.put(deadLetter(), "f");
  const second = openStore({ folder });
  await second.look();
  expect(second.trouble).toMatch(/cannot use the store .*: this very process uses it; end that/);
  expect(second.log).toEqual([`error: ${second.trouble}`]);
  await first.close();
  await until(() => second.trouble === undefined, { what: "the store to be free", within: 10_000 });
  expect(second.log.slice(1)).toEqual(["info: the store can be written again"]);
});

test("a file where the folder should be", async () => {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "");
  const store = openStore({ folder: join(file, "orders") });
  await store.look();
  expect(store.log).toEqual([expect.stringMatching(/^error: cannot use the store .*ENOTDIR/)]);
});

test("a read-only disk is told as one, at a look and at a write", async ({ skip }) => {
  const mount = temporaryFolder();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", mount], { stdio: "ignore" });
  } catch {
    return skip("this process may mount nothing");
  }
  onTestFinished(() => void execFileSync("umount", ["--lazy", mount]));
  const store = openStore({ folder: join(mount, "cufflink/orders") });
  await store.look();
  expect(store.trouble).toMatch(
    /cannot write the store .*: the disk is read-only \(EROFS: read-only file system/,
  );
  await expect(store.deadLetters.put(deadLetter(), "f")).rejects.toThrow(store.trouble);
  // The same thing is told once.
  expect(store.log).toEqual([`error: ${store.trouble}`]);
});

test("a full disk is told as one", async ({ skip }) => {
  const mount = temporaryFolder();
  await using disk = await mountSmallDisk(mount);
  if (disk === undefined) return skip("this process may mount nothing");
  await disk.fill();
  const store = openStore({ folder: join(mount, "orders") });
  await store.look();
  expect(store.log).toEqual([
    expect.stringMatching(/^error: cannot write the store .*: the disk is full .*; make room$/),
  ]);
});

test("pipes in place of the store's files hold nothing up", async () => {
  const folder = temporaryFolder();
  execFileSync("mkfifo", [join(folder, "owner")]);
  const store = openStore({ folder });
  await store.deadLetters.put(deadLetter(), "f");
  const other = openStore({ folder });
  await other.look();
  expect(other.trouble).toContain("another process uses it");

  const broken = join(folder, "broken");
  mkdirSync(broken);
  execFileSync("mkfifo", [join(broken, "lock")]);
  execFileSync("mkfifo", [join(broken, "records.db")]);
  const third = openStore({ folder: broken });
  await third.look();
  expect(third.log).toEqual([expect.stringMatching(/^error: cannot (use|write) the store/)]);
});

test("a store that does not answer is in trouble after ten seconds", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const told: (string | undefined)[] = [];
  const silent = new URL("data:text/javascript,setInterval(() => {}, 1000)");
  const thread = new StoreThread(
    { folder: "/share", retention: defaultRetention, owner: "o" },
    { notice() {}, expired() {}, trouble: (trouble) => told.push(trouble) },
    silent,
  );
  void thread.ask("deadLetterTotals", []).catch(() => {});
  await new Promise((posted) => setImmediate(() => setImmediate(posted)));
  vi.advanceTimersByTime(9_999);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(told).toEqual([expect.stringMatching(/the store in \/share does not answer/)]);
});
