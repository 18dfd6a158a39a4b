import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Concurrency } from "../../../src/runtime/concurrency.ts";
import { windowLimits } from "../../../src/runtime/delivery/window.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { delivering, policy } from "../delivering.ts";
import { FakeApp, handled, ManualApp, refused } from "../fake-app.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a key's events come one after another in order, different keys at the same time", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app);
  const events = ["a1", "a2", "b1", "a3"].map((text) => sourceEvent(text, { key: text[0] }));
  await delivery.deliver(events);
  expect(app.out).toEqual(["a1", "b1"]);
  expect([delivery.inFlight, delivery.waiting]).toEqual([2, 2]);
  app.answer("a1");
  await settled();
  expect(app.out).toEqual(["b1", "a2"]);
  app.answer("a2");
  await settled();
  app.answer("a3");
  app.answer("b1");
  await settled();
  expect(app.texts).toEqual(["a1", "b1", "a2", "a3"]);
  expect([delivery.inFlight, delivery.waiting, delivery.counts.ended.handled]).toEqual([0, 0, 4]);
  expect(events.map(({ settlements }) => settlements)).toEqual(
    Array(4).fill([{ outcome: "handled" }]),
  );
});

test("keys in bytes count by their bytes; events without a key have no order", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app);
  await delivery.deliver([
    sourceEvent("1", { key: Uint8Array.of(0, 255) }),
    sourceEvent("2", { key: Uint8Array.of(0, 254) }),
    sourceEvent("3", { key: Uint8Array.of(0, 255) }),
    sourceEvent("4"),
    sourceEvent("5"),
  ]);
  expect(app.out).toEqual(["1", "2", "4", "5"]);
});

test.each([
  ["none", ["1", "2", "3", "4"]],
  ["header:Tenant", ["1", "3", "4"]],
])("orderKey %s", async (orderKey, out) => {
  const app = new ManualApp();
  const { delivery } = delivering(app, { orderKey });
  const tenant = (value: string) => [
    { name: "tenant", value: Buffer.from("before") },
    { name: "TENANT", value: Buffer.from(value) },
  ];
  await delivery.deliver([
    sourceEvent("1", { key: "k", headers: tenant("x") }),
    sourceEvent("2", { key: "l", headers: tenant("x") }),
    sourceEvent("3", { key: "k", headers: tenant("y") }),
    sourceEvent("4", { key: "k" }),
  ]);
  expect(app.out).toEqual(out);
});

test("order holds by key under parallelism and refusals, over thousands of events", async () => {
  vi.useRealTimers();
  let random = 7;
  const next = (): number => (random = (random * 48_271) % 2_147_483_647);
  const seen = new Map<string, number[]>();
  const running = new Set<string>();
  const app = new FakeApp(async ({ data }) => {
    const [key = "", number = ""] = Buffer.from(data ?? [])
      .toString()
      .split(":");
    expect(running.has(key)).toBe(false);
    running.add(key);
    for (let turns = next() % 4; turns > 0; turns--) await Promise.resolve();
    running.delete(key);
    if (next() % 50 === 0) return refused();
    seen.set(key, [...(seen.get(key) ?? []), Number(number)]);
    return handled;
  });
  const quick = { ...policy, initial: 0, max: 1, attempts: Number.POSITIVE_INFINITY };
  const { delivery } = delivering(app, { maxInFlight: 16, retry: quick });
  const keys = 23;
  const events = Array.from({ length: 4600 }, (_, n) =>
    sourceEvent(`${n % keys}:${Math.floor(n / keys)}`, { key: String(n % keys) }),
  );
  for (let at = 0; at < events.length; at += 100)
    await delivery.deliver(events.slice(at, at + 100));
  await vi.waitFor(() => expect(delivery.counts.ended.handled).toBe(4600), 20_000);
  const inOrder = Array.from({ length: 200 }, (_, n) => n);
  for (const numbers of seen.values()) expect(numbers).toEqual(inOrder);
  expect(seen.size).toBe(keys);
  expect(app.most).toBe(16);
  expect([delivery.inFlight, delivery.waiting]).toEqual([0, 0]);
  expect(events.every(({ settlements }) => settlements.length === 1)).toBe(true);
});

