import { expect, test } from "vitest";
import { DeadLetter, Drop, Retry } from "../../src/handler/errors.ts";
import type { BindingEvent, BindingEventHandler } from "../../src/handler/event.ts";
import { EventStream } from "../../src/sdk/event-stream.ts";
import { RunningHandlers } from "../../src/sdk/running-handlers.ts";
import { WorkerPool } from "../../src/sdk/worker-pool.ts";
import { until } from "../until.ts";
import { FakeRuntime } from "./fake-runtime.ts";

function open(
  handler: BindingEventHandler,
  options: { window?: number; concurrency?: number; stillRunning?: RunningHandlers } = {},
) {
  const { window = 100, concurrency = 10, stillRunning = new RunningHandlers() } = options;
  const stream = new EventStream({
    bindings: ["orders"],
    handlerOf: (name) => (name === "orders" ? handler : undefined),
    window,
    pool: new WorkerPool(concurrency),
    stillRunning,
  });
  return { stream, runtime: new FakeRuntime(stream) };
}

/** A handler whose answers the test gives. */
function controlled() {
  const running = new Map<
    string,
    { succeed: (reply?: object) => void; fail: (e: Error) => void }
  >();
  const begun: string[] = [];
  const handler: BindingEventHandler = (event) => {
    const text = event.text();
    begun.push(text);
    const { promise, resolve, reject } = Promise.withResolvers<object | undefined>();
    running.set(text, {
      succeed: (reply) => {
        running.delete(text);
        resolve(reply);
      },
      fail: (error) => {
        running.delete(text);
        reject(error);
      },
    });
    return promise;
  };
  return { handler, begun, running };
}

test("the first message subscribes, promises ordered pipelining and gives the whole credit", async () => {
  const { runtime } = open(() => undefined, { window: 7 });
  await until(() => runtime.messages.length > 0, { what: "the first message" });
  const [first] = runtime.messages;
  expect(first?.subscription).toMatchObject({ bindings: ["orders"], orderedPipelining: true });
  expect(first?.credit).toBe(7);
});

test("what is handled in one turn is settled in one message, with its credit", async () => {
  const { runtime } = open(() => undefined, { window: 50 });
  await until(() => runtime.credit === 50, { what: "the credit" });
  runtime.send(Array.from({ length: 40 }, () => ({})));
  await runtime.untilSettled(40);
  expect(runtime.messages).toHaveLength(2);
  expect(runtime.messages[1]).toMatchObject({ credit: 40, settlements: [] });
  expect(runtime.messages[1]?.subscription).toBeUndefined();
  expect(runtime.credit).toBe(50);
});

test("events of a lane are handled one after another, lanes beside each other", async () => {
  const { handler, begun, running } = controlled();
  const { runtime } = open(handler);
  runtime.send([
    { lane: 1, text: "a1" },
    { lane: 1, text: "a2" },
    { lane: 2, text: "b1" },
    { lane: 0, text: "c" },
    { lane: 0, text: "d" },
  ]);
  expect(begun).toEqual(["a1", "b1", "c", "d"]);
  running.get("a1")?.succeed();
  await until(() => begun.includes("a2"), { what: "the lane's second event" });
  for (const one of running.values()) one.succeed();
  await runtime.untilSettled(5);
  expect(new Set(runtime.settled.values())).toEqual(new Set(["handled"]));
});

test("no more handlers run at one time than allowed, and each lane has its turn", async () => {
  const { handler, begun, running } = controlled();
  const { runtime } = open(handler, { concurrency: 2 });
  runtime.send([
    { lane: 1, text: "a1" },
    { lane: 1, text: "a2" },
    { lane: 2, text: "b1" },
    { lane: 3, text: "c1" },
  ]);
  expect(begun).toEqual(["a1", "b1"]);
  running.get("a1")?.succeed();
  await until(() => begun.length === 3, { what: "the third" });
  expect(begun[2]).toBe("c1");
  running.get("b1")?.succeed();
  await until(() => begun.length === 4, { what: "the fourth" });
});

