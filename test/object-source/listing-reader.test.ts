import { expect, onTestFinished, test, vi } from "vitest";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { ListingReader, type ObjectStore } from "../../src/object-source/listing-reader.ts";
import type { ListedObject } from "../../src/object-source/object.ts";
import { readOnHandled, type OnHandled } from "../../src/object-source/on-handled.ts";
import type { InboundEvent } from "../../src/reading.ts";

const wait = { timeout: 5_000, interval: 5 };
const handled = { outcome: "handled" } as const;
let readers = 0;

/** A bucket in memory, with pages of two objects. */
class Bucket implements ObjectStore {
  readonly objects = new Map<string, { bytes: Buffer; version: number }>();
  readonly putAwayCalls: string[] = [];
  failPutAway = 0;
  versions = 0;

  put(key: string, text: string): void {
    this.objects.set(key, { bytes: Buffer.from(text), version: ++this.versions });
  }

  async list(page: string | undefined) {
    const keys = [...this.objects.keys()].toSorted();
    const start = page === undefined ? 0 : Number(page);
    const objects = keys.slice(start, start + 2).map((key) => this.#listed(key));
    const next = start + 2 < keys.length ? String(start + 2) : undefined;
    return { objects, next };
  }

  async read({ path, version }: ListedObject) {
    const found = this.objects.get(path);
    return String(found?.version) === version ? found?.bytes : undefined;
  }

  async putAway({ path, version }: ListedObject) {
    this.putAwayCalls.push(path);
    if (this.failPutAway-- > 0) throw new Error("denied");
    if (String(this.objects.get(path)?.version) === version) this.objects.delete(path);
  }

  #listed(key: string): ListedObject {
    const { bytes, version } = this.objects.get(key) ?? { bytes: Buffer.of(), version: 0 };
    const facts = { size: bytes.length, version: String(version) };
    const reference = { bucket: "b", key, ...facts };
    return { path: key, ...facts, modified: 0n, reference };
  }
}

function read(
  store: ObjectStore,
  options: {
    identity?: string;
    inlineLimit?: number;
    onHandled?: OnHandled;
    settleAtOnce?: true;
  } = {},
) {
  const events: InboundEvent[] = [];
  const lost = vi.fn<(reason: unknown) => void>();
  const warn = vi.fn<() => void>();
  const report = vi.fn<(condition: string, stalled: boolean) => void>();
  const reader = new ListingReader({
    store,
    identity: options.identity ?? `reader ${readers++}`,
    onHandled: options.onHandled ?? { action: "delete" },
    pollInterval: 5,
    inlineLimit: options.inlineLimit ?? 100,
    logger: { debug() {}, info() {}, warn, error() {} },
    memory: new MemoryBudget().share("test"),
    async deliver(batch) {
      events.push(...batch);
      if (options.settleAtOnce) for (const event of batch) event.settle(handled);
    },
    ...{ lost, report },
  });
  onTestFinished(() => reader.close());
  return { reader, events, lost, warn, report };
}

const returned = { outcome: "returned", reason: "no", after: 1 } as const;
const textOf = ({ data }: InboundEvent) => String(Buffer.from(data ?? []));

test("each object is one event with its bytes and reference, over several pages, and handled ones go", async () => {
  const bucket = new Bucket();
  for (const key of ["a", "b", "c", "d", "e"]) bucket.put(key, `content of ${key}`);
  const { events } = read(bucket);
  await vi.waitFor(() => expect(events).toHaveLength(5), wait);
  expect(events.map(textOf)).toEqual(["a", "b", "c", "d", "e"].map((key) => `content of ${key}`));
  expect(events[0]?.metadata).toEqual({
    ...{ bucket: "b", key: "a", size: "12", version: "1", inline: "true" },
  });
  for (const event of events) event.settle(handled);
  await vi.waitFor(() => expect(bucket.objects.size).toBe(0), wait);
  expect(bucket.putAwayCalls.toSorted()).toEqual(["a", "b", "c", "d", "e"]);
});

test("an object that is larger than inlineLimit comes as its reference", async () => {
  const bucket = new Bucket();
  bucket.put("large", "x".repeat(101));
  const { events } = read(bucket);
  await vi.waitFor(() => expect(events).toHaveLength(1), wait);
  expect(JSON.parse(textOf(events[0] as InboundEvent))).toEqual({
    ...{ bucket: "b", key: "large", size: 101, version: "1" },
  });
  expect(events[0]?.metadata).toMatchObject({ inline: "false", key: "large" });
});

