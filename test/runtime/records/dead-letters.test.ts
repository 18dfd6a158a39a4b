import { describe, expect, test, vi } from "vitest";
import type { Answer } from "../../../src/binding.ts";
import { BindingError } from "../../../src/errors.ts";
import { DeadLetterManager, type Selection } from "../../../src/runtime/records/dead-letters.ts";
import type { Redriven } from "../../../src/runtime/delivery/redrive.ts";
import type { RedriveProgress, RedriveResult } from "../../../src/runtime/records/redrive-run.ts";
import type { Invocation } from "../../../src/runtime/outputs/invocation.ts";
import type { RuntimeLogger } from "../../../src/runtime/runtime-logger.ts";
import type { DeadLetter } from "../../../src/store/records.ts";
import { until } from "../../until.ts";
import { sampleDeadLetter, FakeDeadLetterStore } from "../stored-dead-letters.ts";

const logger: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const handled: Redriven = { outcome: "handled", reason: "" };
const all: Selection = { filter: {}, all: true };
const never = new AbortController().signal;

function manager(
  store: FakeDeadLetterStore,
  redrive: (deadLetter: DeadLetter) => Promise<Redriven> = async () => handled,
  invoke: (invocation: Invocation) => Promise<Answer | undefined> = async () => undefined,
): DeadLetterManager {
  return new DeadLetterManager({ store, redrive, invoke, logger });
}

async function results(run: AsyncIterable<RedriveProgress>): Promise<RedriveResult[]> {
  const found: RedriveResult[] = [];
  for await (const { result } of run) if (result !== undefined) found.push(result);
  return found;
}

const numbers = (count: number): DeadLetter[] =>
  Array.from({ length: count }, (_, index) => sampleDeadLetter(index + 1));

describe("listing", () => {
  test("pages over all of them, and tells whether there are more", async () => {
    const store = new FakeDeadLetterStore(...numbers(250));
    const options = { maxData: 0, maxBytes: 1e9 };
    const first = await manager(store).list({}, { ...options, limit: 150 });
    expect(first.deadLetters).toHaveLength(150);
    expect(first.more).toBe(true);
    const after = first.deadLetters.at(-1)!.id;
    const second = await manager(store).list({}, { ...options, limit: 150, after });
    expect(second.deadLetters.map(({ event }) => event.id)).toEqual(
      numbers(250)
        .slice(150)
        .map(({ event }) => event.id),
    );
    expect(second.more).toBe(false);
    expect(second.deadLetters[0]).toMatchObject({ size: 9, event: { data: undefined } });
  });

  test("a page ends before it becomes too large, and never without a dead letter", async () => {
    const event = { ...sampleDeadLetter(1).event, data: Buffer.alloc(1000) };
    const store = new FakeDeadLetterStore(
      sampleDeadLetter(1, { event }),
      sampleDeadLetter(2, { event }),
      sampleDeadLetter(3, { event }),
    );
    const options = { limit: 10, maxData: 5000 };
    expect(await manager(store).list({}, { ...options, maxBytes: 3000 })).toMatchObject({
      deadLetters: [{ id: sampleDeadLetter(1).id }, { id: sampleDeadLetter(2).id }],
      more: true,
    });
    expect(await manager(store).list({}, { ...options, maxBytes: 1 })).toMatchObject({
      deadLetters: [{ id: sampleDeadLetter(1).id }],
      more: true,
    });
  });
});