test("maxInFlight bounds what is with the app, and room for more comes below it", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app, { maxInFlight: 2 });
  let room = false;
  const events = ["1", "2", "3", "4", "5"].map((text) => sourceEvent(text));
  void delivery.deliver(events).then(() => (room = true));
  await settled();
  expect(app.out).toEqual(["1", "2"]);
  expect(delivery.waiting).toBe(3);
  app.answer("1");
  await settled();
  expect([app.out, room]).toEqual([["2", "3"], false]);
  app.answer("2");
  await settled();
  expect([app.out, room]).toEqual([["3", "4"], true]);
});

test("a refused event is tried again after growing pauses; its key waits, others go on", async () => {
  const app = new FakeApp(({ data }) =>
    Buffer.from(data ?? []).toString() === "a1" && app.deliveries.length < 5
      ? refused(`no ${app.deliveries.length}`)
      : handled,
  );
  const store = new MemoryStore();
  const { delivery, credits, logger } = delivering(app, { store });
  await delivery.deliver([
    sourceEvent("a1", { key: "a" }),
    sourceEvent("a2", { key: "a" }),
    sourceEvent("b1", { key: "b" }),
  ]);
  await settled();
  expect(app.texts).toEqual(["a1", "b1"]);
  expect([delivery.inFlight, delivery.waiting, delivery.counts.failedAttempts]).toEqual([0, 2, 1]);
  expect(credits).toEqual([66]);
  await vi.advanceTimersByTimeAsync(99);
  expect(app.texts).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(app.texts).toEqual(["a1", "b1", "a1"]);
  await delivery.deliver([sourceEvent("a3", { key: "a" })]);
  expect(delivery.waiting).toBe(3);
  await vi.advanceTimersByTimeAsync(200);
  await settled();
  // The attempts are used up: it goes to the dead letters, and its key goes on.
  expect(logger.lines.filter(({ level }) => level === "error")).toMatchObject([
    { fields: { event: "a1", attempt: 3, reason: "no 4" } },
  ]);
  expect([...store.stored.values()]).toMatchObject([
    { deadLetter: { component: "orders", cause: "exhausted", reason: "no 4", failed: 3 } },
  ]);
  expect(app.texts.slice(4)).toEqual(["a2", "a3"]);
  const attempts = app.deliveries.filter(({ data }) => String(data) === "a1");
  expect(attempts.map(({ attempt, attempts: of, lastError }) => [attempt, of, lastError])).toEqual([
    [1, 3, undefined],
    [2, 3, "no 1"],
    [3, 3, "no 3"],
  ]);
  expect([delivery.inFlight, delivery.waiting]).toEqual([0, 0]);
  expect(delivery.counts).toMatchObject({
    ...{ ended: { handled: 3, "dead letter": 1 }, attempts: 6, failedAttempts: 3 },
  });
  expect(credits.at(-1)).toBe(64);
});

test("an endless policy tells no number of attempts", async () => {
  const app = new FakeApp();
  const endless = { ...policy, attempts: Number.POSITIVE_INFINITY };
  const { delivery } = delivering(app, { retry: endless });
  await delivery.deliver([sourceEvent("1")]);
  expect(app.deliveries[0]).toMatchObject({ attempt: 1, attempts: undefined });
});

test("what the app's side throws is that event's failure", async () => {
  const app = new FakeApp(() => {
    if (app.deliveries.length === 1) throw new Error("cannot be written");
    return handled;
  });
  const { delivery } = delivering(app);
  await delivery.deliver([sourceEvent("1")]);
  await vi.advanceTimersByTimeAsync(100);
  expect(app.deliveries[1]?.lastError).toBe("cannot be written");
  expect(delivery.counts.ended.handled).toBe(1);
});

test("unsent costs no attempt, keeps the order, and waits until the app is there", async () => {
  const app = new FakeApp(() => {
    if (app.deliveries.length > 1) return handled;
    app.available = false;
    return { kind: "unsent", reason: "connection refused" };
  });
  const { delivery } = delivering(app, { maxInFlight: 1 });
  const events = ["1", "2"].map((text) => sourceEvent(text, { key: "k" }));
  void delivery.deliver(events);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(app.texts).toEqual(["1"]);
  expect([delivery.inFlight, delivery.waiting, delivery.counts.failedAttempts]).toEqual([0, 2, 0]);
  app.available = true;
  await settled();
  expect(app.texts).toEqual(["1", "1", "2"]);
  expect(app.deliveries[1]).toMatchObject({ attempt: 1, lastError: undefined });
  expect(delivery.waiting).toBe(0);
});

