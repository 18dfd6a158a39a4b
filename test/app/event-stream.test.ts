import { expect, test } from "vitest";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SettlementSchema } from "../../gen/cufflink/v1/event_streams_pb.ts";
import { EventStream, EventStreamError } from "../../src/app/event-stream.ts";
import type { LaneReference, Outcome } from "../../src/runtime/app.ts";
import { settled } from "../runtime/source-event.ts";
import { delivery, never, spiedLogger } from "./delivery.ts";
import { appMessage, StreamPeer } from "./stream-peer.ts";

type Outcomes = NonNullable<MessageInitShape<typeof SettlementSchema>["outcome"]>;

function open(subscription: { bindings?: string[]; orderedPipelining?: boolean } = {}) {
  const logger = spiedLogger();
  let room = 0;
  const stream = new EventStream({ logger, onRoom: () => room++ });
  const peer = new StreamPeer(stream.batches());
  stream.take(appMessage({ subscription, credit: 100 }));
  const outcomes = new Map<string, Outcome>();
  const deliver = (text: string, lane?: LaneReference, name = "orders", signal = never): void =>
    void stream
      .deliver(delivery({ name, data: Buffer.from(text), lane }), signal)
      .then((outcome) => outcomes.set(text, outcome));
  return { stream, peer, logger, outcomes, deliver, rooms: () => room };
}

const lane = (number: number): LaneReference => ({ number, epoch: 0 });

test("what is delivered together goes out together, by component, and counts from 1", async () => {
  const { peer, deliver } = open();
  for (const text of ["1", "2", "3"]) deliver(text);
  deliver("4", undefined, "payments");
  deliver("5");
  await settled();
  expect(peer.batches).toEqual([
    { binding: "orders", events: ["1", "2", "3"] },
    { binding: "payments", events: ["4"] },
    { binding: "orders", events: ["5"] },
  ]);
  expect(peer.events.map((one) => one.delivery)).toEqual([1, 2, 3, 4, 5]);
});

test("each settlement reaches its event", async () => {
  const { stream, peer, outcomes, deliver } = open();
  const texts = ["plain", "reply", "retry", "later", "dead", "drop", "not", "none"];
  for (const text of texts) deliver(text);
  await settled();
  expect(stream.hasSettled).toBe(false);
  const settlement = (text: string, outcome: Outcomes) => ({
    delivery: peer.numberOf(text),
    outcome,
  });
  stream.take(
    appMessage({
      handled: [peer.numberOf("plain")],
      settlements: [
        settlement("reply", {
          case: "handled",
          value: {
            data: Buffer.from("answer"),
            to: ["a", "b"],
            parallel: true,
            storeName: "s",
            contentType: "text/plain",
            states: [{ key: "k", value: Buffer.from("v") }],
          },
        }),
        settlement("retry", { case: "retry", value: { reason: "no" } }),
        settlement("later", {
          case: "retry",
          value: { after: { seconds: 2n, nanos: 500_000_000 } },
        }),
        settlement("dead", { case: "deadLetter", value: { reason: "never" } }),
        settlement("drop", { case: "drop", value: { reason: "old" } }),
        settlement("not", { case: "notAttempted", value: {} }),
        { delivery: peer.numberOf("none") },
      ],
    }),
  );
  await settled();
  expect(stream.hasSettled).toBe(true);
  expect(Object.fromEntries(outcomes)).toMatchObject({
    plain: { kind: "handled", reply: undefined },
    reply: {
      kind: "handled",
      reply: {
        ...{ source: "grpc", to: ["a", "b"], concurrency: "parallel", storeName: "s" },
        contentType: "text/plain",
      },
    },
    retry: { kind: "refused", reason: "no" },
    later: { kind: "refused", reason: "the app asks for another attempt", after: 2500 },
    dead: { kind: "refused", reason: "never", final: true },
    drop: { kind: "dropped", reason: "old" },
    not: { kind: "not attempted" },
    none: { kind: "refused" },
  });
});

test("credit counts down by event and up by message; news comes when there is some again", async () => {
  const { stream, rooms, deliver } = open();
  expect([stream.credit, rooms()]).toEqual([100, 1]);
  for (let n = 0; n < 100; n++) deliver(String(n));
  expect(stream.credit).toBe(0);
  stream.take(appMessage({ credit: 5 }));
  stream.take(appMessage({ credit: 5 }));
  expect([stream.credit, rooms()]).toEqual([10, 2]);
  stream.take(appMessage({ credit: 0xffff_ffff }));
  expect(stream.credit).toBe(0xffff_ffff);
});

