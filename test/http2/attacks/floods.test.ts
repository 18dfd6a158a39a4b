// The eight of 2019, one by one: https://github.com/Netflix/security-bulletins (2019-002), and their kin.
import { expect, test } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import {
  connectionWindow,
  mostCredit,
  mostIdleFrames,
  mostUnreadAnswers,
  mostUnsent,
  usefulBytes,
} from "../../../src/http2/limits.ts";
import { CountedMemory } from "../counted-memory.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { dial, Neighbour, serve } from "../served.ts";
import { flood } from "./flood.ts";

const most = 1024 * 1024;
const empty = raw.requestBlock("/empty");

/** Rounds of a thousand frames that are far above the limit. */
const rounds = (3 * mostIdleFrames) / 1000;

/** Frames that bring nothing, a thousand at once; some need a stream. */
const idle: readonly [string, Buffer, Buffer?][] = [
  ["PING (CVE-2019-9512)", raw.ping("flood")],
  ["PING with ACK", raw.ping("flood", true)],
  ["PRIORITY that moves streams about (CVE-2019-9513)", raw.priority(3, 1)],
  ["SETTINGS (CVE-2019-9515)", raw.settings(raw.Settings.initialWindowSize, 65_535)],
  ["empty SETTINGS (CVE-2019-9515)", raw.settings()],
  ["SETTINGS with ACK", raw.settingsAck],
  ["WINDOW_UPDATE", raw.windowUpdate(0, 1)],
  ["unknown frames", raw.frame(0xfa, 0, 0, Buffer.alloc(8))],
  [
    "empty DATA (CVE-2019-9518)",
    raw.data(1, ""),
    raw.headers(1, raw.requestBlock("/empty"), false),
  ],
  [
    "DATA of padding alone (CVE-2019-9518)",
    raw.frame(raw.Type.data, raw.Flags.padded, 1, Buffer.from([7, 0, 0, 0, 0, 0, 0, 0])),
    raw.headers(1, raw.requestBlock("/empty"), false),
  ],
  [
    "DATA of one byte (CVE-2019-9511)",
    raw.data(1, "x"),
    raw.headers(1, raw.requestBlock("/empty"), false),
  ],
  [
    "WINDOW_UPDATE of one byte, each answered by DATA of one (CVE-2019-9511)",
    raw.windowUpdate(1, 1),
    raw.headers(1, raw.requestBlock("/bytes/1000000")),
  ],
  [
    "RST_STREAM of a stream that has ended (CVE-2019-9514)",
    raw.reset(1),
    raw.headers(1, raw.requestBlock("/empty")),
  ],
];

test.each(idle)("a flood of %s is ended", async (_, frame, before) => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port, {
    settings: [raw.Settings.initialWindowSize, 0],
    answersNothing: true,
    forgetsData: true,
  });
  if (before !== undefined) await peer.send(before);
  const asked = neighbour.ask();
  await flood(peer, raw.repeated(frame, 1000), { rounds });
  expect(await peer.goawayCode()).toBe(ErrorCode.enhanceYourCalm);
  expect(served.memory.peak).toBeLessThan(most);
  expect(await asked).toBeLessThan(2000);
  await neighbour.ask();
});

/** Frames that each call for an answer, which nobody reads. */
const answered: readonly [string, (round: number) => Buffer][] = [
  ["PING (CVE-2019-9512)", () => raw.repeated(raw.ping("flood"), 1000)],
  ["SETTINGS (CVE-2019-9515)", () => raw.repeated(raw.settings(), 1000)],
  [
    "malformed requests (CVE-2019-9514)",
    (round) => {
      const block = raw.block(":method", "GET");
      return Buffer.concat(
        Array.from({ length: 1000 }, (__, at) => raw.headers(1 + 2 * (round * 1000 + at), block)),
      );
    },
  ],
  [
    "requests that are answered by large heads alone",
    (round) => {
      const block = raw.requestBlock("/head/2000");
      return Buffer.concat(
        Array.from({ length: 1000 }, (__, at) => raw.headers(1 + 2 * (round * 1000 + at), block)),
      );
    },
  ],
  [
    "requests with headers that are too large",
    (round) => {
      const block = raw.requestBlock("/", "large", "x".repeat(17_000));
      return Buffer.concat(
        Array.from({ length: 20 }, (__, at) => raw.headers(1 + 2 * (round * 20 + at), block)),
      );
    },
  ],
];

test.each(answered)("answers to %s that nobody reads do not gather", async (_, of) => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  await flood(peer, of, { rounds: (3 * mostUnreadAnswers) / 1000, withoutReading: true });
  await peer.roundTrip().catch(() => undefined);
  // What one chunk calls for may come on top.
  expect(served.memory.peak).toBeLessThan(mostUnsent + 6 * most);
  await neighbour.ask();
});

