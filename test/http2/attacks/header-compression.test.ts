// HPACK: blocks that are small on the wire and large in memory, and tables that are resized without end.
import { expect, test } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import { HpackDecoder } from "../../../src/http2/hpack-decoder.ts";
import { headerTable, mostIdleFrames } from "../../../src/http2/limits.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { dial, Neighbour, serve } from "../served.ts";

const head = raw.requestBlock("/empty");
/** The newest entry of the dynamic table. */
const newest = raw.hpackIndexed(62);

function request(stream: number, ...parts: readonly Buffer[]): Buffer {
  return raw.headers(stream, Buffer.concat([head, ...parts]));
}

test("a bomb makes no large list, and its table stays in use", async () => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  const before = served.memory.used;
  await peer.send(request(1, raw.hpackInserted("bomb", "x".repeat(4000))));
  await peer.ended(1);
  const bomb = raw.repeated(newest, 4000);
  for (let stream = 3; stream < 403; stream += 2) await peer.send(request(stream, bomb));
  await peer.ended(401);
  await peer.roundTrip();
  // Told by 431, before anybody sees it.
  expect(served.requests).toHaveLength(2);
  expect(served.memory.used - before).toBeLessThan(64 * 1024);
  await peer.send(request(1001, newest));
  await peer.ended(1001);
  expect(served.requests[2]?.head.get("bomb")).toHaveLength(4000);
  await neighbour.ask();
});

test("a bomb in an answer resets the client's stream alone", async () => {
  await using dialled = await dial();
  const [first, second] = [dialled.ask(), dialled.ask()];
  await dialled.peer.find(({ stream }) => stream === 3, "the requests");
  const entry = raw.hpackInserted("bomb", "x".repeat(4000));
  const status = raw.hpackIndexed(8);
  await dialled.peer.send(
    raw.headers(1, Buffer.concat([status, entry, raw.repeated(newest, 4000)])),
    raw.headers(3, Buffer.concat([status, newest])),
  );
  await first.closed;
  await second.closed;
  expect(first.head).toBeUndefined();
  expect(first.reset).toMatchObject({ by: "local" });
  expect(second.reset).toBeUndefined();
  expect(second.head?.get("bomb")).toHaveLength(4000);
});

const wrong: readonly [string, Buffer][] = [
  ["a table larger than allowed", Buffer.concat([raw.hpackTableSize(headerTable + 1), head])],
  ["a table of 4 GiB", Buffer.concat([raw.hpackTableSize(2 ** 32 - 1), head])],
  ["a resized table behind a field", Buffer.concat([head, raw.hpackTableSize(0)])],
  ["index 0", Buffer.concat([head, Buffer.from([0x80])])],
  ["an index that nothing has", Buffer.concat([head, newest])],
  ["a name's index that nothing has", Buffer.concat([head, raw.hpackInserted(62, "x")])],
  ["an index in 20 bytes", Buffer.concat([head, Buffer.alloc(20, 0xff), Buffer.from([0])])],
  ["an index that wraps around", Buffer.concat([head, raw.hpackIndexed(2 ** 32 + 2)])],
  ["a name's length in 20 bytes", Buffer.concat([head, Buffer.from([0]), Buffer.alloc(20, 0xff)])],
  ["an index that is cut", Buffer.concat([head, Buffer.from([0xff])])],
  ["a string longer than the block", Buffer.concat([head, Buffer.from([0, 0x7e, 0x61])])],
  ["a field without a value", Buffer.concat([head, Buffer.from([0, 1, 0x61])])],
  ["Huffman's end of string", Buffer.concat([head, Buffer.from([0, 0x84, 255, 255, 255, 255])])],
  ["a byte of Huffman's padding", Buffer.concat([head, Buffer.from([0, 0x82, 0x1f, 0xff])])],
  ["padding that is not ones", Buffer.concat([head, Buffer.from([0, 0x81, 0x18])])],
];

