import * as fc from "fast-check";
import { headerBlock, http2Frame, preface } from "../../grpc/http2-frame.ts";
import { exchange, oneReply } from "../http-exchange.ts";
import { mutate, mutations, type Mutation } from "../mutation.ts";
import type { Target } from "../target.ts";
import { startFixture } from "../fixture.ts";

type Http2Frame = {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
};

type Input = {
  readonly frames: readonly Http2Frame[];
  readonly changes: readonly Mutation[];
};

/** The header block of a gRPC call. */
const block = headerBlock({
  ":method": "POST",
  ":scheme": "http",
  ":authority": "x",
  ":path": "/dapr.proto.runtime.v1.Dapr/InvokeBinding",
  "content-type": "application/grpc",
  te: "trailers",
});

const frame: fc.Arbitrary<Http2Frame> = fc.oneof(
  fc.constantFrom<Http2Frame>(
    { type: 4, flags: 0, stream: 0, payload: Buffer.alloc(0) },
    { type: 4, flags: 1, stream: 0, payload: Buffer.alloc(0) },
    { type: 1, flags: 4, stream: 1, payload: block },
    { type: 1, flags: 5, stream: 1, payload: block },
    { type: 1, flags: 5, stream: 3, payload: block },
    { type: 0, flags: 1, stream: 1, payload: Buffer.from([0, 0, 0, 0, 0]) },
    { type: 0, flags: 0, stream: 1, payload: Buffer.alloc(1000) },
    { type: 3, flags: 0, stream: 1, payload: Buffer.from([0, 0, 0, 8]) },
    { type: 6, flags: 0, stream: 0, payload: Buffer.alloc(8) },
    { type: 8, flags: 0, stream: 0, payload: Buffer.from([0x7f, 0xff, 0xff, 0xff]) },
    { type: 8, flags: 0, stream: 1, payload: Buffer.alloc(4) },
    { type: 7, flags: 0, stream: 0, payload: Buffer.alloc(8) },
    { type: 9, flags: 4, stream: 1, payload: block },
  ),
  fc.record({
    type: fc.nat(12),
    flags: fc.nat(255),
    stream: fc.oneof(fc.nat(5), fc.constant(0x7fff_ffff)),
    payload: fc.uint8Array({ maxLength: 60 }),
  }),
);

/** HTTP/2 below the calls: frames in any order, of any content. */
export const http2: Target<Input> = {
  name: "http2",
  input: fc.record({
    frames: fc.array(frame, { maxLength: 12 }),
    changes: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: mutations },
    ),
  }),
  async start() {
    const fixture = await startFixture();
    const good = Buffer.from(
      'POST /v1.0/bindings/probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 22\r\n\r\n{"operation":"create"}',
    );
    return {
      async check({ frames, changes }) {
        const bytes = Buffer.concat([
          preface,
          ...frames.map((one) => http2Frame(one, one.payload)),
        ]);
        await exchange(fixture.port, [mutate(bytes, changes)], 20);
        const { status } = oneReply(await exchange(fixture.port, [good], 40_000));
        if (status !== 204) throw new Error(`the next good request got ${status}`);
        fixture.calls.length = 0;
      },
      [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
    };
  },
};