describe("editing", () => {
  test("replaces what is named, takes away what is undefined, and leaves the rest", async () => {
    const store = new FakeDeadLetterStore(sampleDeadLetter(1));
    const edited = await manager(store).edit(sampleDeadLetter(1).id, { data: undefined, key: "k" });
    expect(edited.event).toEqual({ ...sampleDeadLetter(1).event, data: undefined, key: "k" });
    const { fingerprint, ...changed } = edited;
    expect(fingerprint).not.toBe("");
    expect(store.deadLetters.get(sampleDeadLetter(1).id)).toEqual({ ...changed, edited: true });
  });

  test("a key stays text where it was text, since it is another otherwise", async () => {
    const event = { ...sampleDeadLetter(1).event, key: "before" };
    const store = new FakeDeadLetterStore(sampleDeadLetter(1, { event }));
    const edited = await manager(store).edit(sampleDeadLetter(1).id, { key: Buffer.from("after") });
    expect(edited.event.key).toBe("after");
  });

  test("tells of a dead letter that is not there, or is being redriven", async () => {
    const answer = Promise.withResolvers<Redriven>();
    const store = new FakeDeadLetterStore(sampleDeadLetter(1));
    const one = manager(store, () => answer.promise);
    await expect(one.edit("nosuch", { key: "k" })).rejects.toMatchObject({ reason: "not_found" });
    const run = results(one.redrive(all, { signal: never }));
    await until(() => one.isClaimed(sampleDeadLetter(1).id), {
      what: "the dead letter to be claimed",
    });
    await expect(one.edit(sampleDeadLetter(1).id, { key: "k" })).rejects.toMatchObject({
      reason: "aborted",
    });
    answer.resolve(handled);
    await run;
    expect(one.isClaimed(sampleDeadLetter(1).id)).toBe(false);
  });
});

