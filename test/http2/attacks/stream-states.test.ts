// Frames where they may not be: on idle and closed streams, with ids that go backwards, of wrong lengths.
import { expect, test } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import { largestFrame, mostSettings, rememberedStreams } from "../../../src/http2/limits.ts";
import type { Http2Frame } from "../../grpc/http2-frame.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { dial, goawayFor, Neighbour, serve } from "../served.ts";

const { protocolError, streamClosed, frameSizeError, flowControlError, enhanceYourCalm } =
  ErrorCode;
const head = raw.requestBlock("/empty");
const hold = raw.headers(1, raw.requestBlock("/hold"), false);
const whole = raw.headers(1, head);
const { Type } = raw;

/** Errors of the connection: what is sent, and the code of the GOAWAY. */
const fatal: readonly [string, number, readonly Buffer[]][] = [
  ["DATA on an idle stream", protocolError, [raw.data(1, "x")]],
  ["RST_STREAM on an idle stream", protocolError, [raw.reset(1)]],
  ["WINDOW_UPDATE on an idle stream", protocolError, [raw.windowUpdate(1, 1)]],
  ["HEADERS on an even stream", protocolError, [raw.headers(2, head)]],
  ["HEADERS on stream 0", protocolError, [raw.headers(0, head)]],
  ["DATA on stream 0", protocolError, [raw.data(0, "x")]],
  ["RST_STREAM on stream 0", protocolError, [raw.reset(0)]],
  ["PRIORITY on stream 0", protocolError, [raw.priority(0, 1)]],
  ["PRIORITY that depends on itself", protocolError, [hold, raw.priority(1, 1)]],
  [
    "HEADERS that depend on themselves",
    protocolError,
    [
      raw.frame(
        Type.headers,
        raw.Flags.priority | raw.Flags.endHeaders,
        1,
        Buffer.concat([Buffer.from([0, 0, 0, 1, 9]), head]),
      ),
    ],
  ],
  ["SETTINGS on a stream", protocolError, [hold, raw.frame(Type.settings, 0, 1)]],
  ["PING on a stream", protocolError, [hold, raw.frame(Type.ping, 0, 1, Buffer.alloc(8))]],
  ["GOAWAY on a stream", protocolError, [hold, raw.frame(Type.goaway, 0, 1, Buffer.alloc(8))]],
  ["an id that was skipped", protocolError, [raw.headers(5, head), raw.headers(3, head)]],
  [
    "HEADERS on a stream that has ended",
    streamClosed,
    [whole, raw.headers(3, head), raw.headers(1, head)],
  ],
  [
    "PUSH_PROMISE of a client",
    protocolError,
    [hold, raw.frame(Type.pushPromise, 4, 1, Buffer.concat([raw.uint32(2), head]))],
  ],
  [
    "padding as long as DATA",
    protocolError,
    [hold, raw.frame(Type.data, raw.Flags.padded, 1, Buffer.from([2, 0]))],
  ],
  [
    "padding as long as HEADERS",
    protocolError,
    [raw.frame(Type.headers, raw.Flags.padded | raw.Flags.endHeaders, 1, Buffer.from([9, 0]))],
  ],
  ["padded DATA of nothing", frameSizeError, [hold, raw.frame(Type.data, raw.Flags.padded, 1)]],
  [
    "padded HEADERS of nothing",
    frameSizeError,
    [raw.frame(Type.headers, raw.Flags.padded | raw.Flags.endHeaders, 1)],
  ],
  [
    "HEADERS too short for their priority",
    frameSizeError,
    [raw.frame(Type.headers, raw.Flags.priority | raw.Flags.endHeaders, 1, Buffer.alloc(4))],
  ],
  [
    "RST_STREAM of three bytes",
    frameSizeError,
    [hold, raw.frame(Type.reset, 0, 1, Buffer.alloc(3))],
  ],
  [
    "WINDOW_UPDATE of five bytes",
    frameSizeError,
    [hold, raw.frame(Type.windowUpdate, 0, 1, Buffer.alloc(5))],
  ],
  ["PING of seven bytes", frameSizeError, [raw.frame(Type.ping, 0, 0, Buffer.alloc(7))]],
  ["GOAWAY of seven bytes", frameSizeError, [raw.frame(Type.goaway, 0, 0, Buffer.alloc(7))]],
  ["SETTINGS of five bytes", frameSizeError, [raw.frame(Type.settings, 0, 0, Buffer.alloc(5))]],
  [
    "SETTINGS with ACK and more",
    frameSizeError,
    [raw.frame(Type.settings, raw.Flags.ack, 0, Buffer.alloc(6))],
  ],
  [
    "DATA above the largest frame",
    frameSizeError,
    [hold, raw.data(1, Buffer.alloc(largestFrame + 1))],
  ],
  [
    "HEADERS above the largest frame",
    frameSizeError,
    [raw.headers(1, Buffer.alloc(largestFrame + 1))],
  ],
  [
    "an unknown frame above the largest",
    frameSizeError,
    [raw.frame(0xfa, 0, 0, Buffer.alloc(largestFrame + 1))],
  ],
  ["ENABLE_PUSH of 2", protocolError, [raw.settings(raw.Settings.enablePush, 2)]],
  ["MAX_FRAME_SIZE of 16383", protocolError, [raw.settings(raw.Settings.maxFrameSize, 16_383)]],
  ["MAX_FRAME_SIZE of 2^24", protocolError, [raw.settings(raw.Settings.maxFrameSize, 2 ** 24)]],
  [
    "INITIAL_WINDOW_SIZE of 2^31",
    flowControlError,
    [raw.settings(raw.Settings.initialWindowSize, 2 ** 31)],
  ],
  [
    "more settings than a frame may have",
    enhanceYourCalm,
    [raw.settings(...Array.from({ length: 2 * (mostSettings + 1) }, () => 0x99))],
  ],
];