test("an object with the app is no event again, a returned one is", async () => {
  const bucket = new Bucket();
  bucket.put("a", "1");
  const list = vi.spyOn(bucket, "list");
  const { events } = read(bucket);
  await vi.waitFor(() => expect(list.mock.calls.length).toBeGreaterThan(5), wait);
  expect(events).toHaveLength(1);
  events[0]?.settle(returned);
  await vi.waitFor(() => expect(events).toHaveLength(2), wait);
});

test("an object that is replaced while the app has it is not deleted, and is an event of its own", async () => {
  const bucket = new Bucket();
  bucket.put("a", "old");
  const { events } = read(bucket);
  await vi.waitFor(() => expect(events).toHaveLength(1), wait);
  bucket.put("a", "new");
  events[0]?.settle(handled);
  await vi.waitFor(() => expect(events.map(textOf)).toEqual(["old", "new"]), wait);
  expect(bucket.objects.has("a")).toBe(true);
});

test("a handled object that was not put away before the connection broke is put away by the next reader", async () => {
  const bucket = new Bucket();
  bucket.put("a", "1");
  bucket.failPutAway = 1;
  const first = read(bucket, { identity: "same" });
  await vi.waitFor(() => expect(first.events).toHaveLength(1), wait);
  first.events[0]?.settle(handled);
  await first.reader.flush();
  expect(first.warn).toHaveBeenCalledTimes(1);
  await first.reader.close();
  const next = read(bucket, { identity: "same" });
  await vi.waitFor(() => expect(bucket.objects.size).toBe(0), wait);
  expect(next.events).toEqual([]);
});

test("an object that the app still has when the connection is made anew is put away by the new reader", async () => {
  const bucket = new Bucket();
  bucket.put("a", "1");
  const first = read(bucket, { identity: "held" });
  await vi.waitFor(() => expect(first.events).toHaveLength(1), wait);
  await first.reader.close();
  const list = vi.spyOn(bucket, "list");
  const next = read(bucket, { identity: "held" });
  await vi.waitFor(() => expect(list.mock.calls.length).toBeGreaterThan(2), wait);
  first.events[0]?.settle(handled);
  await vi.waitFor(() => expect(bucket.objects.size).toBe(0), wait);
  expect(next.events).toEqual([]);
});

test("while handled objects cannot be put away no more than a few are handed over, and the state says why", async () => {
  const bucket = new Bucket();
  for (let n = 0; n < 300; n++) bucket.put(String(n).padStart(3, "0"), "x");
  bucket.failPutAway = Number.POSITIVE_INFINITY;
  const { events, report } = read(bucket, { settleAtOnce: true });
  const condition = "handled objects cannot be put away: denied";
  await vi.waitFor(() => expect(report).toHaveBeenCalledWith(condition, true), wait);
  expect(events.length).toBeLessThan(64 + 2 * 8);
});

test("tagged objects are passed over, and asked about once a version", async () => {
  const bucket = new Bucket();
  bucket.put("a", "1");
  const tags = new Set<string>();
  const isPutAway = vi.fn<(object: ListedObject) => Promise<boolean>>(async ({ version }) =>
    tags.has(version),
  );
  const store: ObjectStore = {
    list: (page) => bucket.list(page),
    read: (object) => bucket.read(object),
    putAway: async ({ version }) => void tags.add(version),
    isPutAway,
  };
  const { events } = read(store, { onHandled: { action: "tag" } });
  await vi.waitFor(() => expect(events).toHaveLength(1), wait);
  events[0]?.settle(handled);
  await vi.waitFor(() => expect(tags.size).toBe(1), wait);
  const list = vi.spyOn(bucket, "list");
  await vi.waitFor(() => expect(list.mock.calls.length).toBeGreaterThan(5), wait);
  expect(isPutAway.mock.calls.length).toBeLessThanOrEqual(3);
  bucket.put("a", "2");
  await vi.waitFor(() => expect(events.map(textOf)).toEqual(["1", "2"]), wait);
});

test("moved objects are not found again, and a listing that fails ends the reading", async () => {
  const bucket = new Bucket();
  bucket.put("done/a", "1");
  const { events, lost } = read(bucket, { onHandled: { action: "move", prefix: "done/" } });
  vi.spyOn(bucket, "list").mockRejectedValue(new Error("gone"));
  await vi.waitFor(() => expect(lost).toHaveBeenCalledTimes(1), wait);
  expect(events).toEqual([]);
});

test.each([
  ["delete", { action: "delete" }],
  ["tag", { action: "tag" }],
  ["move:done/", { action: "move", prefix: "done/" }],
])("onHandled %s", (text, expected) => expect(readOnHandled(text, "in/")).toEqual(expected));

test.each([undefined, "", "move:", "keep", "move:in/"])("onHandled %j is refused", (text) => {
  expect(() => readOnHandled(text, "in/")).toThrow(/onHandled/);
});