describe("redriving", () => {
  test("removes a dead letter only after it was handled", async () => {
    const store = new FakeDeadLetterStore(...numbers(3));
    const stored: boolean[] = [];
    const one = manager(store, async ({ id, event }) => {
      stored.push(store.deadLetters.has(id));
      return event.id === "orders/0/2" ? { outcome: "refused", reason: "still no" } : handled;
    });
    expect(await results(one.redrive(all, { signal: never }))).toEqual([
      {
        ...{ id: sampleDeadLetter(1).id, component: "orders", eventId: "orders/0/1" },
        ...{ outcome: "handled", reason: "" },
      },
      {
        ...{ id: sampleDeadLetter(2).id, component: "orders", eventId: "orders/0/2" },
        ...{ outcome: "refused", reason: "still no" },
      },
      {
        ...{ id: sampleDeadLetter(3).id, component: "orders", eventId: "orders/0/3" },
        ...{ outcome: "handled", reason: "" },
      },
    ]);
    expect(stored).toEqual([true, true, true]);
    expect([...store.deadLetters.keys()]).toEqual([sampleDeadLetter(2).id]);
    expect(one.counts.get("orders")).toEqual({ handled: 2, refused: 1, dropped: 0, expired: 0 });
  });

  test("says first how many are meant, and at the end what became of them", async () => {
    const progress: RedriveProgress[] = [];
    const one = manager(new FakeDeadLetterStore(...numbers(2)));
    for await (const step of one.redrive(all, { signal: never })) progress.push(step);
    expect(progress.map(({ totals }) => totals.handled)).toEqual([0, 1, 2, 2]);
    expect(progress[0]).toMatchObject({ result: undefined, totals: { matched: 2 } });
    expect(progress.at(-1)?.result).toBeUndefined();
  });

  test("takes what the filter says, each id once, and skips what is not there", async () => {
    const store = new FakeDeadLetterStore(
      sampleDeadLetter(1),
      sampleDeadLetter(2, { component: "mail" }),
      sampleDeadLetter(3),
    );
    const seen: string[] = [];
    const one = manager(store, async ({ component, event }) => {
      seen.push(`${component} ${event.id}`);
      return handled;
    });
    await results(one.redrive({ filter: { component: "mail" }, all: false }, { signal: never }));
    expect(seen).toEqual(["mail orders/0/2"]);
    const ids = [sampleDeadLetter(3).id, "nosuch", sampleDeadLetter(3).id];
    const found = await results(one.redrive({ filter: { ids }, all: false }, { signal: never }));
    expect(found.map(({ outcome }) => outcome).toSorted()).toEqual(["handled", "skipped"]);
    expect([...store.deadLetters.keys()]).toEqual([sampleDeadLetter(1).id]);
  });

  test.each<[string, Selection]>([
    ["nothing", { filter: {}, all: false }],
    ["a filter and all", { filter: { component: "orders" }, all: true }],
  ])("does nothing where %s is said", async (_, selection) => {
    const run = manager(new FakeDeadLetterStore(sampleDeadLetter(1))).redrive(selection, {
      signal: never,
    });
    await expect(run.next()).rejects.toMatchObject({ reason: "invalid_argument" });
    const dropped = manager(new FakeDeadLetterStore(sampleDeadLetter(1))).drop(selection);
    await expect(dropped).rejects.toMatchObject({ reason: "invalid_argument" });
  });

  test.each([0, -1, Number.NaN, Infinity])("refuses a rate of %d", async (rate) => {
    const run = manager(new FakeDeadLetterStore(sampleDeadLetter(1))).redrive(all, {
      rate,
      signal: never,
    });
    await expect(run.next()).rejects.toMatchObject({ reason: "invalid_argument" });
  });

  test("a dead letter is redriven once at a time", async () => {
    const answer = Promise.withResolvers<Redriven>();
    const redrive = vi.fn<(deadLetter: DeadLetter) => Promise<Redriven>>(() => answer.promise);
    const one = manager(new FakeDeadLetterStore(sampleDeadLetter(1)), redrive);
    const first = results(one.redrive(all, { signal: never }));
    await until(() => redrive.mock.calls.length === 1, { what: "the first redrive" });
    const second = await results(one.redrive(all, { signal: never }));
    expect(second).toMatchObject([
      { outcome: "skipped", reason: expect.stringMatching(/already/) as string },
    ]);
    answer.resolve(handled);
    expect(await first).toMatchObject([{ outcome: "handled" }]);
    expect(redrive).toHaveBeenCalledTimes(1);
  });

  test("up to 64 are under way, and no further one begins once the caller is gone", async () => {
    const answer = Promise.withResolvers<Redriven>();
    const store = new FakeDeadLetterStore(...numbers(100));
    let begun = 0;
    const one = manager(store, () => {
      begun++;
      return answer.promise;
    });
    const caller = new AbortController();
    const run = results(one.redrive(all, { signal: caller.signal }));
    await until(() => begun === 64, { what: "64 to be under way" });
    caller.abort();
    answer.resolve(handled);
    expect(await run).toHaveLength(64);
    expect(begun).toBe(64);
    expect(store.deadLetters.size).toBe(36);
  });

  test("who stops listening has what was begun ended all the same", async () => {
    const answer = Promise.withResolvers<Redriven>();
    const store = new FakeDeadLetterStore(sampleDeadLetter(1));
    const one = manager(store, () => answer.promise);
    const run = one.redrive(all, { signal: never });
    await run.next();
    const next = run.next();
    await until(() => one.isClaimed(sampleDeadLetter(1).id), {
      what: "the dead letter to be under way",
    });
    answer.resolve(handled);
    await next;
    await run.return(undefined);
    await until(() => store.deadLetters.size === 0, { what: "the dead letter to be removed" });
  });

  test("those that come meanwhile are not meant", async () => {
    const store = new FakeDeadLetterStore(...numbers(2));
    let next = 3;
    const one = manager(store, async () => {
      await store.put(sampleDeadLetter(next++));
      return handled;
    });
    expect(await results(one.redrive(all, { signal: never }))).toHaveLength(2);
    expect(store.deadLetters.size).toBe(2);
  });

  test("one that was handled and could not be removed is not handled twice", async () => {
    const store = new FakeDeadLetterStore(sampleDeadLetter(1));
    const redrive = vi.fn<(deadLetter: DeadLetter) => Promise<Redriven>>(async () => handled);
    const one = manager(store, redrive);
    store.failing.set("remove", "the disk is full");
    const [first] = await results(one.redrive(all, { signal: never }));
    expect(first).toMatchObject({
      outcome: "handled",
      reason: expect.stringMatching(/still stored.*the disk is full/) as string,
    });
    store.failing.clear();
    expect(await results(one.redrive(all, { signal: never }))).toMatchObject([
      { outcome: "handled", reason: "" },
    ]);
    expect(redrive).toHaveBeenCalledTimes(1);
    expect(store.deadLetters.size).toBe(0);
    expect(one.counts.get("orders")?.handled).toBe(1);
  });

  test("one that was changed since is handled again", async () => {
    const store = new FakeDeadLetterStore(sampleDeadLetter(1));
    const redrive = vi.fn<(deadLetter: DeadLetter) => Promise<Redriven>>(async () => handled);
    const one = manager(store, redrive);
    store.failing.set("remove", "the disk is full");
    await results(one.redrive(all, { signal: never }));
    store.failing.clear();
    await one.edit(sampleDeadLetter(1).id, { data: Buffer.from("better") });
    await results(one.redrive(all, { signal: never }));
    expect(redrive).toHaveBeenCalledTimes(2);
  });

  test("what cannot be tried stays, with the reason", async () => {
    const store = new FakeDeadLetterStore(sampleDeadLetter(1));
    const one = manager(store, async () => {
      throw new BindingError("failed_precondition", "component orders is paused");
    });
    expect(await results(one.redrive(all, { signal: never }))).toMatchObject([
      { outcome: "refused", reason: "component orders is paused" },
    ]);
    store.failing.set("get", "the disk is gone");
    expect(await results(one.redrive(all, { signal: never }))).toMatchObject([
      { outcome: "refused", reason: "the disk is gone" },
    ]);
    expect(store.deadLetters.size).toBe(1);
    expect(one.isClaimed(sampleDeadLetter(1).id)).toBe(false);
  });

  test("begins at the rate that is asked for", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      const seen: string[] = [];
      const one = manager(new FakeDeadLetterStore(...numbers(50)), async ({ id }) => {
        seen.push(id);
        return handled;
      });
      const run = results(one.redrive(all, { rate: 10, signal: never }));
      await vi.advanceTimersByTimeAsync(2050);
      expect(seen).toHaveLength(21);
      await vi.advanceTimersByTimeAsync(3000);
      expect(await run).toHaveLength(50);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("redriving to an output", () => {
  const to = { component: "archive", operation: "create", metadata: { key: "k" } };

  test("gives the payload to it, one after another where the key is the same", async () => {
    const other = sampleDeadLetter(3, { event: { ...sampleDeadLetter(3).event, key: "another" } });
    const store = new FakeDeadLetterStore(sampleDeadLetter(1), sampleDeadLetter(2), other);
    const open = new Map<string, () => void>();
    const one = manager(store, undefined, (invocation) => {
      expect(invocation).toMatchObject({
        name: "archive",
        operation: "create",
        metadata: to.metadata,
      });
      return new Promise((resolve) =>
        open.set(Buffer.from(invocation.data!).toString(), () => resolve(undefined)),
      );
    });
    const run = results(one.redrive(all, { to, signal: never }));
    await until(() => open.size === 2, { what: "two invocations" });
    expect([...open.keys()]).toEqual(["order 1", "order 3"]);
    open.get("order 1")!();
    await until(() => open.has("order 2"), { what: "the second of the key" });
    open.get("order 2")!();
    open.get("order 3")!();
    expect(await run).toHaveLength(3);
    expect(store.deadLetters.size).toBe(0);
  });

  test("a failure is noted in the dead letter, which stays", async () => {
    const store = new FakeDeadLetterStore(sampleDeadLetter(1));
    const one = manager(store, undefined, async () => {
      throw new BindingError("unavailable", "the archive is closed");
    });
    const [result] = await results(one.redrive(all, { to, signal: never }));
    expect(result).toMatchObject({
      outcome: "refused",
      reason: expect.stringMatching(/archive.*the archive is closed/) as string,
    });
    const kept = store.deadLetters.get(sampleDeadLetter(1).id)!;
    expect(kept).toMatchObject({
      redrives: 1,
      failed: 3,
      reason: expect.stringMatching(/the archive is closed/) as string,
    });
    expect(kept.attempts).toHaveLength(3);
    expect(kept.event).toEqual(sampleDeadLetter(1).event);
  });

  test("an output that is not there is no failure of the dead letter", async () => {
    const store = new FakeDeadLetterStore(sampleDeadLetter(1));
    const one = manager(store, undefined, async () => {
      throw new BindingError("not_found", "couldn't find output binding archive");
    });
    expect(await results(one.redrive(all, { to, signal: never }))).toMatchObject([
      { outcome: "refused", reason: "couldn't find output binding archive" },
    ]);
    expect(store.deadLetters.get(sampleDeadLetter(1).id)).toEqual(sampleDeadLetter(1));
  });
});

describe("dropping", () => {
  test("removes what is meant, but not what is being redriven", async () => {
    const answer = Promise.withResolvers<Redriven>();
    const store = new FakeDeadLetterStore(
      ...numbers(150),
      sampleDeadLetter(200, { component: "mail" }),
    );
    const one = manager(store, () => answer.promise);
    const first: Selection = { filter: { ids: [sampleDeadLetter(1).id] }, all: false };
    const run = results(one.redrive(first, { signal: never }));
    await until(() => one.isClaimed(sampleDeadLetter(1).id), {
      what: "the dead letter to be claimed",
    });
    const orders: Selection = { filter: { component: "orders" }, all: false };
    expect(await one.drop(orders, { countOnly: true })).toEqual({ dropped: 149, skipped: 1 });
    expect(store.deadLetters.size).toBe(151);
    expect(await one.drop(orders)).toEqual({ dropped: 149, skipped: 1 });
    expect([...store.deadLetters.values()].map(({ component }) => component)).toEqual([
      "orders",
      "mail",
    ]);
    expect(one.counts.get("orders")?.dropped).toBe(149);
    answer.resolve(handled);
    await run;
  });

  test("a store that fails leaves them free for another try", async () => {
    const store = new FakeDeadLetterStore(sampleDeadLetter(1));
    const one = manager(store);
    store.failing.set("remove", "the disk is full");
    await expect(one.drop(all)).rejects.toThrow(/the disk is full/);
    store.failing.clear();
    expect(await one.drop(all)).toEqual({ dropped: 1, skipped: 0 });
  });
});

test("what the retention removes is counted", () => {
  const one = manager(new FakeDeadLetterStore());
  one.expired("orders", 3);
  one.expired("orders", 1);
  expect(one.counts.get("orders")?.expired).toBe(4);
});

test("whoever keeps account is told of each dead letter that is gone, and of no other", async () => {
  const store = new FakeDeadLetterStore(...numbers(4));
  const gone: string[] = [];
  const invoke = async ({ metadata }: Invocation): Promise<undefined> => {
    if (metadata["cufflink-event-id"] === sampleDeadLetter(4).event.id) throw new Error("no");
  };
  const made = new DeadLetterManager({
    ...{ store, redrive: async () => handled, invoke, logger },
    deadLetterRemoved: ({ id }) => void gone.push(id),
  });
  const ids = (...wanted: number[]): Selection => ({
    filter: { ids: wanted.map((one) => sampleDeadLetter(one).id) },
    all: false,
  });
  await made.drop(ids(1));
  await results(made.redrive(ids(2), { signal: never }));
  const to = { component: "archive", operation: "create", metadata: {} };
  await results(made.redrive(ids(3, 4), { signal: never, to }));
  expect(gone).toEqual([1, 2, 3].map((one) => sampleDeadLetter(one).id));
});