test.each(fatal)("%s is an error of the connection", async (_, code, frames) => {
  expect(await goawayFor(frames)).toBe(code);
});

/** Errors of a stream: its code, also where the connection ends with it. */
const local: readonly [string, number, readonly Buffer[]][] = [
  [
    "DATA after END_STREAM",
    streamClosed,
    [raw.headers(1, raw.requestBlock("/hold")), raw.data(1, "x")],
  ],
  [
    "HEADERS after END_STREAM",
    streamClosed,
    [raw.headers(1, raw.requestBlock("/hold")), raw.headers(1, head)],
  ],
  ["DATA after both have ended", streamClosed, [whole, raw.data(1, "x")]],
  ["DATA after the peer's RST_STREAM", streamClosed, [hold, raw.reset(1), raw.data(1, "x")]],
  ["HEADERS after the peer's RST_STREAM", streamClosed, [hold, raw.reset(1), raw.headers(1, head)]],
  ["a second head", protocolError, [hold, raw.headers(1, raw.block("x", "1"), false)]],
  ["trailers with a pseudo-header", protocolError, [hold, raw.headers(1, raw.block(":path", "/"))]],
  [
    "PRIORITY of four bytes",
    frameSizeError,
    [hold, raw.frame(Type.priority, 0, 1, Buffer.alloc(4))],
  ],
];

test.each(local)("%s ends the stream or the connection", async (_, code, frames) => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  await peer.send(...frames);
  const isEnd = ({ type, stream }: Http2Frame): boolean =>
    (type === Type.reset && stream === 1) || type === Type.goaway;
  const { type, payload } = await peer.find(isEnd, "the end of the stream");
  expect(payload.readUInt32BE(type === Type.reset ? 0 : 4)).toBe(code);
  await neighbour.ask();
});