test("headers without name and value are malformed, and leave nothing behind (CVE-2019-9516)", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  const before = served.memory.used;
  const nothing = raw.repeated(raw.hpackLiteral("", ""), 300);
  const frames = Array.from({ length: 2000 }, (_, at) =>
    raw.headers(1 + 2 * at, Buffer.concat([empty, nothing])),
  );
  for (let at = 0; at < frames.length; at += 100) await peer.send(...frames.slice(at, at + 100));
  await peer.roundTrip();
  expect(await peer.resetOf(1)).toBe(ErrorCode.protocolError);
  expect(await peer.resetOf(3999)).toBe(ErrorCode.protocolError);
  expect(served.requests).toHaveLength(0);
  expect(served.memory.used - before).toBeLessThan(16 * 1024);
});

test("answers do not gather where windows are wide and nobody reads (CVE-2019-9517)", async () => {
  const memory = new CountedMemory(16 * most);
  await using served = await serve({ memory });
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port, {
    settings: [raw.Settings.initialWindowSize, 2 ** 31 - 1],
    forgetsData: true,
  });
  await peer.send(raw.windowUpdate(0, 2 ** 31 - 1 - 65_535));
  const ask = raw.requestBlock(`/bytes/${64 * most}`);
  await flood(peer, (round) => raw.headers(1 + 2 * round, ask), {
    rounds: 500,
    withoutReading: true,
  });
  expect(memory.peak).toBeLessThan(17 * most);
  await neighbour.ask();
});

test("one stream's body in parts of a useful size is no flood", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(raw.headers(1, empty, false));
  const part = raw.data(1, Buffer.alloc(usefulBytes));
  const parts = raw.repeated(part, 1000);
  let left = 3 * mostIdleFrames;
  expect(left * usefulBytes).toBeLessThan(connectionWindow);
  // Its stream's window is filled as it is read, so that the peer need not look at it.
  for (; left > 0; left -= 1000) await peer.send(parts);
  await peer.send(raw.data(1, "", true));
  await peer.ended(1);
  expect(served.requests[0]?.bytes).toBe(3 * mostIdleFrames * usefulBytes);
});

const interim = raw.headers(1, raw.block(":status", "103"), false);

/** Of a server, once it was asked. */
const ofServers: readonly [string, readonly Buffer[]][] = [
  ["PING", [raw.ping("flood")]],
  ["SETTINGS", [raw.settings()]],
  ["interim heads", [interim]],
  ["empty DATA", [raw.data(1, ""), raw.headers(1, raw.block(":status", "200"), false)]],
  ["heads of a stream that has ended", [raw.headers(1, raw.block(":status", "200"))]],
];

test.each(ofServers)("a server's flood of %s is ended", async (_, [frame, before]) => {
  await using dialled = await dial({ answersNothing: true });
  const answer = dialled.ask();
  await dialled.peer.find(({ type }) => type === raw.Type.headers, "the request");
  await dialled.peer.send(raw.settingsAck);
  if (before !== undefined) await dialled.peer.send(before);
  await flood(dialled.peer, raw.repeated(frame as Buffer, 1000), { rounds });
  expect(await dialled.peer.goawayCode()).toBe(ErrorCode.enhanceYourCalm);
  expect(await dialled.over).toContain("too many frames");
  await answer.closed;
  expect(dialled.memory.peak).toBeLessThan(most);
});

test("calls that a client cancels by thousands may all be answered late", async () => {
  await using dialled = await dial();
  const calls = mostCredit / 4;
  for (let made = 0; made < calls; made += 1000) {
    for (let more = 0; more < 1000; more++) dialled.ask().stream.reset(ErrorCode.cancel);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await dialled.peer.until(() => dialled.peer.count(raw.Type.reset) === calls, "cancellations");
  const head = raw.block(":status", "200");
  const status = raw.block("grpc-status", "0");
  for (let sent = 0; sent < calls; sent += 500) {
    const late = Array.from({ length: 500 }, (_, at) => {
      const stream = 1 + 2 * (sent + at);
      return [raw.headers(stream, head, false), raw.data(stream, ""), raw.headers(stream, status)];
    });
    await dialled.peer.send(...late.flat());
  }
  await dialled.peer.roundTrip();
  const last = dialled.ask();
  await dialled.peer.find(({ stream }) => stream === last.stream.id, "a further call");
  await dialled.peer.send(raw.headers(last.stream.id, head));
  await last.closed;
  expect(last.reset).toBeUndefined();
});
