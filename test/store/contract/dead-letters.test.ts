import { beforeEach, expect, test } from "vitest";
import type { Store } from "../../../src/store/store.ts";
import { withEngines } from "../engines.ts";
import { attempt, deadLetter, deadLetterId } from "../records.ts";

withEngines((engine) => {
  let store: Store;
  beforeEach(() => {
    store = engine.open(engine.place());
  });

  test("a dead letter comes back byte for byte, also from a store opened later", async () => {
    const place = engine.place();
    const slab = Buffer.from("before[payload]after");
    const kept = deadLetter({
      cause: "refused",
      traceId: "0af7651916cd43dd8448eb211c80319c",
      attempts: [{ at: 1, took: 2, outcome: "refused", answer: "no\0 \u{1f600}" }],
      event: {
        data: slab.subarray(7, 14),
        headers: [
          { name: "same", value: Buffer.from([0, 255, 254]) },
          { name: "same", value: Buffer.alloc(0) },
          { name: "Ключ", value: Buffer.from("значение") },
        ],
        metadata: { topic: "a\0b", empty: "" },
        key: Buffer.from([0, 1, 255]),
        id: "topic/0/42",
      },
    });
    const first = engine.open(place);
    await first.deadLetters.put(kept, "fingerprint");
    expect(plain(await first.deadLetters.get(kept.id))).toEqual(
      plain({ ...kept, fingerprint: "fingerprint" }),
    );
    await first.close();
    const second = engine.open(place);
    expect(plain(await second.deadLetters.get(kept.id))).toEqual(
      plain({ ...kept, fingerprint: "fingerprint" }),
    );
    expect(String(slab)).toBe("before[payload]after");
  });

  test.each([
    ["nothing", undefined],
    ["no bytes", new Uint8Array()],
  ])("a payload of %s stays that", async (_, data) => {
    const id = await store.deadLetters.put(deadLetter({ event: { data } }), "f");
    expect((await store.deadLetters.get(id))?.event.data).toEqual(data);
  });

  test.each([["text"], [""], [undefined]])("a key %j stays that", async (key) => {
    const id = await store.deadLetters.put(deadLetter({ event: { key } }), "f");
    expect((await store.deadLetters.get(id))?.event.key).toBe(key);
  });

  test("of more than 100 attempts the last 100 are kept", async () => {
    const attempts = Array.from({ length: 150 }, (_, at) => ({
      at,
      took: 1,
      outcome: "refused" as const,
      answer: "",
    }));
    const id = await store.deadLetters.put(deadLetter({ attempts, failed: 150 }), "f");
    const kept = await store.deadLetters.get(id);
    expect(kept?.failed).toBe(150);
    expect(kept?.attempts.map(({ at }) => at)).toEqual(attempts.slice(50).map(({ at }) => at));
  });

  test("keeping a dead letter marks the event's attempt count, in a process to come too", async () => {
    const place = engine.place();
    const first = engine.open(place);
    await first.attempts.begin("orders", attempt({ identity: "a", begun: 9 }));
    await first.deadLetters.put(deadLetter({ identity: "a", failed: 10, reason: "last" }), "print");
    await first.close();
    const marked = { identity: "a", fingerprint: "print", begun: 10, lastError: "last" };
    expect(await engine.open(place).attempts.load("orders")).toEqual([
      { ...marked, deadLettered: true },
    ]);
  });

  test("an event that comes again is one dead letter; another one with its identity is a second", async () => {
    const first = deadLetter({ identity: "a", failed: 3, event: { data: Buffer.from("edited") } });
    await store.deadLetters.put(first, "one");
    const again = deadLetter({ identity: "a", attempts: [], failed: 3, reason: "came again" });
    expect(await store.deadLetters.put(again, "one")).toBe(first.id);
    expect(plain(await store.deadLetters.get(first.id))).toEqual(
      plain({ ...first, fingerprint: "one" }),
    );

    const tried = deadLetter({ identity: "a", failed: 1, reason: "tried anew" });
    expect(await store.deadLetters.put(tried, "one")).toBe(first.id);
    const kept = await store.deadLetters.get(first.id);
    expect(kept).toMatchObject({ reason: "tried anew", failed: 4 });
    expect(kept?.attempts).toHaveLength(2);
    expect(Buffer.from(kept!.event.data!).toString()).toBe("edited");

    const other = deadLetter({ identity: "a" });
    expect(await store.deadLetters.put(other, "two")).toBe(other.id);
    const elsewhere = deadLetter({ identity: "a", component: "returns" });
    expect(await store.deadLetters.put(elsewhere, "one")).toBe(elsewhere.id);
    expect(await store.deadLetters.totals()).toMatchObject([
      { component: "orders", count: 2 },
      { component: "returns", count: 1 },
    ]);
  });

  test("an imported dead letter is kept as it is, once, and its event is known", async () => {
    const letter = {
      ...deadLetter({
        identity: "e1",
        failed: 3,
        reason: "no",
        edited: true,
        storedAt: Date.now(),
      }),
      fingerprint: "one",
    };
    const { deadLetters, attempts } = store;
    expect(await deadLetters.import(letter)).toBe("imported");
    expect(plain(await deadLetters.get(letter.id))).toEqual(plain(letter));
    expect(await deadLetters.import({ ...letter, reason: "another" })).toBe("present");
    expect(await deadLetters.import({ ...letter, id: deadLetterId() })).toBe("present");
    expect((await deadLetters.get(letter.id))?.reason).toBe("no");
    const count = { identity: "e1", fingerprint: "one", begun: 3, lastError: "no" };
    expect(await attempts.load("orders")).toEqual([{ ...count, deadLettered: true, told: true }]);
    // Nothing of an event that is known here by now is forgotten for it.
    const other = { ...count, identity: "e2", deadLettered: false };
    await attempts.begin("orders", other);
    const second = { ...deadLetter({ identity: "e2", storedAt: Date.now() }), fingerprint: "two" };
    expect(await deadLetters.import(second)).toBe("imported");
    expect(await attempts.load("orders")).toContainEqual(other);
    expect(await deadLetters.remove([letter.id])).toBe(1);
    expect(await attempts.load("orders")).toEqual([other]);
    expect(await deadLetters.put(letter, "one")).toBe(letter.id);
  });

  test("an import pushes nothing out, and leaves out what is kept no longer", async () => {
    const retention = {
      deadLetters: { age: 60_000, count: 2, bytes: 1_000_000 },
      history: { age: 1, count: 1 },
    };
    const small = engine.open(engine.place(), { retention });
    const one = (storedAt: number, data?: Uint8Array) => ({
      ...deadLetter({ storedAt, event: { data } }),
      fingerprint: "f",
    });
    const now = Date.now();
    expect(await small.deadLetters.import(one(now - 61_000))).toBe("expired");
    expect(await small.deadLetters.import(one(now - 1000))).toBe("imported");
    expect(await small.deadLetters.import(one(now, new Uint8Array(1_000_000)))).toBe("full");
    expect(await small.deadLetters.import(one(now))).toBe("imported");
    expect(await small.deadLetters.import(one(now))).toBe("full");
    expect((await small.deadLetters.totals())[0]?.count).toBe(2);
  });

  test("a dead letter is replaced under its id, unless it is gone", async () => {
    const first = deadLetter();
    await store.deadLetters.put(first, "f");
    const edited = { ...first, edited: true, redrives: 2, reason: "again" };
    expect(await store.deadLetters.replace(edited)).toBe(true);
    expect(plain(await store.deadLetters.get(first.id))).toEqual(
      plain({ ...edited, fingerprint: "f" }),
    );
    expect(await store.deadLetters.replace(deadLetter())).toBe(false);
  });

  test("removing dead letters tells how many there were, and forgets their attempts and no others", async () => {
    const [one, two, three] = ["one", "two", "three"].map((identity) => deadLetter({ identity }));
    if (one === undefined || two === undefined || three === undefined)
      throw new Error("no dead letters");
    await store.deadLetters.put(three, "f3");
    await store.deadLetters.put(one, "f1");
    store.attempts.told("orders", "one", "f1");
    await store.deadLetters.put(two, "f2");
    // Its identity was used anew by another event.
    await store.attempts.begin("orders", attempt({ identity: "two", fingerprint: "f3" }));
    expect(await store.deadLetters.remove([one.id, two.id, "none"])).toBe(2);
    expect(await store.deadLetters.get(one.id)).toBeUndefined();
    // The source of the third may not have been told, and deliver it again.
    expect(await store.deadLetters.remove([three.id])).toBe(1);
    expect(await store.attempts.load("orders")).toMatchObject([
      { identity: "two", deadLettered: false },
      { identity: "three", deadLettered: true },
    ]);
  });

  test("dead letters are listed oldest first, a page at a time, by all that is asked for", async () => {
    const deadLetters = [
      deadLetter({ storedAt: 1000, reason: "Überlauf", event: { id: "e1" } }),
      deadLetter({ storedAt: 2000, reason: "100% full", event: { id: "e2" } }),
      deadLetter({ storedAt: 3000, component: "returns", event: { id: "e1" } }),
      deadLetter({ storedAt: 4000, event: { data: Buffer.alloc(1000) } }),
    ];
    // Not in the order of their ids.
    for (const one of deadLetters.toReversed()) await store.deadLetters.put(one, `of ${one.id}`);
    const ids = deadLetters.map(({ id }) => id);
    const list = async (...args: Parameters<typeof store.deadLetters.list>) =>
      (await store.deadLetters.list(...args)).map(({ id }) => ids.indexOf(id));
    const limit = 10;
    expect(await list({}, { limit })).toEqual([0, 1, 2, 3]);
    expect(await list({}, { limit: 2 })).toEqual([0, 1]);
    expect(await list({}, { limit: 2, after: ids[1] })).toEqual([2, 3]);
    expect(await list({ component: "returns" }, { limit })).toEqual([2]);
    expect(await list({ component: "orders" }, { limit: 2, after: ids[0] })).toEqual([1, 3]);
    expect(await list({ reason: "üBERlauf" }, { limit })).toEqual([0]);
    expect(await list({ reason: "0%" }, { limit })).toEqual([1]);
    expect(await list({ eventId: "e1" }, { limit })).toEqual([0, 2]);
    expect(await list({ eventId: "e1", component: "orders" }, { limit })).toEqual([0]);
    expect(await list({ since: 2000, before: 4000 }, { limit })).toEqual([1, 2]);
    expect(await list({ ids: [ids[3]!, ids[0]!, "none"] }, { limit })).toEqual([0, 3]);
    expect(await list({ ids: [] }, { limit })).toEqual([]);
    const small = await store.deadLetters.list({}, { limit, maxData: 999 });
    expect(small.map(({ event }) => event.data?.length)).toEqual([5, 5, 5, undefined]);
  });

  test("totals tell count, bytes and the oldest of each component", async () => {
    for (const storedAt of [500, 400]) {
      const data = Buffer.alloc(1000);
      await store.deadLetters.put(
        deadLetter({ id: deadLetterId(), storedAt, event: { data } }),
        "f",
      );
    }
    const [total] = await store.deadLetters.totals();
    expect(total).toMatchObject({ component: "orders", count: 2, oldest: 400 });
    expect(total?.bytes).toBeGreaterThan(2000);
    expect(total?.bytes).toBeLessThan(3000);
  });
});

/** Buffers and arrays of bytes as arrays. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, one: unknown) =>
      one instanceof Uint8Array ? { bytes: [...one] } : one,
    ).replaceAll(/\{"type":"Buffer","data":(\[[^\]]*\])\}/g, '{"bytes":$1}'),
  );
}
