// Connections that begin wrong, or stop half way. The clock is the test's, the sockets are real.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import { lastWords, lookInterval, looksToWait } from "../../../src/http2/limits.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { dial, serve } from "../served.ts";

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
  });
});
afterEach(() => vi.useRealTimers());

const head = raw.requestBlock("/empty");
const whole = [raw.preface, raw.settings(), raw.headers(1, head)];

/** All bytes that were sent before are with the server once it was asked by another connection. */
async function settled(port: number): Promise<void> {
  using other = await RawPeer.connect(port);
  await other.roundTrip();
}

/** Moves the clock by as many looks as the server waits, and one more. */
async function waitAsLong(): Promise<void> {
  for (let looks = 0; looks <= looksToWait + 1; looks++) {
    await vi.advanceTimersByTimeAsync(lookInterval);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const wrong: readonly [string, readonly Buffer[]][] = [
  ["another preface", [Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), raw.settings()]],
  ["HTTP/1.1", [Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")]],
  ["no SETTINGS", [raw.preface, raw.ping("first")]],
  ["SETTINGS with ACK", [raw.preface, raw.settingsAck]],
  ["HEADERS", [raw.preface, raw.headers(1, head)]],
];

test.each(wrong)("a connection that begins with %s is ended", async (_, parts) => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { isMute: true });
  await peer.send(...parts);
  expect(await peer.goawayCode()).toBe(ErrorCode.protocolError);
  await settled(served.port);
  expect(served.requests).toHaveLength(0);
});

test("a connection that comes byte by byte is served", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { isMute: true, answersNothing: true });
  for (const byte of Buffer.concat(whole)) await peer.send(Buffer.from([byte]));
  await peer.ended(1);
  expect(served.requests).toHaveLength(1);
});

/** Where a connection stops. */
const halves: readonly [string, readonly Buffer[]][] = [
  ["before the preface", []],
  ["within the preface", [raw.preface.subarray(0, 10)]],
  ["behind the preface", [raw.preface]],
  ["within its SETTINGS", [raw.preface, raw.settings(3, 1).subarray(0, 12)]],
  [
    "within a frame's head",
    [raw.preface, raw.settings(), raw.settingsAck, raw.ping("x").subarray(0, 4)],
  ],
  [
    "within a frame",
    [raw.preface, raw.settings(), raw.settingsAck, raw.headers(1, head).subarray(0, 20)],
  ],
  [
    "within a header block",
    [raw.preface, raw.settings(), raw.settingsAck, raw.frame(raw.Type.headers, 0, 1, head)],
  ],
];

test.each(halves)("a connection that stops %s is ended", async (_, parts) => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { isMute: true });
  if (parts.length > 0) await peer.send(...parts);
  await settled(served.port);
  await waitAsLong();
  await peer.closed;
  expect(served.requests).toHaveLength(0);
});

test.each(["server", "client"])(
  "SETTINGS that nobody acknowledges end the connection of a %s",
  async (side) => {
    if (side === "client") {
      await using dialled = await dial({ answersNothing: true });
      await dialled.peer.find(({ type }) => type === raw.Type.settings, "SETTINGS");
      await waitAsLong();
      expect(await dialled.peer.goawayCode()).toBe(ErrorCode.settingsTimeout);
      return;
    }
    await using served = await serve();
    using peer = await RawPeer.connect(served.port, { answersNothing: true });
    await settled(served.port);
    await waitAsLong();
    expect(await peer.goawayCode()).toBe(ErrorCode.settingsTimeout);
  },
);

test("a server that sends no SETTINGS is given up", async () => {
  await using dialled = await dial({ isMute: true });
  await dialled.peer.find(({ type }) => type === raw.Type.settings, "SETTINGS");
  await waitAsLong();
  expect(await dialled.over).not.toBe("");
});

test("a server that does not speak HTTP/2 is told from others", async () => {
  await using dialled = await dial({ isMute: true });
  await dialled.peer.send(Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
  expect(await dialled.over).toMatch(/HTTP\/1/);
});

test("a connection that has ended does not wait for a peer that does not", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.roundTrip();
  // It sees no end, and does not end itself.
  peer.socket.pause();
  await peer.send(raw.data(0, "x"));
  await settled(served.port);
  expect(served.reasons).toHaveLength(1);
  await expect.poll(() => served.openSockets()).toBe(1);
  await vi.advanceTimersByTimeAsync(lastWords);
  await expect.poll(() => served.openSockets()).toBe(0);
});

test("a connection that rests is left alone", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(
    raw.headers(1, raw.requestBlock("/empty")),
    raw.headers(3, raw.requestBlock("/hold"), false),
  );
  await peer.ended(1);
  for (let times = 0; times < 10; times++) await waitAsLong();
  expect(peer.isClosed).toBe(false);
  await peer.send(raw.headers(5, head));
  await peer.ended(5);
});

test("a frame that comes slowly is let come as long as it moves", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  // Its answer to SETTINGS is on its way before the frame begins.
  await peer.roundTrip();
  await peer.send(raw.headers(1, head, false));
  const body = raw.data(1, Buffer.alloc(64), true);
  await peer.send(body.subarray(0, 9));
  for (const byte of body.subarray(9)) {
    await peer.send(Buffer.from([byte]));
    await settled(served.port);
    await vi.advanceTimersByTimeAsync(lookInterval);
  }
  await peer.ended(1);
  expect(served.requests[0]?.bytes).toBe(64);
});
