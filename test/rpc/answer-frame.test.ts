import { fromBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { InvokeBindingResponseSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { framePrefixBytes } from "../../src/grpc/frame.ts";
import { answerFrame } from "../../src/rpc/answer-frame.ts";

test("an answer in its frame is what the generic decoder reads", () => {
  fc.assert(
    fc.property(
      fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
      fc.option(
        fc.dictionary(
          fc.string({ unit: "grapheme", maxLength: 20 }),
          fc.string({ unit: "grapheme", maxLength: 200 }),
        ),
        { nil: undefined },
      ),
      (data, metadata) => {
        const frame = answerFrame({
          ...(data !== undefined && { data: new Uint8Array(data) }),
          ...(metadata !== undefined && { metadata }),
        });
        expect(frame[0]).toBe(0);
        expect(frame.readUInt32BE(1)).toBe(frame.length - framePrefixBytes);
        const read = fromBinary(InvokeBindingResponseSchema, frame.subarray(framePrefixBytes));
        expect(Buffer.from(read.data)).toEqual(Buffer.from(data ?? []));
        expect({ ...read.metadata }).toEqual({ ...metadata });
      },
    ),
  );
});

test("one of some MiB is whole, and an empty one has no bytes", () => {
  const data = new Uint8Array(5 * 1024 * 1024).fill(7);
  const frame = answerFrame({ data });
  const read = fromBinary(InvokeBindingResponseSchema, frame.subarray(framePrefixBytes));
  expect(Buffer.compare(read.data, data)).toBe(0);
  expect([...answerFrame({})]).toEqual([0, 0, 0, 0, 0]);
});
