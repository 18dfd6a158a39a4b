// Flow control: windows that overflow, that others fill, and that are changed under many streams.
import { expect, test } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import { connectionWindow, mostStreams, streamWindow } from "../../../src/http2/limits.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { dial, goawayFor, Neighbour, serve } from "../served.ts";

const { initialWindowSize } = raw.Settings;
const largest = 2 ** 31 - 1;
const open = raw.headers(1, raw.requestBlock("/hold"), false);

/** What ends a connection. */
const fatal: readonly [string, number, readonly Buffer[]][] = [
  [
    "a connection's window above its limit",
    ErrorCode.flowControlError,
    [raw.windowUpdate(0, largest)],
  ],
  [
    "an initial window above the limit",
    ErrorCode.flowControlError,
    [raw.settings(initialWindowSize, 2 ** 31)],
  ],
  [
    "an initial window that lifts a stream's above the limit",
    ErrorCode.flowControlError,
    [open, raw.windowUpdate(1, largest - 65_535), raw.settings(initialWindowSize, 65_536)],
  ],
  ["a WINDOW_UPDATE of zero for the connection", ErrorCode.protocolError, [raw.windowUpdate(0, 0)]],
];

test.each(fatal)("%s is an error of the connection", async (_, code, frames) => {
  expect(await goawayFor(frames)).toBe(code);
});

/** What ends a stream alone. */
const local: readonly [string, number, readonly Buffer[]][] = [
  [
    "a stream's window above its limit",
    ErrorCode.flowControlError,
    [open, raw.windowUpdate(1, largest - 65_535), raw.windowUpdate(1, 1)],
  ],
  ["a WINDOW_UPDATE of zero", ErrorCode.protocolError, [open, raw.windowUpdate(1, 0)]],
];

test.each(local)("%s is an error of the stream", async (_, code, frames) => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(...frames);
  expect(await peer.resetOf(1)).toBe(code);
  await peer.send(raw.headers(3, raw.requestBlock("/bytes/100000")));
  await peer.until(() => peer.dataBytes === 65_535, "what the connection's window allows");
  await peer.send(raw.windowUpdate(0, 100_000), raw.windowUpdate(3, 100_000));
  await peer.ended(3);
});

test("more than a stream's window ends the stream or the connection, and is not kept", async () => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  await peer.send(raw.headers(1, raw.requestBlock("/pause"), false));
  const part = raw.data(1, Buffer.alloc(16_384));
  await peer.send(raw.repeated(part, streamWindow / 16_384));
  await peer.roundTrip();
  expect(served.memory.used).toBeGreaterThanOrEqual(streamWindow);
  await peer.send(raw.data(1, "x"));
  const told = await peer.find(
    ({ type }) => type === raw.Type.reset || type === raw.Type.goaway,
    "the end of the stream",
  );
  expect(told.payload.readUInt32BE(told.type === raw.Type.reset ? 0 : 4)).toBe(
    ErrorCode.flowControlError,
  );
  expect(served.requests[1]).toMatchObject({ closed: true, bytes: 0 });
  expect(served.memory.used).toBeLessThan(streamWindow / 4);
  await neighbour.ask();
});

test("more than a connection's window ends the connection", async () => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  const head = raw.requestBlock("/pause");
  const streams = connectionWindow / streamWindow;
  for (let at = 0; at < streams; at++) {
    const stream = 1 + 2 * at;
    await peer.send(
      raw.headers(stream, head, false),
      raw.repeated(raw.data(stream, Buffer.alloc(16_384)), streamWindow / 16_384),
    );
  }
  await peer.roundTrip();
  const one = 1 + 2 * streams;
  await peer.send(raw.headers(one, head, false), raw.data(one, "x"));
  expect(await peer.goawayCode()).toBe(ErrorCode.flowControlError);
  await neighbour.ask();
  expect(served.memory.used).toBeLessThan(streamWindow / 4);
});

test("a server that sends more than the client's window is cut off", async () => {
  await using dialled = await dial();
  const answer = dialled.ask();
  answer.stream.pause();
  await dialled.peer.find(({ stream }) => stream === 1, "the request");
  await dialled.peer.send(
    raw.headers(1, raw.block(":status", "200"), false),
    raw.repeated(raw.data(1, Buffer.alloc(16_384)), streamWindow / 16_384),
    raw.data(1, "x"),
  );
  await answer.closed;
  expect(answer.reset).toMatchObject({ code: ErrorCode.flowControlError });
  expect(answer.bytes).toBe(0);
});

test("windows of 2^31 - 1, as nginx announces, are taken", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { settings: [initialWindowSize, largest] });
  await peer.send(raw.windowUpdate(0, largest - 65_535));
  await peer.send(raw.headers(1, raw.requestBlock("/bytes/3000000")));
  await peer.ended(1);
  expect(peer.dataBytes).toBe(3_000_000);
  // What came leaves room for as much again.
  await peer.send(raw.windowUpdate(0, 3_000_000), raw.headers(3, raw.requestBlock("/bytes/10")));
  await peer.ended(3);
});

test("a window that becomes negative waits until it is filled again", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { settings: [initialWindowSize, 1000] });
  await peer.send(raw.headers(1, raw.requestBlock("/bytes/3000")));
  await peer.until(() => peer.dataBytes === 1000, "the first window");
  await peer.send(raw.settings(initialWindowSize, 0), raw.windowUpdate(1, 1000));
  await peer.roundTrip();
  expect(peer.dataBytes).toBe(1000);
  await peer.send(raw.windowUpdate(1, 1));
  await peer.until(() => peer.dataBytes === 1001, "a byte");
  await peer.roundTrip();
  expect(peer.dataBytes).toBe(1001);
  await peer.send(raw.settings(initialWindowSize, 5000));
  await peer.ended(1);
  expect(peer.dataBytes).toBe(3000);
});

test("frames are never larger than the peer takes", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { settings: [initialWindowSize, largest] });
  await peer.send(raw.windowUpdate(0, largest - 65_535));
  await peer.send(raw.headers(1, raw.requestBlock("/bytes/300000")));
  await peer.ended(1);
  expect(Math.max(...peer.frames.map(({ payload }) => payload.length))).toBeLessThanOrEqual(16_384);
});

test("changes of the window under 4,096 open streams do not take the processor", async () => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port, {
    settings: [initialWindowSize, 0],
    forgetsData: true,
  });
  const block = raw.requestBlock("/bytes/1000");
  for (let at = 0; at < mostStreams; at += 512)
    await peer.send(
      ...Array.from({ length: 512 }, (_, more) => raw.headers(1 + 2 * (at + more), block)),
    );
  await peer.roundTrip();
  expect(served.requests).toHaveLength(mostStreams + 1);
  // The connection's window is used up soon, so that what follows has nothing to send.
  const changes = Array.from({ length: 2000 }, (_, at) =>
    raw.settings(initialWindowSize, at % 2 === 0 ? 100 : 0),
  );
  const { user: before } = process.cpuUsage();
  await peer.send(...changes);
  await Promise.race([peer.roundTrip().catch(() => undefined), peer.closed]);
  const spent = (process.cpuUsage().user - before) / 1000;
  // 2,000 × 4,096 windows one by one would be more than this.
  expect(spent).toBeLessThan(2000);
  expect(await neighbour.ask()).toBeLessThan(1000);
});