test("after a failure all later events of the lane and epoch are not attempted, those on the wire too", async () => {
  const { handler, begun, running } = controlled();
  const { runtime } = open(handler);
  const [failing, queued, other] = runtime.send([
    { lane: 1, epoch: 4, text: "a1" },
    { lane: 1, epoch: 4, text: "a2" },
    { lane: 2, epoch: 1, text: "b1" },
  ]);
  running.get("a1")?.fail(new Error("no"));
  await runtime.untilSettled(2);
  const [late] = runtime.send([{ lane: 1, epoch: 4, text: "a3" }]);
  await runtime.untilSettled(3);
  expect(runtime.settled.get(failing!)).toBe("retry");
  expect(runtime.settled.get(queued!)).toBe("notAttempted");
  expect(runtime.settled.get(late!)).toBe("notAttempted");
  expect(begun).toEqual(["a1", "b1"]);

  runtime.send([
    { lane: 1, epoch: 5, text: "a1 again" },
    { lane: 1, epoch: 5, text: "a2 again" },
  ]);
  expect(begun.at(-1)).toBe("a1 again");
  running.get("a1 again")?.succeed();
  await until(() => begun.includes("a2 again"), { what: "the lane to go on" });
  running.get("a2 again")?.succeed();
  running.get("b1")?.succeed();
  await runtime.untilSettled(6);
  expect(runtime.settled.get(other!)).toBe("handled");
  expect(runtime.credit).toBe(100);
});

test("an event without a lane stops no other", async () => {
  const { runtime } = open((event) => {
    if (event.text() === "bad") throw new Error("no");
  });
  runtime.send([{ text: "bad" }, { text: "good" }, { text: "good" }]);
  await runtime.untilSettled(3);
  expect([...runtime.settled.values()].toSorted()).toEqual(["handled", "handled", "retry"]);
});

test("a stopped lane is remembered no longer than the runtime can be unaware of it", async () => {
  let fail = true;
  const { runtime } = open(
    () => {
      if (fail) throw new Error("no");
    },
    { window: 3 },
  );
  await until(() => runtime.credit === 3, { what: "the credit" });
  runtime.send([{ lane: 9, epoch: 1 }]);
  await runtime.untilSettled(1);
  fail = false;
  // On credit that it had before it heard of the failure.
  runtime.send([
    { lane: 9, epoch: 1 },
    { lane: 9, epoch: 1 },
  ]);
  await runtime.untilSettled(3);
  runtime.send([{ lane: 0 }]);
  // On credit that came with the failure: the number of the lane means another lane by now.
  const [next] = runtime.send([{ lane: 9, epoch: 1 }]);
  await runtime.untilSettled(5);
  expect(runtime.settled.get(next!)).toBe("handled");
  expect([...runtime.settled.values()].slice(0, 3)).toEqual([
    "retry",
    "notAttempted",
    "notAttempted",
  ]);
});

test("what handlers answer and throw arrives whole", async () => {
  const answers: Record<string, () => object | undefined> = {
    reply: () => ({
      data: "text",
      to: ["one", "two"],
      concurrency: "parallel",
      storeName: "states",
      states: [{ key: "k", value: "v" }],
      contentType: "text/plain",
    }),
    bytes: () => ({ data: new Uint8Array([1, 2]) }),
    retry: () => {
      throw new Retry("later", { after: 1500 });
    },
    plain: () => {
      throw new Error("broken \ud800");
    },
    deadLetter: () => {
      throw new DeadLetter("never");
    },
    drop: () => {
      throw new Drop("who cares");
    },
    nonsense: () => 5 as unknown as object,
    unencodable: () => ({ data: { a: 1 } }),
    endless: () => {
      throw new Retry("some day", { after: Infinity });
    },
  };
  const names = Object.keys(answers);
  const { runtime } = open(async (event) => answers[event.text()]?.());
  runtime.send(names.map((text) => ({ text })));
  await runtime.untilSettled(names.length);
  const all = runtime.messages.flatMap(({ settlements }) => settlements);
  const told = Object.fromEntries(
    all.map(({ delivery, outcome }) => [names[delivery - 1], outcome.value]),
  );
  expect(told["reply"]).toMatchObject({
    data: new Uint8Array(Buffer.from("text")),
    to: ["one", "two"],
    parallel: true,
    storeName: "states",
    contentType: "text/plain",
    states: [{ key: "k", value: new Uint8Array(Buffer.from("v")) }],
  });
  expect(told["bytes"]).toMatchObject({ data: new Uint8Array([1, 2]), to: [], parallel: false });
  expect(told["retry"]).toMatchObject({
    reason: "later",
    after: { seconds: 1n, nanos: 500_000_000 },
  });
  expect(told["plain"]).toMatchObject({ reason: "broken \ufffd" });
  expect(told["plain"]).not.toHaveProperty("after");
  expect(told["deadLetter"]).toMatchObject({ reason: "never" });
  expect(told["drop"]).toMatchObject({ reason: "who cares" });
  expect(told["nonsense"]).toMatchObject({ reason: expect.stringContaining("a number") });
  expect(told["unencodable"]).toMatchObject({ reason: expect.stringContaining("neither bytes") });
  expect(told["endless"]).toMatchObject({ after: { seconds: 31_536_000n } });
});