test("unsent to an app that is there is tried again after a short pause", async () => {
  const app = new FakeApp(() =>
    app.deliveries.length === 1 ? { kind: "unsent", reason: "connection full" } : handled,
  );
  const { delivery } = delivering(app);
  await delivery.deliver([sourceEvent("1")]);
  await settled();
  expect(app.deliveries).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(50);
  expect(app.deliveries.map(({ attempt }) => attempt)).toEqual([1, 1]);
  expect([delivery.counts.ended.handled, delivery.waiting]).toEqual([1, 0]);
});

test("nothing goes to an app that is away", async () => {
  const app = new FakeApp();
  app.available = false;
  const { delivery } = delivering(app);
  await delivery.deliver([sourceEvent("1")]);
  expect([app.deliveries.length, delivery.waiting]).toEqual([0, 1]);
  app.available = true;
  await settled();
  expect(delivery.counts.ended.handled).toBe(1);
});

test("a full window holds its own source only, says what holds it, and opens again", async () => {
  const app = new FakeApp(({ data }) =>
    String(data) === "poison" && app.deliveries.length < 20_000 ? refused() : handled,
  );
  const { delivery } = delivering(app);
  let room = false;
  void delivery.deliver([sourceEvent("poison", { key: "p" })], "one");
  const rest = Array.from({ length: windowLimits.events - 1 }, (_, n) => sourceEvent(String(n)));
  void delivery.deliver(rest, "one").then(() => (room = true));
  await vi.waitFor(
    () => expect(delivery.counts.ended.handled).toBe(windowLimits.events - 1),
    20_000,
  );
  expect(room).toBe(false);
  expect(delivery.heldBy?.label).toBe("poison");
  await delivery.deliver([sourceEvent("other")], "two");
  expect(app.texts).toContain("other");
  app.handle = () => handled;
  await vi.advanceTimersByTimeAsync(1000);
  expect(room).toBe(true);
  expect(delivery.heldBy).toBeUndefined();
});

test("drain returns what the app does not have and waits for what it has", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app, { maxInFlight: 2 });
  const events = ["a1", "a2", "b1", "c1"].map((text) => sourceEvent(text, { key: text[0] }));
  void delivery.deliver(events);
  app.answer("b1", refused("not now"));
  await settled();
  expect(app.out).toEqual(["a1", "c1"]);
  let result: object | undefined;
  void delivery.drain(10_000).then((one) => (result = one));
  await settled();
  const outcomes = () => events.map(({ settlements }) => settlements);
  expect(outcomes()).toEqual([[], [], [{ outcome: "returned", reason: "not now" }], []]);
  app.answer("a1");
  await settled();
  expect(result).toBeUndefined();
  app.answer("c1", refused("busy"));
  await settled();
  expect(result).toEqual({ abandoned: 0 });
  expect(outcomes()).toEqual([
    [{ outcome: "handled" }],
    [{ outcome: "returned", reason: "the runtime stops", unattempted: true }],
    [{ outcome: "returned", reason: "not now" }],
    [{ outcome: "returned", reason: "busy" }],
  ]);
  expect([delivery.inFlight, delivery.waiting]).toEqual([0, 0]);
  expect(app.listeners).toBe(0);
  const late = sourceEvent("late");
  await delivery.deliver([late]);
  expect(late.settlements).toEqual([
    { outcome: "returned", reason: "the runtime stops", unattempted: true },
  ]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(app.texts).toEqual(["a1", "b1", "c1"]);
});

test("drain abandons the app after the deadline, and counts what it abandoned", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app);
  const events = ["1", "2"].map((text) => sourceEvent(text));
  await delivery.deliver(events);
  const drained = delivery.drain(5000);
  await vi.advanceTimersByTimeAsync(4999);
  app.answer("1");
  await vi.advanceTimersByTimeAsync(1);
  expect(await drained).toEqual({ abandoned: 1 });
  expect(events.map(({ settlements }) => settlements)).toEqual([
    [{ outcome: "handled" }],
    [{ outcome: "returned", reason: "cancelled" }],
  ]);
});

test("drain wakes a source that waits for room", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app, { maxInFlight: 1 });
  let room = false;
  void delivery.deliver([sourceEvent("1"), sourceEvent("2")]).then(() => (room = true));
  await settled();
  expect([room, app.out]).toEqual([false, ["1"]]);
  void delivery.drain(1000);
  await settled();
  expect(room).toBe(true);
});

