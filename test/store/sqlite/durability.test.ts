import { expect, test } from "vitest";
import type { Store } from "../../../src/store/store.ts";
import { until } from "../../until.ts";
import { openStore, startWriting, temporaryFolder } from "../opened-store.ts";
import { attempt } from "../records.ts";

test("every dead letter that was said to be safe is there after a SIGKILL, and again after another", async () => {
  const folder = temporaryFolder();
  const safe: string[] = [];
  for (const enough of [1, 300, 100]) {
    const writing = startWriting(folder);
    await until(() => writing.stored().length >= enough, { what: "dead letters", within: 25_000 });
    writing.child.kill("SIGKILL");
    await writing.ended;
    safe.push(...writing.stored());
    expect(writing.failed()).toEqual([]);
    const store = openStore({ folder });
    const there = await everyId(store);
    expect(safe.filter((id) => !there.has(id))).toEqual([]);
    // What was not answered may be there, at most what was under way.
    expect(there.size).toBeLessThanOrEqual(safe.length + 16 * 3);
    expect(store.log).toEqual([]);
    await store.close();
  }
}, 60_000);

test("a store that has nothing to do keeps no process alive, and loses nothing by that", async () => {
  const folder = temporaryFolder();
  // A flag that Node refuses for threads.
  const writing = startWriting(folder, { count: 20, flags: ["--expose-gc"] });
  await writing.ended;
  expect(writing.child.exitCode).toBe(0);
  expect(writing.stored()).toHaveLength(20);
  expect(await everyId(openStore({ folder }))).toEqual(new Set(writing.stored()));
});

test("what is there says so to a second process, by the first one's id, until that is gone", async () => {
  const folder = temporaryFolder();
  const writing = startWriting(folder);
  await until(() => writing.stored().length > 0, { what: "a dead letter" });
  const store = openStore({ folder });
  const refused = `process ${writing.child.pid} uses it`;
  await expect(store.deadLetters.totals()).rejects.toThrow(refused);
  expect(store.trouble).toContain(refused);
  expect(store.trouble).toContain("--state-dir");
  writing.child.kill("SIGKILL");
  await writing.ended;
  // By itself, without anybody asking for it.
  await until(() => store.trouble === undefined, { what: "the store to be had" });
  expect(await everyId(store)).toEqual(expect.objectContaining({ size: expect.any(Number) }));
  expect(store.log).toEqual([
    expect.stringContaining(refused),
    "info: the store can be written again",
  ]);
});

test("two stores of one process do not share a folder either", async () => {
  const folder = temporaryFolder();
  const first = openStore({ folder });
  await first.attempts.begin("orders", attempt());
  const second = openStore({ folder });
  await expect(second.attempts.load("orders")).rejects.toThrow("this very process uses it");
  await first.close();
  await until(() => second.trouble === undefined, { what: "the folder to be free" });
  expect(await second.attempts.load("orders")).toEqual([attempt()]);
});

/** Page by page. */
async function everyId(store: Store): Promise<Set<string>> {
  const ids = new Set<string>();
  let after: string | undefined;
  for (;;) {
    const page = await store.deadLetters.list({}, { limit: 1000, after, maxData: 0 });
    if (page.length === 0) return ids;
    for (const { id } of page) ids.add(id);
    after = page.at(-1)?.id;
  }
}
