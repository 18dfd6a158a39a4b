// Slow readers and slow senders: one budget for what all connections hold, and what happens at its edge.
import { afterEach, expect, test, vi } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import {
  closedAtLook,
  congestedFrom,
  connectionOverhead,
  lookInterval,
  looksToWait,
  manyConnections,
  smallestHolder,
  streamBufferBytes,
  streamOverhead,
} from "../../../src/http2/limits.ts";
import { CountedMemory } from "../counted-memory.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { dial, Neighbour, serve } from "../served.ts";

afterEach(() => vi.useRealTimers());

const kib = 1024;
const wide = {
  settings: [raw.Settings.initialWindowSize, 2 ** 31 - 1],
  forgetsData: true,
} as const;
const wider = raw.windowUpdate(0, 2 ** 31 - 1 - 65_535);

test("connections and streams are counted, and given back", async () => {
  await using served = await serve();
  const peers: RawPeer[] = [];
  for (let count = 0; count < 10; count++) peers.push(await RawPeer.connect(served.port));
  const hold = raw.requestBlock("/hold");
  for (const peer of peers) {
    await peer.send(...[1, 3, 5].map((stream) => raw.headers(stream, hold, false)));
    await peer.roundTrip();
  }
  expect(served.memory.used).toBeGreaterThanOrEqual(10 * (connectionOverhead + 3 * streamOverhead));
  for (const peer of peers) peer.end();
  await expect.poll(() => served.group.connections.size).toBe(0);
  expect(served.memory.used).toBe(0);
  expect(served.requests.every(({ closed }) => closed)).toBe(true);
});

test("at the edge new streams are refused, those that are open go on", async () => {
  const memory = new CountedMemory();
  await using served = await serve({ memory });
  using peer = await RawPeer.connect(served.port);
  await peer.send(raw.headers(1, raw.requestBlock("/empty"), false));
  await peer.roundTrip();
  memory.limit = memory.used + 1;
  await peer.send(raw.headers(3, raw.requestBlock("/empty"), false), raw.data(1, "x", true));
  expect(await peer.resetOf(3)).toBe(ErrorCode.refusedStream);
  await peer.ended(1);
  memory.limit = 2 ** 30;
  await peer.send(raw.headers(5, raw.requestBlock("/empty")));
  await peer.ended(5);
  expect(served.requests).toHaveLength(2);
});

/** What a connection can make the server hold of its own. */
const holders: readonly [string, (peer: RawPeer) => Promise<void>][] = [
  [
    "bodies that nobody reads",
    async (peer) => {
      await peer.send(
        raw.headers(1, raw.requestBlock("/pause"), false),
        raw.repeated(raw.data(1, Buffer.alloc(16 * kib)), 40),
      );
    },
  ],
  [
    "bodies of single bytes that nobody reads",
    async (peer) => {
      await peer.send(raw.headers(1, raw.requestBlock("/pause"), false));
      for (let times = 0; times < 40; times++)
        await peer.send(raw.repeated(raw.data(1, Buffer.alloc(100)), 160));
    },
  ],
  [
    "answers that the peer does not read",
    async (peer) => {
      peer.socket.pause();
      const ask = raw.requestBlock(`/bytes/${64 * kib * kib}`);
      await peer.send(
        wider,
        ...Array.from({ length: 20 }, (_, at) => raw.headers(1 + 2 * at, ask)),
      );
    },
  ],
];

test.each(holders)("the connection that holds most is closed: %s", async (_, hold) => {
  const memory = new CountedMemory(smallestHolder * 2);
  await using served = await serve({ memory });
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port, wide);
  await hold(peer);
  await expect.poll(() => served.reasons, { timeout: 10_000 }).toHaveLength(1);
  peer.socket.resume();
  await peer.closed;
  expect(memory.peak).toBeLessThan(smallestHolder * 6);
  expect(memory.used).toBeLessThan(smallestHolder);
  await neighbour.ask();
  expect(served.requests.filter(({ closed }) => !closed)).toHaveLength(0);
});

/** What many connections can hold little of each, without end. */
const stuck: readonly [string, Buffer][] = [
  ["answers without a window", raw.headers(1, raw.requestBlock("/bytes/65536"))],
  [
    "requests that are not whole",
    Buffer.concat(
      [1, 3, 5, 7, 9].map((stream) => raw.headers(stream, raw.requestBlock("/x"), false)),
    ),
  ],
];

