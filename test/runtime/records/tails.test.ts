import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Entry } from "../../../src/runtime/delivery/entry.ts";
import { Window } from "../../../src/runtime/delivery/window.ts";
import { History } from "../../../src/runtime/records/history.ts";
import type { Tail, Tailed } from "../../../src/runtime/records/tails.ts";
import { delivering } from "../delivering.ts";
import { FakeApp, handled, refused } from "../fake-app.ts";
import { keepingLogger, settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const end = { how: "handled", reason: "" } as const;
const never = new AbortController().signal;

function entry(text: string, more: Parameters<typeof sourceEvent>[1] = {}): Entry {
  return new Entry(sourceEvent(text, more), new Window("orders[3]"), undefined);
}

function watching(options: Partial<Parameters<History["tail"]>[0]> = {}) {
  const history = new History(undefined, keepingLogger());
  const tail = history.tail({ component: undefined, rate: 20, maxData: 4096, ...options });
  const record = (text: string, component = "orders", more = {}): void =>
    history.record(component, entry(text, more), end, Date.now());
  return { history, tail, record };
}

/** What there is at once. */
async function taken(tail: Tail): Promise<Tailed[]> {
  const all: Tailed[] = [];
  for (;;) {
    const stop = new AbortController();
    const next = tail.next(stop.signal);
    await settled();
    stop.abort();
    const one = await next;
    if (one === undefined) return all;
    all.push(one);
  }
}

test("an event is shown as it ended, with its payload cut and copied", async () => {
  const app = new FakeApp(({ attempt }) => (attempt === 1 ? refused("not now") : handled));
  const { delivery, history } = delivering(app);
  using tail = history.tail({ component: "orders", rate: 20, maxData: 4 });
  const headers = [{ name: "type", value: Buffer.from("order") }];
  const event = sourceEvent("a payload", { key: "k", headers, metadata: { offset: "42" } });
  await delivery.deliver([event], "orders[3]");
  await vi.advanceTimersByTimeAsync(5_000);
  const [shown, ...others] = await taken(tail);
  expect(others).toEqual([]);
  expect(shown).toMatchObject({
    leftOut: 0,
    event: {
      record: { end: "handled", source: "orders[3]", attempts: [{ answer: "not now" }, {}] },
      ...{ dataSize: 9, key: "k", metadata: { offset: "42" }, omitted: 0 },
      headers: [{ name: "type" }],
    },
  });
  const { data } = shown?.event ?? {};
  expect([String(Buffer.from(data ?? [])), data?.buffer.byteLength]).toEqual(["a pa", 4]);
});

test("so many a second are shown, the others are counted, and another component's are neither", async () => {
  const { tail, record } = watching({ component: "orders", rate: 5 });
  for (let number = 0; number < 1_000; number++) record(String(number));
  record("x", "others");
  const first = await taken(tail);
  expect(first.map(({ event }) => String(event?.data))).toEqual(["48", "49", "50", "51", "52"]);
  expect(first.map(({ leftOut }) => leftOut)).toEqual([995, 0, 0, 0, 0]);
  vi.advanceTimersByTime(400);
  for (let number = 0; number < 10; number++) record("x");
  expect((await taken(tail)).map(({ leftOut }) => leftOut)).toEqual([8, 0]);
});

test("those that were left out are told within a second, and silence every fifteen", async () => {
  const { tail, record } = watching({ rate: 1 });
  record("a");
  expect(await taken(tail)).toHaveLength(1);
  const next = tail.next(never);
  await vi.advanceTimersByTimeAsync(100);
  record("b");
  await vi.advanceTimersByTimeAsync(999);
  expect(await next).toEqual({ event: undefined, leftOut: 1 });
  const silence = tail.next(never);
  await vi.advanceTimersByTimeAsync(15_000);
  expect(await silence).toEqual({ event: undefined, leftOut: 0 });
});

test("who does not read has a bounded number of events and bytes waiting", async () => {
  const { tail, record } = watching({ rate: 200, maxData: 65_536 });
  const large = "x".repeat(65_536);
  for (let second = 0; second < 5; second++) {
    for (let number = 0; number < 200; number++) record(large);
    vi.advanceTimersByTime(1000);
  }
  const waiting = await taken(tail);
  expect(waiting.length).toBeLessThanOrEqual(17);
  expect(waiting[0]?.leftOut).toBe(1_000 - waiting.length);
});

test("headers and metadata beyond 16 KiB are left out, and so is the end of a long key", async () => {
  const { tail, record } = watching();
  const headers = Array.from({ length: 40 }, (_, index) => ({
    ...{ name: `h${index}`, value: Buffer.alloc(1000) },
  }));
  record("a", "orders", {
    headers,
    metadata: { long: "x".repeat(20_000) },
    key: "k".repeat(5_000),
  });
  const [{ event } = { event: undefined }] = await taken(tail);
  expect([event?.headers.length, event?.metadata, event?.omitted, event?.key?.length]).toEqual([
    ...[16, {}, 25, 1024],
  ]);
});

test("without one who watches nothing is copied, and one too many is refused", async () => {
  const { history, tail, record } = watching();
  tail[Symbol.dispose]();
  record("a");
  const event = sourceEvent("b");
  let reads = 0;
  const watched = new Proxy(event, {
    get(target, name) {
      if (name === "data" || name === "headers" || name === "metadata") reads++;
      return Reflect.get(target, name) as unknown;
    },
  });
  const other = new Entry(watched, new Window(""), undefined);
  reads = 0;
  history.record("orders", other, end, 0);
  expect(reads).toBe(0);
  const options = { component: undefined, rate: 1, maxData: 1 };
  const tails = Array.from({ length: 32 }, () => history.tail(options));
  expect(() => history.tail(options)).toThrow("events are watched 32 times already");
  for (const one of tails) one[Symbol.dispose]();
  expect(history.tail(options)).toBeDefined();
});

test("events are shown where none is remembered, too", async () => {
  const history = new History(undefined, keepingLogger(), { keeps: false });
  using tail = history.tail({ component: undefined, rate: 20, maxData: 10 });
  history.record("orders", entry("a"), end, 0);
  expect(await taken(tail)).toHaveLength(1);
  expect(await history.find("a")).toEqual([]);
});