/** What is to be borne. */
const harmless: readonly [string, readonly Buffer[]][] = [
  ["PRIORITY on an idle stream", [raw.priority(99, 3)]],
  ["PRIORITY on a closed stream", [whole, raw.priority(1, 3)]],
  ["WINDOW_UPDATE on a closed stream", [whole, raw.windowUpdate(1, 1)]],
  ["RST_STREAM on a closed stream", [whole, raw.reset(1)]],
  ["RST_STREAM twice", [hold, raw.reset(1), raw.reset(1)]],
  [
    "DATA after our RST_STREAM",
    [hold, raw.windowUpdate(1, 0), raw.data(1, "x"), raw.data(1, "y", true)],
  ],
  [
    "trailers after our RST_STREAM",
    [hold, raw.windowUpdate(1, 0), raw.headers(1, raw.block("x", "1"))],
  ],
  ["PING with ACK", [raw.ping("nobody", true)]],
  ["SETTINGS with ACK", [raw.settingsAck, raw.settingsAck]],
  ["an unknown frame", [raw.frame(0xfa, 255, 0, Buffer.alloc(100)), raw.frame(0xfb, 0, 7)]],
  ["an unknown setting", [raw.settings(0x99, 1)]],
  ["unknown flags", [raw.frame(Type.ping, 0xfe, 0, Buffer.alloc(8))]],
  ["the reserved bit", [raw.frame(Type.windowUpdate, 0, 0x8000_0000, raw.uint32(0x8000_0001))]],
  ["ids that are skipped", [raw.headers(77, head)]],
  [
    "padding",
    [
      raw.frame(
        Type.headers,
        raw.Flags.padded | raw.Flags.endHeaders,
        1,
        Buffer.concat([Buffer.from([3]), head, Buffer.alloc(3)]),
      ),
      raw.frame(
        Type.data,
        raw.Flags.padded | raw.Flags.endStream,
        1,
        Buffer.from([2, 97, 98, 0, 0]),
      ),
    ],
  ],
  [
    "HEADERS with a priority",
    [
      raw.frame(
        Type.headers,
        raw.Flags.priority | raw.Flags.endHeaders | raw.Flags.endStream,
        1,
        Buffer.concat([Buffer.from([0x80, 0, 0, 3, 9]), head]),
      ),
    ],
  ],
  [
    "the largest frame",
    [
      hold,
      raw.data(1, Buffer.alloc(largestFrame)),
      raw.frame(0xfa, 0, 0, Buffer.alloc(largestFrame)),
    ],
  ],
];

test.each(harmless)("%s is borne", async (_, frames) => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(...frames, raw.headers(101, raw.requestBlock("/after")));
  await peer.ended(101);
  await peer.roundTrip();
  expect(peer.count(Type.goaway)).toBe(0);
  expect(served.requests.at(-1)?.head.get(":path")).toBe("/after");
});

test("what is late of streams that were reset is borne, of as many as are remembered", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  const ids = Array.from({ length: rememberedStreams }, (_, at) => 1 + 2 * at);
  const block = raw.requestBlock("/hold");
  await peer.send(
    ...ids.flatMap((id) => [raw.headers(id, block, false), raw.windowUpdate(id, 0)]),
    ...ids.flatMap((id) => [raw.data(id, "late"), raw.headers(id, raw.block("late", "1"))]),
  );
  await peer.roundTrip();
  expect(peer.count(Type.reset)).toBe(rememberedStreams);
  expect(peer.count(Type.goaway)).toBe(0);
});

/** What a server may not send, and the code that it gets. */
const ofServers: readonly [string, number, readonly Buffer[]][] = [
  [
    "HEADERS on a stream that nobody opened",
    protocolError,
    [raw.headers(3, raw.block(":status", "200"))],
  ],
  ["HEADERS on an even stream", protocolError, [raw.headers(2, raw.block(":status", "200"))]],
  ["DATA on a stream that nobody opened", protocolError, [raw.data(3, "x")]],
  ["WINDOW_UPDATE on a stream that nobody opened", protocolError, [raw.windowUpdate(3, 1)]],
  [
    "PUSH_PROMISE",
    protocolError,
    [raw.frame(Type.pushPromise, 4, 1, Buffer.concat([raw.uint32(2), head]))],
  ],
  ["ENABLE_PUSH", protocolError, [raw.settings(raw.Settings.enablePush, 1)]],
  ["a window above its limit", flowControlError, [raw.windowUpdate(0, 2 ** 31 - 1)]],
  [
    "a frame above the largest",
    frameSizeError,
    [raw.frame(0xfa, 0, 0, Buffer.alloc(largestFrame + 1))],
  ],
];

test.each(ofServers)("%s of a server is an error of the connection", async (_, code, frames) => {
  await using dialled = await dial();
  const answer = dialled.ask();
  await dialled.peer.find(({ type }) => type === Type.headers, "the request");
  await dialled.peer.send(...frames);
  expect(await dialled.peer.goawayCode()).toBe(code);
  await answer.closed;
  expect(answer.reset).toMatchObject({ by: "connection" });
  await dialled.over;
});