test.each(wrong)("%s is a COMPRESSION_ERROR", async (_, block) => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(raw.headers(1, block));
  expect(await peer.goawayCode()).toBe(ErrorCode.compressionError);
  expect(served.requests).toHaveLength(0);
});

test("a wrong block is a COMPRESSION_ERROR for clients too", async () => {
  await using dialled = await dial();
  const answer = dialled.ask();
  await dialled.peer.find(({ stream }) => stream === 1, "the request");
  await dialled.peer.send(raw.headers(1, newest));
  expect(await dialled.peer.goawayCode()).toBe(ErrorCode.compressionError);
  await answer.closed;
  expect(answer.reset).toMatchObject({ by: "connection" });
});

test("a table resized and filled with each request takes no more than its size", async () => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  const before = served.memory.used;
  const block = Buffer.concat([
    raw.hpackTableSize(0),
    raw.hpackTableSize(headerTable),
    head,
    ...Array.from({ length: 100 }, (_, at) => raw.hpackInserted(`n${at}`, "v")),
    raw.hpackInserted("large", "x".repeat(4000)),
    // An entry larger than the table empties it.
    raw.hpackInserted("larger", "x".repeat(5000)),
  ]);
  for (let stream = 1; stream < 601; stream += 20)
    await peer.send(...Array.from({ length: 10 }, (_, at) => raw.headers(stream + 2 * at, block)));
  await peer.ended(599);
  expect(served.memory.used - before).toBeLessThan(64 * 1024);
  await peer.send(request(601, newest));
  expect(await peer.goawayCode()).toBe(ErrorCode.compressionError);
  await neighbour.ask();
});

test("what tables hold is counted, and given back with the connection", async () => {
  await using served = await serve();
  const before = served.memory.used;
  const peers: RawPeer[] = [];
  for (let count = 0; count < 20; count++) peers.push(await RawPeer.connect(served.port));
  for (const peer of peers) await peer.roundTrip();
  const idle = served.memory.used;
  expect(idle).toBeGreaterThan(before);
  const entry = raw.hpackInserted("large", "x".repeat(4000));
  for (const peer of peers) await peer.send(request(1, entry));
  for (const peer of peers) await peer.ended(1);
  expect(served.memory.used - before).toBeGreaterThanOrEqual(20 * 4000);
  expect(served.memory.used - idle).toBeLessThan(20 * 32 * 1024);
  for (const peer of peers) peer.end();
  using last = await Neighbour.connect(served.port);
  await expect.poll(() => served.group.connections.size).toBe(1);
  await last.ask();
  expect(served.memory.used - before).toBeLessThan(32 * 1024);
});

test("a peer without a table gets blocks without one", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { settings: [raw.Settings.headerTableSize, 0] });
  const decoder = new HpackDecoder({ maxTableSize: 0, maxListSize: 16_384 });
  for (let stream = 1; stream < 21; stream += 2) {
    await peer.send(request(stream));
    await peer.ended(stream);
  }
  const heads = peer.frames.filter(({ type }) => type === raw.Type.headers);
  expect(heads).toHaveLength(10);
  for (const { payload } of heads)
    expect(decoder.decode(payload, 0, payload.length).get(":status")).toBe("200");
});

test("a peer's table that comes and goes stays in step with ours", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  const decoder = new HpackDecoder({ maxTableSize: headerTable, maxListSize: 16_384 });
  const { headerTableSize } = raw.Settings;
  let seen = 0;
  for (let round = 0; round < 50; round++) {
    const stream = 1 + 2 * round;
    await peer.send(
      raw.settings(headerTableSize, 0),
      raw.settings(headerTableSize, round % 2 === 0 ? 2 ** 32 - 1 : headerTable),
      request(stream),
    );
    await peer.ended(stream);
    for (; seen < peer.frames.length; seen++) {
      const { type, payload } = peer.frames[seen] as (typeof peer.frames)[number];
      if (type === raw.Type.headers)
        expect(decoder.decode(payload, 0, payload.length).get(":status")).toBe("200");
    }
  }
  expect(50 * 2).toBeLessThan(mostIdleFrames);
});
