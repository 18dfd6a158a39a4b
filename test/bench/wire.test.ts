import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { FrameSplitter } from "../../bench/wire/frames.ts";
import { grpcFrame } from "../../bench/wire/grpc.ts";
import { Cursor, varintSize, writeVarint } from "../../bench/wire/protobuf.ts";
import { DeliveredEventSchema } from "../../gen/cufflink/v1/event_streams_pb.ts";

test("reads the fields that it is asked for, past all others", () => {
  const message = create(DeliveredEventSchema, {
    delivery: 4_294_967_295,
    lane: 300,
    event: { data: Buffer.from("payload"), id: "17" },
    metadata: { topic: "orders" },
  });
  const bytes = toBinary(DeliveredEventSchema, message);
  const cursor = new Cursor();
  cursor.reset(0, bytes.length);
  const found = new Map<number, number | Uint8Array>();
  while (cursor.next(bytes)) {
    const { field, value, start, end } = cursor;
    found.set(field, field < 4 ? value : bytes.subarray(start, end));
  }
  expect([found.get(1), found.get(2), found.has(3), found.has(5)]).toEqual([
    4_294_967_295,
    300,
    false,
    true,
  ]);
  expect(Buffer.from(found.get(4) as Uint8Array).toString()).toContain("payload");
});

test("refuses a field that reaches beyond its message", () => {
  const cursor = new Cursor();
  cursor.reset(0, 2);
  expect(() => cursor.next(Buffer.from([0x0a, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1]))).toThrow(/within/);
});

test.each([0, 1, 127, 128, 16_383, 16_384, 4_294_967_295])(
  "writes %d as protobuf does",
  (value) => {
    const bytes = Buffer.alloc(1 + varintSize(value));
    bytes[0] = 0x08;
    expect(writeVarint(bytes, 1, value)).toBe(bytes.length);
    expect(fromBinary(DeliveredEventSchema, bytes).delivery).toBe(value);
  },
);

test("cuts messages out of chunks, wherever these end", () => {
  const whole = Buffer.concat(["one", "", "three"].map((text) => grpcFrame(Buffer.from(text))));
  for (let size = 1; size <= whole.length; size++) {
    const texts: string[] = [];
    const cutter = new FrameSplitter();
    for (let at = 0; at < whole.length; at += size) {
      cutter.push(whole.subarray(at, at + size), (bytes, start, end) => {
        texts.push(bytes.toString("utf8", start, end));
      });
    }
    expect(texts).toEqual(["one", "", "three"]);
  }
});