test("a dead letter stops its lane, a dropped event does not", async () => {
  const { runtime } = open((event) => {
    if (event.text() === "dead") throw new DeadLetter("never");
    if (event.text() === "drop") throw new Drop("never mind");
  });
  runtime.send([
    { lane: 1, text: "dead" },
    { lane: 1, text: "next" },
    { lane: 2, text: "drop" },
    { lane: 2, text: "next" },
  ]);
  await runtime.untilSettled(4);
  expect([1, 2, 3, 4].map((delivery) => runtime.settled.get(delivery))).toEqual([
    "deadLetter",
    "notAttempted",
    "drop",
    "handled",
  ]);
});

test("an event tells everything that was sent", async () => {
  const seen: BindingEvent[] = [];
  const { runtime } = open((event) => void seen.push(event));
  runtime.send([
    {
      more: {
        event: {
          data: Buffer.from('{"a":1}'),
          headers: [
            { name: "Kind", value: Buffer.from("first") },
            { name: "kind", value: Buffer.from("zweite ü") },
          ],
          key: Buffer.from("k"),
          id: "topic/0/7",
        },
        metadata: { topic: "orders" },
        traceparent: "00-x",
        baggage: "a=b",
        attempt: 3,
        attempts: 10,
        lastError: "no",
      },
    },
    { more: { event: {} } },
  ]);
  const [full, bare] = seen;
  expect(full?.json()).toEqual({ a: 1 });
  expect(full?.headers).toHaveLength(2);
  expect(full?.header("KIND")).toBe("zweite ü");
  expect(full?.header("other")).toBeUndefined();
  expect({ ...full }).toMatchObject({ name: "orders" });
  const { key, id, metadata, trace, attempt, attempts, lastError } = full!;
  expect({ key: Buffer.from(key!).toString(), id, metadata, trace }).toEqual({
    key: "k",
    id: "topic/0/7",
    metadata: { topic: "orders" },
    trace: { traceparent: "00-x", baggage: "a=b" },
  });
  expect({ attempt, attempts, lastError }).toEqual({ attempt: 3, attempts: 10, lastError: "no" });
  expect(bare?.data).toBeUndefined();
  expect(bare?.text()).toBe("");
  expect(bare?.attempts).toBeUndefined();
  expect(bare?.lastError).toBeUndefined();
  expect(() => bare?.json()).toThrow(SyntaxError);
});

test("an event that no handler is for is not handled, with the reason", async () => {
  const { runtime } = open(() => undefined);
  runtime.send([{ text: "x" }], "others");
  await runtime.untilSettled(1);
  expect(runtime.messages.at(-1)?.settlements[0]?.outcome).toMatchObject({
    case: "retry",
    value: { reason: "the app has no handler for binding others" },
  });
});

test("draining finishes what runs, gives the rest back and ends the stream, with no more credit", async () => {
  const { handler, begun, running } = controlled();
  const { stream, runtime } = open(handler, { concurrency: 1, window: 10 });
  await until(() => runtime.credit === 10, { what: "the credit" });
  runtime.send([
    { lane: 1, text: "a1" },
    { lane: 1, text: "a2" },
    { lane: 2, text: "b1" },
  ]);
  stream.drain();
  runtime.send([{ lane: 3, text: "c1" }]);
  await runtime.untilSettled(3);
  expect([...runtime.settled]).toEqual([
    [2, "notAttempted"],
    [3, "notAttempted"],
    [4, "notAttempted"],
  ]);
  expect(runtime.ended).toBe(false);
  running.get("a1")?.succeed();
  await until(() => runtime.ended, { what: "the stream to end" });
  expect(runtime.settled.get(1)).toBe("handled");
  expect(begun).toEqual(["a1"]);
  expect(runtime.credit).toBe(6);
});

test("a lost stream forgets what waits, tells handlers, and its late answers go nowhere", async () => {
  const { handler, begun, running } = controlled();
  const signals: AbortSignal[] = [];
  const { stream, runtime } = open(
    (event) => {
      signals.push(event.signal);
      return handler(event);
    },
    { concurrency: 1 },
  );
  await until(() => runtime.messages.length === 1, { what: "the first message" });
  runtime.send([
    { lane: 1, text: "a1" },
    { lane: 1, text: "a2" },
    { lane: 2, text: "b1" },
  ]);
  expect(signals[0]?.aborted).toBe(false);
  stream.end("the connection was lost");
  expect(signals[0]?.aborted).toBe(true);
  await until(() => runtime.ended, { what: "the end" });
  running.get("a1")?.succeed();
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  expect(begun).toEqual(["a1"]);
  expect(runtime.settled.size).toBe(0);
});