test.each(stuck)(
  "where streams are refused on and on, who holds %s is closed",
  async (_, frames) => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const memory = new CountedMemory();
    await using served = await serve({ memory });
    using neighbour = await Neighbour.connect(served.port);
    // It waits for the server, not the server for it.
    using waiting = await RawPeer.connect(served.port);
    await waiting.send(
      ...Array.from({ length: 50 }, (__, at) => raw.headers(1 + 2 * at, raw.requestBlock("/hold"))),
    );
    await waiting.roundTrip();
    const peers: RawPeer[] = [];
    for (let count = 0; count < 14; count++) {
      const peer = await RawPeer.connect(served.port, {
        settings: [raw.Settings.initialWindowSize, 0],
      });
      peers.push(peer);
      await peer.send(frames);
      await peer.roundTrip();
    }
    memory.limit = memory.used + 100;
    for (let looks = 0; looks < looksToWait; looks++) {
      await expect(neighbour.ask()).rejects.toThrow("refused");
      vi.advanceTimersByTime(lookInterval);
    }
    await neighbour.ask();
    const closed = Math.ceil((peers.length + 2) * closedAtLook);
    await expect.poll(() => peers.filter(({ isClosed }) => isClosed)).toHaveLength(closed);
    expect(waiting.isClosed).toBe(false);
  },
);

test("where streams are refused on and on, connections that rest are closed if there are many", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const memory = new CountedMemory();
  await using served = await serve({ memory });
  using neighbour = await Neighbour.connect(served.port);
  const peers: RawPeer[] = [];
  while (peers.length < manyConnections) peers.push(await RawPeer.connect(served.port));
  await peers.at(-1)?.roundTrip();
  memory.limit = memory.used + 100;
  for (let looks = 0; looks < looksToWait; looks++) {
    await expect(neighbour.ask()).rejects.toThrow("refused");
    vi.advanceTimersByTime(lookInterval);
  }
  expect(served.reasons).toHaveLength(Math.ceil((peers.length + 1) * closedAtLook));
  for (const peer of peers) peer.end();
});

test("of an answer that nobody reads no more is made than the socket and its stream may hold", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, wide);
  peer.socket.pause();
  await peer.send(wider, raw.headers(1, raw.requestBlock(`/bytes/${1024 * kib * kib}`)));
  await expect.poll(() => served.memory.used, { timeout: 10_000 }).toBeGreaterThan(congestedFrom);
  using neighbour = await Neighbour.connect(served.port);
  for (let times = 0; times < 10; times++) await neighbour.ask();
  expect(served.memory.peak).toBeLessThan(2 * congestedFrom + 2 * streamBufferBytes);
});

test("header blocks that are not whole are counted", async () => {
  await using served = await serve();
  const before = served.memory.used;
  const part = raw.frame(
    raw.Type.headers,
    0,
    1,
    Buffer.concat([raw.requestBlock("/x"), raw.hpackLiteral("x", "y".repeat(15_000))]),
  );
  const peers: RawPeer[] = [];
  for (let count = 0; count < 10; count++) {
    const peer = await RawPeer.connect(served.port);
    peers.push(peer);
    await peer.roundTrip();
    await peer.send(part, raw.frame(raw.Type.continuation, 0, 1, Buffer.alloc(1), 16_384));
  }
  const each = connectionOverhead + 15_000 + 16_384;
  await expect.poll(() => served.memory.used - before).toBeGreaterThanOrEqual(10 * each);
  for (const peer of peers) peer.end();
  await expect.poll(() => served.memory.used).toBe(0);
});

test("a peer that reads slowly gets all of it", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { forgetsData: true });
  await peer.send(raw.headers(1, raw.requestBlock("/bytes/300000")));
  for (let seen = 65_535; seen < 300_000; seen = Math.min(seen + 5000, 300_000)) {
    await peer.until(() => peer.dataBytes === seen, `${seen} bytes`);
    expect(served.memory.used).toBeLessThan(300 * kib);
    await peer.send(raw.windowUpdate(0, 5000), raw.windowUpdate(1, 5000));
  }
  await peer.ended(1);
  expect(peer.dataBytes).toBe(300_000);
});

test("a client's answers that nobody reads are held up to their window", async () => {
  await using dialled = await dial();
  const answers = Array.from({ length: 4 }, () => dialled.ask());
  for (const { stream } of answers) stream.pause();
  await dialled.peer.find(({ stream }) => stream === 7, "the requests");
  for (const { stream } of answers)
    await dialled.peer.send(
      raw.headers(stream.id, raw.block(":status", "200"), false),
      raw.repeated(raw.data(stream.id, Buffer.alloc(16 * kib)), 64),
    );
  await dialled.peer.roundTrip();
  expect(dialled.memory.used).toBeGreaterThanOrEqual(4 * kib * kib);
  const windows = dialled.peer.frames.filter(
    ({ type, stream }) => type === raw.Type.windowUpdate && stream > 0,
  );
  expect(windows).toHaveLength(0);
  for (const { stream } of answers) stream.resume();
  expect(answers.map(({ bytes }) => bytes)).toEqual(answers.map(() => kib * kib));
  expect(dialled.memory.used).toBeLessThan(64 * kib);
  await dialled.peer.find(
    ({ type, stream }) => type === raw.Type.windowUpdate && stream === 7,
    "room",
  );
});
