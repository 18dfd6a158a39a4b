import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ComponentStatus } from "../../../src/runtime/status.ts";
import { ComponentFeed, type ComponentChanges } from "../../../src/runtime/watch/component-feed.ts";
import { Sampler } from "../../../src/runtime/watch/sampler.ts";
import { statusOf } from "./status.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A feed of components that the test changes. */
function feedOf(...names: string[]) {
  const world = {
    statuses: names.map((name) => statusOf(name)),
    ...{ looked: 0, revision: 1, counted: 0, trouble: undefined as string | undefined },
    letters: new Map<string, number>(),
    set(name: string, said: Partial<ComponentStatus>) {
      world.statuses = world.statuses.map((one) => (one.name === name ? { ...one, ...said } : one));
    },
  };
  const components = (): ComponentStatus[] => {
    world.looked++;
    return structuredClone(world.statuses);
  };
  const sampler = new Sampler(components);
  const feed = new ComponentFeed({
    ...{ components, sampler, revision: () => world.revision },
    store: {
      get trouble() {
        return world.trouble;
      },
    },
    async totals() {
      world.counted++;
      return [...world.letters].map(([component, count]) => ({
        ...{ component, count, bytes: 1, oldest: 1 },
      }));
    },
  });
  return { world, feed };
}

const tick = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1000);
const told = (changes: ComponentChanges | undefined): unknown =>
  changes && [
    changes.complete,
    changes.components.map(({ name }) => name),
    changes.removed,
    Object.fromEntries(changes.deadLetters),
  ];

test("everything first, then what has changed, and nothing where nothing has", async () => {
  const { world, feed } = feedOf("a", "b");
  world.letters.set("b", 2);
  using watch = feed.watch({ samples: false });
  expect(told(await watch.begin())).toEqual([true, ["a", "b"], [], { b: 2 }]);
  await tick();
  expect(watch.next()).toBeUndefined();
  world.set("b", { state: "stalled", reason: "no disk" });
  await tick();
  expect(told(watch.next())).toEqual([false, ["b"], [], {}]);
  world.statuses = world.statuses.slice(1);
  world.trouble = "disk full";
  await tick();
  const changes = watch.next();
  expect(told(changes)).toEqual([false, [], ["a"], {}]);
  expect(changes).toMatchObject({ storeTrouble: "disk full", revision: 1 });
});

test("dead letters are counted when one more is there, else every ten seconds; 0: none any more", async () => {
  const { world, feed } = feedOf("a");
  world.letters.set("a", 1);
  using watch = feed.watch({ samples: false });
  await watch.begin();
  world.letters.clear();
  const none = { "dead letter": 0, output: 0, dropped: 0, returned: 0, duplicate: 0 };
  world.set("a", { endedOtherwise: { ...none, "dead letter": 1 } });
  await tick();
  watch.next();
  await tick();
  expect(told(watch.next())).toEqual([false, [], [], { a: 0 }]);
  expect(world.counted).toBe(2);
  for (let second = 0; second < 11; second++) {
    await tick();
    watch.next();
  }
  expect(world.counted).toBe(3);
});

test("many watchers share one look, each is told what it has not heard, and a late one the newest", async () => {
  const { world, feed } = feedOf("a", "b");
  const watches = Array.from({ length: 50 }, () => feed.watch({ samples: false }));
  for (const watch of watches) await watch.begin();
  const before = world.looked;
  for (let change = 1; change <= 10; change++) {
    world.set("a", { handled: change });
    await tick();
    // The last one does not read.
    for (const watch of watches.slice(1))
      expect(watch.next()?.components.map(({ handled }) => handled)).toEqual([change]);
  }
  expect(world.looked - before).toBeLessThanOrEqual(12);
  expect(watches[0]?.next()?.components.map(({ handled }) => handled)).toEqual([10]);
  for (const watch of watches) watch[Symbol.dispose]();
});

test("who has missed more names than are remembered is told everything again", async () => {
  const { world, feed } = feedOf("a");
  using slow = feed.watch({ samples: false });
  await slow.begin();
  using watch = feed.watch({ samples: false });
  await watch.begin();
  world.statuses = Array.from({ length: 1_500 }, (_, index) => statusOf(`n${index}`));
  await tick();
  expect(watch.next()?.removed).toEqual(["a"]);
  world.statuses = [statusOf("z")];
  await tick();
  expect(watch.next()?.removed.length).toBeLessThanOrEqual(1_000);
  expect(told(slow.next())).toEqual([true, ["z"], [], {}]);
});

test("without a watcher nothing is looked at, and the next one is told everything", async () => {
  const { world, feed } = feedOf();
  const watch = feed.watch({ samples: false });
  expect(told(await watch.begin())).toEqual([true, [], [], {}]);
  await tick();
  expect(watch.next()).toBeUndefined();
  watch[Symbol.dispose]();
  const before = world.looked;
  await vi.advanceTimersByTimeAsync(3_000);
  expect(world.looked).toBe(before);
  world.statuses = [statusOf("a")];
  using next = feed.watch({ samples: false });
  expect(told(await next.begin())).toEqual([true, ["a"], [], {}]);
});

test("samples come once: those of the last minutes to who wants them, then the newest of who does something", async () => {
  const { world, feed } = feedOf("a", "b");
  using first = feed.watch({ samples: false });
  expect((await first.begin())?.samples.size).toBe(0);
  world.set("a", { attempts: 5, attemptTime: 10 });
  await vi.advanceTimersByTimeAsync(10_000);
  const changes = first.next();
  expect(changes?.samples.get("a")?.map(({ attempts }) => attempts)).toEqual([5, 0]);
  expect(changes?.samples.has("b")).toBe(false);
  using second = feed.watch({ samples: true });
  expect((await second.begin())?.samples.get("a")).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(5_000);
  // It tells at least that time passes.
  expect(second.next()).toMatchObject({ complete: false, components: [] });
});
