// CVE-2023-44487: streams are opened and reset at once. CVE-2025-8671: the server is made to reset them.
import { expect, test } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import { mostStreams } from "../../../src/http2/limits.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { Neighbour, serve } from "../served.ts";

const empty = raw.requestBlock("/empty");
const hold = raw.requestBlock("/hold");

const some = 500;
/** Some more than there may be, all in whole portions. */
const tooMany = Math.ceil((mostStreams + 1) / some) * some;

/** Sends what `of` makes for each stream from `first` on, {@link some} streams with one write. */
async function each(
  peer: RawPeer,
  { first, count }: { first: number; count: number },
  of: (stream: number) => readonly Buffer[],
): Promise<void> {
  const frames = Buffer.concat(Array.from({ length: some }, (_, at) => of(first + 2 * at)).flat());
  for (let done = 0; done < count && !peer.isClosed; done += some) {
    await peer.send(frames);
    raw.moveStreams(frames, 2 * some);
  }
}

test("30,000 cancellations in a row pass", async () => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  const before = served.memory.used;
  await each(peer, { first: 1, count: 30_000 }, (stream) => [
    raw.headers(stream, empty, false),
    raw.reset(stream),
  ]);
  await peer.roundTrip();
  expect(peer.count(raw.Type.goaway)).toBe(0);
  expect(served.requests).toHaveLength(30_001);
  expect(served.requests.slice(1).every(({ reset }) => reset?.by === "peer")).toBe(true);
  expect(served.memory.used - before).toBeLessThan(64 * 1024);
  await peer.send(raw.headers(60_001, empty));
  await peer.ended(60_001);
  await neighbour.ask();
});

test("a cancelled stream counts until its work has ended", async () => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  await each(peer, { first: 1, count: tooMany }, (stream) => [
    raw.headers(stream, hold, false),
    raw.reset(stream),
  ]);
  await peer.roundTrip();
  expect(served.requests).toHaveLength(mostStreams + 1);
  expect(await peer.resetOf(1 + 2 * mostStreams)).toBe(ErrorCode.refusedStream);
  expect(peer.count(raw.Type.reset)).toBe(tooMany - mostStreams);
  await neighbour.ask();
  served.release();
  const next = 1 + 2 * tooMany;
  await peer.send(raw.headers(next, hold));
  await peer.ended(next);
  expect(peer.count(raw.Type.goaway)).toBe(0);
});

const longBody = raw.requestBlock("/hold", "content-length", "1");

/** What makes the server reset a stream that it has accepted, and with which code. */
const provocations: readonly [string, number, (stream: number) => readonly Buffer[]][] = [
  [
    "a WINDOW_UPDATE of zero",
    ErrorCode.protocolError,
    (stream) => [raw.headers(stream, hold, false), raw.windowUpdate(stream, 0)],
  ],
  [
    "a window above its limit",
    ErrorCode.flowControlError,
    (stream) => [raw.headers(stream, hold, false), raw.windowUpdate(stream, 2 ** 31 - 1)],
  ],
  [
    "DATA after END_STREAM",
    ErrorCode.streamClosed,
    (stream) => [raw.headers(stream, hold), raw.data(stream, "late")],
  ],
  [
    "HEADERS after END_STREAM",
    ErrorCode.streamClosed,
    (stream) => [raw.headers(stream, hold), raw.headers(stream, raw.block("late", "1"))],
  ],
  [
    "a second head",
    ErrorCode.protocolError,
    (stream) => [raw.headers(stream, hold, false), raw.headers(stream, raw.block("x", "1"), false)],
  ],
  [
    "a body unlike its content-length",
    ErrorCode.protocolError,
    (stream) => [raw.headers(stream, longBody, false), raw.data(stream, "two")],
  ],
];

test.each(provocations)(
  "streams reset for %s count until their work has ended",
  async (_, code, of) => {
    await using served = await serve();
    using neighbour = await Neighbour.connect(served.port);
    using peer = await RawPeer.connect(served.port);
    await each(peer, { first: 1, count: tooMany }, of);
    await peer.roundTrip();
    expect(served.requests).toHaveLength(mostStreams + 1);
    expect(served.requests.slice(1).every(({ reset }) => reset?.by === "local")).toBe(true);
    expect(await peer.resetOf(1)).toBe(code);
    expect(await peer.resetOf(2 * mostStreams - 1)).toBe(code);
    expect(await peer.resetOf(1 + 2 * mostStreams)).toBe(ErrorCode.refusedStream);
    await neighbour.ask();
    served.release();
    const next = 1 + 2 * tooMany;
    await peer.send(raw.headers(next, hold));
    await peer.ended(next);
  },
);