test("a fan-out that fails is tried again by itself, with the kept reply", async () => {
  const reply = { source: "grpc" as const, data: Buffer.from("answer"), contentType: "text/plain" };
  const app = new FakeApp(() => ({ kind: "handled", reply }));
  const ran: string[] = [];
  let fails = 2;
  const { delivery } = delivering(app, {
    fanOut: () => ({
      concurrency: undefined,
      steps: [
        { target: "first", run: async () => void ran.push("first") },
        {
          target: "second",
          async run() {
            ran.push("second");
            if (fails-- > 0) throw new Error("down");
          },
        },
      ],
    }),
  });
  const [one, next] = [sourceEvent("1", { key: "k" }), sourceEvent("2", { key: "k" })];
  await delivery.deliver([one, next]);
  await settled();
  // The app is not needed for it.
  app.available = false;
  await vi.advanceTimersByTimeAsync(300);
  expect(ran).toEqual(["first", "second", "second", "second"]);
  expect(app.texts).toEqual(["1"]);
  expect(one.settlements).toEqual([
    { outcome: "handled", reply: { data: reply.data, contentType: "text/plain" } },
  ]);
  expect(delivery.counts.failedAttempts).toBe(2);
  app.available = true;
  await settled();
  expect(app.texts).toEqual(["1", "2"]);
  expect([delivery.waiting, delivery.inFlight]).toEqual([0, 0]);
});

test("a fan-out that hangs does not outlast the deadline", async () => {
  const app = new FakeApp(() => ({ kind: "handled", reply: { source: "grpc" } }));
  const { delivery } = delivering(app, {
    fanOut: () => ({
      steps: [{ target: "slow", run: () => new Promise(() => undefined) }],
      concurrency: undefined,
    }),
  });
  const event = sourceEvent("1");
  await delivery.deliver([event]);
  const drained = delivery.drain(1000);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await drained).toEqual({ abandoned: 1 });
  expect(event.settlements).toMatchObject([{ outcome: "returned" }]);
});

test("the limit over components is shared, and no component starves", async () => {
  const concurrency = new Concurrency(2);
  const app = new ManualApp();
  const { delivery: first } = delivering(app, { concurrency });
  const { delivery: second } = delivering(app, { concurrency });
  await first.deliver(["a1", "a2", "a3"].map((text) => sourceEvent(text)));
  await second.deliver([sourceEvent("b1")]);
  expect(app.out).toEqual(["a1", "a2"]);
  app.answer("a1");
  await settled();
  app.answer("a2");
  await settled();
  expect(app.out.toSorted()).toEqual(["a3", "b1"]);
  app.answer("a3");
  app.answer("b1");
  await settled();
  expect([first.waiting, second.waiting, app.most]).toEqual([0, 0, 2]);
});

test("a source whose settling throws harms nothing else", async () => {
  const app = new FakeApp();
  const { delivery, logger } = delivering(app);
  const broken = {
    ...sourceEvent("1"),
    settle() {
      throw new Error("gone");
    },
  };
  const good = sourceEvent("2");
  await delivery.deliver([broken, good]);
  await settled();
  expect(good.settlements).toHaveLength(1);
  expect(logger.lines).toMatchObject([{ level: "error", fields: { reason: "gone" } }]);
});

test("the app gets what the source told, and a trace", async () => {
  const app = new FakeApp();
  const { delivery } = delivering(app, { route: "in/orders" });
  const headers = [
    { name: "a", value: Uint8Array.of(255) },
    { name: "a", value: Uint8Array.of(0) },
  ];
  await delivery.deliver([
    sourceEvent("x", { metadata: { topic: "t" }, headers, data: undefined }),
  ]);
  expect(app.deliveries).toMatchObject([
    { name: "orders", route: "in/orders", metadata: { topic: "t" }, headers },
  ]);
  expect(app.deliveries[0]?.data).toBeUndefined();
  expect(app.deliveries[0]?.trace["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
});

test("an event that its source revokes while it waits is returned at once, and the next of its key goes on", async () => {
  const app = new FakeApp(() => refused());
  const { delivery } = delivering(app);
  const source = new AbortController();
  const first = sourceEvent("a1", { key: "a", revoked: source.signal });
  await delivery.deliver([first]);
  await settled();
  expect([delivery.waiting, first.settlements]).toEqual([1, []]);
  source.abort();
  expect(first.settlements).toEqual([{ outcome: "returned", reason: "no" }]);
  expect(delivery.waiting).toBe(0);
  app.handle = () => handled;
  const second = sourceEvent("a2", { key: "a" });
  await delivery.deliver([second]);
  await settled();
  expect(app.texts).toEqual(["a1", "a2"]);
  expect(second.settlements).toEqual([{ outcome: "handled" }]);
});

test("an event that is revoked while the app has it is the app's to answer, once", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app);
  const source = new AbortController();
  const accepted = sourceEvent("1", { revoked: source.signal });
  const declined = sourceEvent("2", { revoked: source.signal });
  await delivery.deliver([accepted, declined]);
  source.abort();
  expect([accepted.settlements, declined.settlements]).toEqual([[], []]);
  app.answer("1");
  app.answer("2", refused("no"));
  await settled();
  expect(accepted.settlements).toEqual([{ outcome: "handled" }]);
  expect(declined.settlements).toEqual([{ outcome: "returned", reason: "no" }]);
  expect([delivery.inFlight, delivery.waiting]).toEqual([0, 0]);
});

