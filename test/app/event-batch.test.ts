import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { EventBatchSchema } from "../../gen/cufflink/v1/event_streams_pb.ts";
import { countForBatch, encodeEventBatch, wantedBatchBytes } from "../../src/app/event-batch.ts";
import { delivery, everyByte } from "./delivery.ts";

function decoded(...events: Parameters<typeof encodeEventBatch>[0]) {
  return fromBinary(EventBatchSchema, encodeEventBatch(events));
}

test("every field arrives as it was", () => {
  const [event] = decoded({
    number: 300,
    delivery: delivery({
      name: "bestellungen-ä",
      lane: { number: 0xffff_ffff, epoch: 7 },
      data: everyByte,
      headers: [
        { name: "x", value: Buffer.from("1") },
        { name: "x", value: everyByte },
        { name: "", value: Buffer.alloc(0) },
      ],
      key: Buffer.from([0, 255]),
      id: "t/0/17",
      metadata: { topic: "t", offset: "17", empty: "", "": "no name" },
      trace: { traceparent: "00-1", tracestate: "a=b", baggage: "c=d" },
      attempt: 3,
      attempts: 10,
      lastError: "what 🙈",
    }),
  }).events;
  expect(event).toMatchObject({
    delivery: 300,
    lane: 0xffff_ffff,
    epoch: 7,
    metadata: { topic: "t", offset: "17", empty: "", "": "no name" },
    traceparent: "00-1",
    tracestate: "a=b",
    baggage: "c=d",
    attempt: 3,
    attempts: 10,
    lastError: "what 🙈",
  });
  expect(Buffer.from(event?.event?.data ?? [])).toEqual(everyByte);
  expect(Buffer.from(event?.event?.key ?? [])).toEqual(Buffer.from([0, 255]));
  expect(event?.event?.id).toBe("t/0/17");
  expect(event?.event?.headers.map(({ name, value }) => [name, [...value]])).toEqual([
    ["x", [49]],
    ["x", [...everyByte]],
    ["", []],
  ]);
});

test("what is not there is not there: a tombstone, an empty payload, no lane, no end of attempts", () => {
  const { binding, events } = decoded(
    { number: 1, delivery: delivery({ data: undefined }) },
    { number: 2, delivery: delivery({ data: Buffer.alloc(0), key: "k" }) },
  );
  expect(binding).toBe("orders");
  expect(events.map(({ event }) => event?.data?.length)).toEqual([undefined, 0]);
  expect(events.map(({ event }) => event?.key && String(Buffer.from(event.key)))).toEqual([
    undefined,
    "k",
  ]);
  expect(events[0]).toMatchObject({ lane: 0, epoch: 0, attempts: 0, lastError: "" });
});

test.each([0, 1, 42, 43, 127, 128, 129, 5000])(
  "texts of %i characters, in each script",
  (length) => {
    for (const character of ["a", "é", "€", "🙈"]) {
      const text = character.repeat(length);
      const [event] = decoded({
        number: 1,
        delivery: delivery({ id: text, metadata: { [text]: text } }),
      }).events;
      expect(event?.event?.id).toBe(text);
      expect(event?.metadata).toEqual({ [text]: text });
    }
  },
);

test("half a character, and a name that no event may set, break nothing", () => {
  const [event] = decoded({
    number: 1,
    delivery: delivery({ id: "a\ud800b", metadata: { "Dapr-Api-Token": "stolen", ok: "1" } }),
  }).events;
  expect(event?.event?.id).toBe("a\ufffdb");
  expect(event?.metadata).toEqual({ ok: "1" });
});

test("a long reason is cut", () => {
  const [event] = decoded({
    number: 1,
    delivery: delivery({ lastError: "x".repeat(9000) }),
  }).events;
  expect(event?.lastError).toBe("x".repeat(512));
});

test("batches larger than the buffer, one after another", () => {
  for (const size of [wantedBatchBytes * 3, 10, 9 << 20, 10]) {
    const data = Buffer.alloc(size, 7);
    const { events } = decoded(
      { number: 1, delivery: delivery({ data }) },
      { number: 2, delivery: delivery({ data: everyByte }) },
    );
    expect(events.map(({ event }) => event?.data?.length)).toEqual([size, 256]);
    expect(Buffer.from(events[0]?.event?.data ?? []).equals(data)).toBe(true);
  }
});

test("a batch is of one component, and of about so many bytes", () => {
  const of = (name: string, bytes: number) => ({
    delivery: delivery({ name, data: Buffer.alloc(bytes) }),
  });
  const half = wantedBatchBytes / 2;
  expect(countForBatch([of("a", 1), of("a", 1), of("b", 1), of("a", 1)])).toBe(2);
  expect(countForBatch([of("a", half - 300), of("a", half - 300), of("a", half)])).toBe(2);
  expect(countForBatch([of("a", half * 9), of("a", 1)])).toBe(1);
  expect(countForBatch([])).toBe(0);
});
