// CVE-2024-27316 and its kin: header blocks that go on without end.
import { expect, test } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import {
  headerBlockFactor,
  largestRequestHeaders,
  largestResponseHeaders,
  mostContinuations,
} from "../../../src/http2/limits.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { dial, Neighbour, serve } from "../served.ts";
import { flood } from "./flood.ts";

const most = 1024 * 1024;
const head = raw.requestBlock("/empty");
/** HEADERS that end neither the block nor the stream. */
const opened = raw.frame(raw.Type.headers, 0, 1, head);

const endless: readonly [string, Buffer][] = [
  ["of 16 KiB", raw.continuation(1, raw.hpackLiteral("long", "x".repeat(16_370)))],
  ["of one small field", raw.continuation(1, raw.block("a", "b"))],
  ["of one byte", raw.continuation(1, Buffer.from([0]))],
  ["of nothing", raw.continuation(1, Buffer.alloc(0))],
];

test.each(endless)("endless CONTINUATION %s ends the connection", async (_, part) => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  await peer.send(opened);
  await flood(peer, raw.repeated(part, 10), { rounds: 1000 });
  expect(await peer.goawayCode()).toBe(ErrorCode.enhanceYourCalm);
  expect(served.requests).toHaveLength(1);
  expect(served.memory.peak).toBeLessThan(most);
  await neighbour.ask();
});

test("endless CONTINUATION of trailers ends the connection", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(
    raw.headers(1, head, false),
    raw.frame(raw.Type.headers, 1, 1, raw.block("a", "b")),
  );
  await flood(peer, raw.repeated(raw.continuation(1, raw.block("a", "b")), 10), { rounds: 1000 });
  expect(await peer.goawayCode()).toBe(ErrorCode.enhanceYourCalm);
  expect(served.requests[0]?.ended).toBe(false);
});

test("endless CONTINUATION of a refused stream ends the connection", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(opened, raw.continuation(1, raw.block("", ""), true));
  await peer.roundTrip();
  await peer.send(raw.frame(raw.Type.headers, 0, 3, head));
  await flood(peer, raw.continuation(3, raw.block("a", "b")), { rounds: 1000 });
  expect(await peer.goawayCode()).toBe(ErrorCode.enhanceYourCalm);
});

test("endless CONTINUATION of an answer ends the client's connection", async () => {
  await using dialled = await dial();
  const answer = dialled.ask();
  await dialled.peer.find(({ type }) => type === raw.Type.headers, "the request");
  await dialled.peer.send(raw.frame(raw.Type.headers, 0, 1, raw.block(":status", "200")));
  await flood(dialled.peer, raw.repeated(raw.continuation(1, raw.block("a", "b")), 10), {
    rounds: 1000,
  });
  expect(await dialled.peer.goawayCode()).toBe(ErrorCode.enhanceYourCalm);
  await answer.closed;
  expect(answer.reset).toMatchObject({ by: "connection" });
  expect(answer.head).toBeUndefined();
  expect(dialled.memory.peak).toBeLessThan(most);
});

test("a head in as many CONTINUATIONs as there may be is read", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  const parts = Array.from({ length: mostContinuations }, (_, at) =>
    raw.continuation(1, raw.block(`part-${at}`, "x"), at === mostContinuations - 1),
  );
  await peer.send(raw.frame(raw.Type.headers, raw.Flags.endStream, 1, head), ...parts);
  await peer.ended(1);
  expect(served.requests[0]?.head.get(`part-${mostContinuations - 1}`)).toBe("x");
});

test("a block as large as it may be in bytes is read in parts, one above ends the connection", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  const largest = largestRequestHeaders * headerBlockFactor;
  // Size updates take room and bring no field.
  const filled = (size: number): Buffer =>
    Buffer.concat([head, raw.hpackLiteral("x", "y".repeat(size - head.length - 7))]).subarray(
      0,
      size,
    );
  const whole = filled(largest);
  await peer.send(
    raw.frame(raw.Type.headers, raw.Flags.endStream, 1, whole.subarray(0, 16_384)),
    raw.continuation(1, whole.subarray(16_384), true),
  );
  await peer.ended(1);
  await peer.roundTrip();
  const above = filled(largest + 1);
  await peer.send(
    raw.frame(raw.Type.headers, raw.Flags.endStream, 3, above.subarray(0, 16_384)),
    raw.continuation(3, above.subarray(16_384), true),
  );
  expect(await peer.goawayCode()).toBe(ErrorCode.enhanceYourCalm);
});

test("the block of an answer may be larger than that of a request", async () => {
  await using dialled = await dial();
  const answer = dialled.ask();
  await dialled.peer.find(({ type }) => type === raw.Type.headers, "the request");
  const large = "x".repeat(largestResponseHeaders - 1000);
  const whole = raw.block(":status", "200", "large", large);
  await dialled.peer.send(
    raw.frame(raw.Type.headers, raw.Flags.endStream, 1, whole.subarray(0, 16_000)),
    raw.continuation(1, whole.subarray(16_000, 32_000)),
    raw.continuation(1, whole.subarray(32_000), true),
  );
  await answer.closed;
  expect(answer.reset).toBeUndefined();
  expect(answer.head?.get("large")).toHaveLength(large.length);
});

const misplaced: readonly [string, readonly Buffer[]][] = [
  ["without HEADERS", [raw.continuation(1, head, true)]],
  ["after the block's end", [raw.headers(1, head), raw.continuation(1, head, true)]],
  ["of another stream", [opened, raw.continuation(3, head, true)]],
  ["of the connection", [opened, raw.continuation(0, head, true)]],
  ["with a PING before it", [opened, raw.ping("between"), raw.continuation(1, head, true)]],
  ["with DATA before it", [opened, raw.data(1, "x"), raw.continuation(1, head, true)]],
  [
    "with an unknown frame before it",
    [opened, raw.frame(0xfa, 0, 0), raw.continuation(1, head, true)],
  ],
  ["with HEADERS before it", [opened, raw.headers(3, head)]],
];

test.each(misplaced)("CONTINUATION %s is an error of the connection", async (_, frames) => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(...frames);
  expect(await peer.goawayCode()).toBe(ErrorCode.protocolError);
});