test("an event delivered again on a new stream waits until its first run has ended", async () => {
  const stillRunning = new RunningHandlers();
  const first = controlled();
  const before = open(first.handler, { stillRunning });
  before.runtime.send([{ lane: 1, text: "a1", id: "7" }]);
  before.stream.end("the connection was lost");

  const second = controlled();
  const after = open(second.handler, { stillRunning });
  after.runtime.send([
    { lane: 5, text: "a1 again", id: "7" },
    { lane: 5, text: "a2", id: "8" },
    { lane: 6, text: "b1", id: "9" },
  ]);
  await new Promise(setImmediate);
  expect(second.begun).toEqual(["b1"]);
  first.running.get("a1")?.succeed();
  await until(() => second.begun.includes("a1 again"), { what: "the second run" });
  second.running.get("a1 again")?.succeed();
  await until(() => second.begun.includes("a2"), { what: "the lane to go on" });
});

test("large replies are spread over several messages, and credit goes with the last", async () => {
  const { runtime } = open(() => ({ data: new Uint8Array(200_000) }), { window: 10 });
  await until(() => runtime.credit === 10, { what: "the credit" });
  runtime.send(Array.from({ length: 6 }, () => ({})));
  await runtime.untilSettled(6);
  const credits = runtime.messages.slice(1).map(({ credit }) => credit);
  expect(credits).toEqual([0, 0, 6]);
});

test("bytes that are no batch are refused, and do no harm", () => {
  const { stream } = open(() => undefined);
  expect(() => stream.receive(new Uint8Array([0xff, 0xff]))).toThrow();
});

test("a seventh failing at random: each lane in order, each failed event again, whatever the pace", async () => {
  const lanes = 5;
  const perLane = 200;
  const done = new Map<number, number[]>();
  const { runtime } = open(
    async (event) => {
      const [lane = 0, number = 0] = event.text().split(" ").map(Number);
      if (Math.random() < 0.5) await new Promise(setImmediate);
      if (Math.random() < 1 / 7) throw new Error("at random");
      done.set(lane, [...(done.get(lane) ?? []), number]);
    },
    { window: 64, concurrency: 8 },
  );
  await until(() => runtime.credit === 64, { what: "the credit" });

  // A runtime in small: each lane has what is not handled, in order, and what was sent of it.
  const states = Array.from({ length: lanes }, () => ({
    next: 0,
    epoch: 1,
    sent: [] as { delivery: number; number: number }[],
  }));
  let handledInAll = 0;
  while (handledInAll < lanes * perLane) {
    for (const [lane, state] of states.entries()) {
      while (runtime.credit > 0 && state.sent.length < 12) {
        const number = state.next + state.sent.length;
        const stopped = state.sent.some(
          ({ delivery }) => (runtime.settled.get(delivery) ?? "handled") !== "handled",
        );
        if (number >= perLane || stopped) break;
        const [delivery = 0] = runtime.send([
          { lane: lane + 1, epoch: state.epoch, text: `${lane} ${number}` },
        ]);
        state.sent.push({ delivery, number });
      }
      if (!state.sent.every(({ delivery }) => runtime.settled.has(delivery))) continue;
      const failed = state.sent.findIndex(
        ({ delivery }) => runtime.settled.get(delivery) !== "handled",
      );
      const count = failed < 0 ? state.sent.length : failed;
      handledInAll += count;
      state.next += count;
      if (failed >= 0) state.epoch++;
      state.sent = [];
    }
    await new Promise(setImmediate);
  }
  expect([...done.values()]).toEqual(
    Array.from({ length: lanes }, () => Array.from({ length: perLane }, (_, number) => number)),
  );
});

test("a reply that is larger than the runtime takes is a failed attempt of its event alone", async () => {
  const { stream, runtime } = open((event) => ({ data: Buffer.alloc(Number(event.text())) }));
  stream.meet({ "cufflink-max-reply-bytes": "1000" });
  runtime.send([{ text: "1000" }, { text: "1001" }]);
  await runtime.untilSettled(2);
  const settlements = runtime.messages.flatMap((message) => message.settlements);
  expect(settlements.map(({ outcome }) => outcome.case)).toEqual(["handled", "retry"]);
  expect(settlements[1]?.outcome.value).toMatchObject({
    reason:
      "the reply of 1001 bytes is larger than the 1000 that the runtime takes; see its --app-max-answer-size",
  });
});
