import { expect, test } from "vitest";
import * as fc from "fast-check";
import { feedKey, mostKnown, Progress, type FeedItem } from "../../src/feed/progress.ts";
import { ComponentCheckpoints } from "../../src/runtime/component/component-checkpoints.ts";
import { keepingLogger } from "../runtime/source-event.ts";
import { MemoryStore } from "../store/memory-store.ts";

async function open(store: MemoryStore): Promise<Progress> {
  const checkpoints = new ComponentCheckpoints(store.checkpoints, "feed", keepingLogger());
  return new Progress(await checkpoints.open("", "source"));
}

function taken(progress: Progress, key: string): FeedItem {
  const item = progress.take(key);
  if (item === undefined) throw new Error(`${key} is known`);
  return item;
}

test("reading begins anew behind the last mark before which all is handled", async () => {
  const store = new MemoryStore();
  const first = await open(store);
  expect([first.isNew, first.at]).toEqual([true, undefined]);
  const [a, b, c] = ["a", "b"].map((key) => taken(first, key));
  first.mark("1");
  const d = taken(first, "d");
  first.mark("2");
  const e = taken(first, "e");
  for (const item of [a, d, e]) first.handled(item!);
  await first.flush();
  expect(c).toBeUndefined();

  const second = await open(store);
  expect([second.isNew, second.at]).toEqual([false, undefined]);
  // It is read again from the beginning.
  expect(second.take("a")).toBeUndefined();
  second.handled(taken(second, "b"));
  second.mark("1");
  expect(second.at).toBe("1");
  expect(second.take("d")).toBeUndefined();
  second.mark("2");
  await second.flush();

  const third = await open(store);
  expect(third.at).toBe("2");
  expect(third.take("e")).toBeUndefined();
  expect(third.take("f")).toBeDefined();
  expect(b).toBeDefined();
});

test("what was returned is taken again, with the marks behind it", async () => {
  const progress = await open(new MemoryStore());
  const a = taken(progress, "a");
  progress.mark("1");
  progress.handled(taken(progress, "b"));
  progress.mark("2");
  progress.returned(a);
  progress.rewind();
  expect(progress.at).toBeUndefined();
  progress.handled(taken(progress, "a"));
  expect(progress.at).toBeUndefined();
  progress.mark("1");
  expect(progress.at).toBe("1");
  expect(progress.take("b")).toBeDefined();
});

test("nothing is stored before the beginning is known", async () => {
  const store = new MemoryStore();
  const progress = await open(store);
  progress.holdsBack = true;
  progress.skip("a");
  await progress.flush();
  expect(store.kept.size).toBe(0);
  progress.begun();
  await progress.flush();
  expect((await open(store)).take("a")).toBeUndefined();
});

test("what has gone from the source is forgotten", async () => {
  const store = new MemoryStore();
  const first = await open(store);
  for (const key of ["a", "b", "c"]) first.handled(taken(first, key));
  taken(first, "with the app");
  first.keepOnly(new Set(["b"]));
  expect(first.size).toBe(2);
  await first.flush();
  const second = await open(store);
  second.keepOnly(new Set());
  expect(second.size).toBe(0);
});

test("a reader waits while too many events are known", async () => {
  const progress = await open(new MemoryStore());
  const first = taken(progress, "first");
  progress.mark("0");
  for (let n = 1; n < mostKnown; n++) {
    progress.handled(taken(progress, String(n)));
    progress.mark(String(n));
  }
  let hasRoom = false;
  const waiting = progress.hasRoom().then(() => (hasRoom = true));
  await new Promise(setImmediate);
  expect(hasRoom).toBe(false);
  progress.handled(first);
  await waiting;
  expect(progress.size).toBe(0);
});

test("a reader does not wait for room that only reading anew makes", async () => {
  const progress = await open(new MemoryStore());
  const [first, ...others] = Array.from({ length: mostKnown }, (_, n) => {
    const item = taken(progress, String(n));
    progress.mark(String(n));
    return item;
  });
  const waiting = progress.hasRoom();
  for (const item of others) progress.handled(item);
  progress.returned(first!);
  expect(await waiting).toBe(false);
  progress.rewind();
  progress.handled(taken(progress, "0"));
  for (let n = 0; n < mostKnown; n++) progress.mark(String(n));
  expect(await progress.hasRoom()).toBe(true);
});

test("keys tell all parts apart", () => {
  const keys = [
    ["a", "b"],
    ["ab", ""],
    ["", "ab"],
    ["a", "b", ""],
    ["a,b"],
    ["\ud800"],
    ["\udc00"],
  ];
  expect(new Set(keys.slice(0, 5).map((parts) => feedKey(...parts))).size).toBe(5);
  for (const parts of keys) expect(feedKey(...parts)).toMatch(/^[\w-]{16}$/);
});

test("whatever order events are handled in, and wherever it restarts, each is handled once", async () => {
  const scenario = fc.record({
    pages: fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }),
    turns: fc.array(fc.record({ handled: fc.nat(3), restart: fc.boolean(), pick: fc.nat() }), {
      maxLength: 60,
    }),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ pages, turns }) => {
      const store = new MemoryStore();
      const done = new Map<string, number>();
      let progress = await open(store);
      const out: { key: string; item: FeedItem }[] = [];
      const readOn = (): void => {
        const from = progress.at === undefined ? 0 : Number(progress.at);
        for (const [page, items] of pages.entries()) {
          if (page < from) continue;
          for (let n = 0; n < items; n++) {
            const key = feedKey(String(page), String(n));
            const item = progress.take(key);
            if (item !== undefined) out.push({ key, item });
          }
          progress.mark(String(page + 1));
        }
      };
      readOn();
      const handleOne = (pick: number): void => {
        const [one] = out.splice(pick % out.length, 1);
        if (one === undefined) return;
        done.set(one.key, (done.get(one.key) ?? 0) + 1);
        progress.handled(one.item);
      };
      for (const { handled, restart, pick } of turns) {
        for (let n = 0; n < handled && out.length > 0; n++) handleOne(pick);
        if (!restart) continue;
        await progress.flush();
        out.length = 0;
        progress = await open(store);
        readOn();
      }
      while (out.length > 0) handleOne(0);
      const total = pages.reduce((sum, items) => sum + items, 0);
      expect(done.size).toBe(total);
      expect([...done.values()].every((times) => times === 1)).toBe(true);
    }),
    { numRuns: 100 },
  );
});