test("it wants what the app has named, or everything", () => {
  const some = open({ bindings: ["a", "b"], orderedPipelining: true });
  expect([some.stream.wants("a"), some.stream.wants("c"), some.stream.ordered]).toEqual([
    true,
    false,
    true,
  ]);
  const all = open();
  expect([all.stream.wants("c"), all.stream.ordered]).toEqual([true, false]);
  const silent = new EventStream({ logger: spiedLogger(), onRoom: () => undefined });
  expect(silent.wants("a")).toBe(false);
});

test("an app that is not well is not wanted for anything", () => {
  let well = false;
  const options = { logger: spiedLogger(), onRoom: () => undefined, isAvailable: () => well };
  const stream = new EventStream(options);
  stream.take(appMessage({ subscription: {} }));
  expect(stream.wants("a")).toBe(false);
  well = true;
  expect(stream.wants("a")).toBe(true);
});

test.each([
  ["no subscription first", [appMessage({ credit: 1 })]],
  ["two subscriptions", [appMessage({ subscription: {} }), appMessage({ subscription: {} })]],
  ["no message at all", [Uint8Array.of(0xff, 0xff, 0xff)]],
])("an app that breaks the rules is told: %s", (_, messages) => {
  const stream = new EventStream({ logger: spiedLogger(), onRoom: () => undefined });
  expect(() => {
    for (const message of messages) stream.take(message);
  }).toThrow(EventStreamError);
});

test("when the stream breaks, only the first of each lane was attempted", async () => {
  const { stream, peer, outcomes, deliver } = open();
  const [a, b] = [lane(1), lane(2)];
  deliver("a1", a);
  deliver("a2", a);
  deliver("b1", b);
  deliver("free");
  deliver("a3", a);
  await settled();
  stream.take(appMessage({ handled: [peer.numberOf("a1")] }));
  stream.end("it broke");
  deliver("late");
  await settled();
  expect(Object.fromEntries(outcomes)).toEqual({
    a1: { kind: "handled", reply: undefined },
    a2: { kind: "refused", reason: "it broke" },
    b1: { kind: "refused", reason: "it broke" },
    free: { kind: "refused", reason: "it broke" },
    a3: { kind: "not attempted" },
    late: { kind: "unsent", reason: "the app's event stream has ended" },
  });
  expect([peer.ended, stream.wants("orders")]).toEqual([true, false]);
});

test("what the transport has not pulled was not sent", async () => {
  const stream = new EventStream({ logger: spiedLogger(), onRoom: () => undefined });
  stream.take(appMessage({ subscription: {}, credit: 1 }));
  const outcome = stream.deliver(delivery(), never);
  stream.end("it broke");
  expect(await outcome).toEqual({ kind: "unsent", reason: "it broke" });
});

test("closing lets out what was delivered, and takes its settlement", async () => {
  const { stream, peer, outcomes, deliver } = open();
  deliver("1");
  stream.close();
  deliver("2");
  await settled();
  expect([peer.texts, peer.ended]).toEqual([["1"], true]);
  stream.take(appMessage({ handled: [peer.numberOf("1")] }));
  await settled();
  expect(outcomes.get("1")).toEqual({ kind: "handled", reply: undefined });
  expect(outcomes.get("2")?.kind).toBe("unsent");
});

test("an aborted signal cancels its own component's events; what comes for them later is told once", async () => {
  const { stream, peer, outcomes, deliver, logger } = open();
  const stop = new AbortController();
  deliver("1", undefined, "orders", stop.signal);
  deliver("2", undefined, "payments");
  await settled();
  deliver("3", undefined, "orders", stop.signal);
  stop.abort();
  deliver("4", undefined, "orders", stop.signal);
  await settled();
  expect(Object.fromEntries(outcomes)).toEqual({
    1: { kind: "refused", reason: "cancelled" },
    3: { kind: "unsent", reason: "cancelled" },
    4: { kind: "unsent", reason: "cancelled" },
  });
  stream.take(appMessage({ handled: [peer.numberOf("1"), peer.numberOf("2")] }));
  stream.take(appMessage({ handled: [peer.numberOf("2")] }));
  await settled();
  expect(outcomes.get("2")).toEqual({ kind: "handled", reply: undefined });
  expect(logger.warnings()).toHaveLength(1);
});

test("an event that no message can hold is refused, and the stream goes on", async () => {
  const { stream, peer, deliver } = open();
  const huge = { data: Buffer.alloc(0, 0) };
  Object.defineProperty(huge.data, "length", { value: 300 << 20 });
  expect(await stream.deliver(delivery(huge), never)).toMatchObject({ kind: "refused" });
  deliver("next");
  await settled();
  expect(peer.texts).toEqual(["next"]);
});