test("events that are revoked while the app is away leave the line in order", async () => {
  const app = new FakeApp();
  const { delivery } = delivering(app);
  app.available = false;
  const source = new AbortController();
  const events = [sourceEvent("1", { revoked: source.signal }), sourceEvent("2")];
  await delivery.deliver(events);
  source.abort();
  app.available = true;
  await settled();
  expect(app.texts).toEqual(["2"]);
  expect([delivery.inFlight, delivery.waiting]).toEqual([0, 0]);
});

test("an event that was revoked before or while its request was not written is not tried again", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app);
  const source = new AbortController();
  const revoked = { revoked: source.signal };
  const event = { ...sourceEvent("1", { key: "k" }), ...revoked };
  const next = sourceEvent("2", { key: "k" });
  await delivery.deliver([event, next]);
  source.abort();
  app.answer("1", { kind: "unsent", reason: "connection full" });
  await vi.advanceTimersByTimeAsync(50);
  expect(event.settlements).toEqual([
    { outcome: "returned", reason: "connection full", unattempted: true },
  ]);
  expect(app.out).toEqual(["2"]);
  const late = { ...sourceEvent("3"), ...revoked };
  await delivery.deliver([late]);
  expect(late.settlements).toEqual([
    { outcome: "returned", reason: "revoked by its source", unattempted: true },
  ]);
  app.answer("2");
  await settled();
  expect([delivery.waiting, delivery.inFlight, delivery.counts.ended.handled]).toEqual([0, 0, 1]);
});

test("events of one signal share its listener, and all but those that the app has are revoked", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app);
  const source = new AbortController();
  const listening = vi.spyOn(source.signal, "addEventListener");
  const revoked = { revoked: source.signal };
  const events = ["1", "2", "3"].map((text) => sourceEvent(text, { key: "k", ...revoked }));
  const other = sourceEvent("4", { key: "k" });
  await delivery.deliver([...events, other]);
  expect(listening).toHaveBeenCalledTimes(1);
  source.abort();
  expect(events.map(({ settlements }) => settlements.length)).toEqual([0, 1, 1]);
  app.answer("1");
  await settled();
  expect(app.out).toEqual(["4"]);
});

test("taking events back makes room, also while the app is away", async () => {
  const app = new FakeApp();
  app.available = false;
  const { delivery } = delivering(app, { maxInFlight: 1 });
  const source = new AbortController();
  let room = false;
  const event = { ...sourceEvent("1"), revoked: source.signal };
  void delivery.deliver([event]).then(() => (room = true));
  await settled();
  expect(room).toBe(false);
  source.abort();
  await settled();
  expect([room, delivery.waiting]).toEqual([true, 0]);
});

test("events that are revoked one by one are looked up, and not looked for among the others", async () => {
  const app = new FakeApp();
  app.available = false;
  const { delivery } = delivering(app);
  let looks = 0;
  const senders = Array.from({ length: 1000 }, () => new AbortController());
  const events = senders.map((sender, index) =>
    Object.defineProperty(sourceEvent(String(index)), "revoked", {
      get: () => {
        looks++;
        return sender.signal;
      },
    }),
  );
  for (const event of events) void delivery.deliver([event]);
  for (const sender of senders) sender.abort();
  expect(events.every(({ settlements }) => settlements.length === 1)).toBe(true);
  expect(delivery.waiting).toBe(0);
  expect(looks).toBeLessThan(10 * senders.length);
});
