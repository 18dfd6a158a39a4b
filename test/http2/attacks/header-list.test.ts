// Header lists that are larger than they may be.
import { expect, test } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import { HpackDecoder } from "../../../src/http2/hpack-decoder.ts";
import { largestRequestHeaders, largestResponseHeaders } from "../../../src/http2/limits.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { dial, Neighbour, serve } from "../served.ts";

const head = raw.requestBlock("/empty");
const headSize = 4 * 32 + ":method:scheme:path:authorityPOSThttp/emptylocalhost".length;
const newest = raw.hpackIndexed(62);

test("a list of exactly the limit is taken, one byte more gets 431", async () => {
  await using served = await serve();
  using neighbour = await Neighbour.connect(served.port);
  using peer = await RawPeer.connect(served.port);
  const filled = (size: number): Buffer =>
    Buffer.concat([
      head,
      raw.hpackInserted("kept", "here"),
      raw.hpackLiteral("x", "y".repeat(size - headSize - 40 - 33)),
    ]);
  await peer.send(raw.headers(1, filled(largestRequestHeaders)));
  await peer.ended(1);
  expect(served.requests).toHaveLength(2);
  await peer.send(raw.headers(3, filled(largestRequestHeaders + 1)));
  await peer.ended(3);
  const decoder = new HpackDecoder({ maxTableSize: 4096, maxListSize: 16_384 });
  const statuses = peer.frames
    .filter(({ type }) => type === raw.Type.headers)
    .map(({ payload }) => decoder.decode(payload, 0, payload.length).get(":status"));
  expect(statuses).toEqual(["200", "431"]);
  expect(served.requests).toHaveLength(2);
  // The table is in step: what the refused one inserted is there.
  await peer.send(raw.headers(5, Buffer.concat([head, newest])));
  await peer.ended(5);
  expect(served.requests[2]?.head.get("kept")).toBe("here");
  await neighbour.ask();
});

test("a request whose body is still to come gets 431 and is not read", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  const large = raw.requestBlock("/empty", "x", "y".repeat(largestRequestHeaders));
  await peer.send(raw.headers(1, large, false));
  await peer.ended(1);
  expect(await peer.resetOf(1)).toBe(ErrorCode.noError);
  // What is under way of it is let pass.
  await peer.send(raw.data(1, "x"), raw.data(1, "x", true));
  await peer.roundTrip();
  expect(peer.count(raw.Type.goaway)).toBe(0);
});

test("trailers that are too large reset the stream alone", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  const trailers = Buffer.concat([
    raw.hpackInserted("kept", "here"),
    raw.hpackLiteral("x", "y".repeat(largestRequestHeaders)),
  ]);
  await peer.send(raw.headers(1, head, false), raw.headers(1, trailers));
  await peer.resetOf(1);
  expect(served.requests[0]).toMatchObject({ ended: false, closed: true });
  await peer.send(raw.headers(3, Buffer.concat([head, newest])));
  await peer.ended(3);
  expect(served.requests[1]?.head.get("kept")).toBe("here");
});

test.each(["head", "trailers"])(
  "an answer's %s that are too large reset the stream alone",
  async (what) => {
    await using dialled = await dial();
    const [first, second] = [dialled.ask(), dialled.ask()];
    await dialled.peer.find(({ stream }) => stream === 3, "the requests");
    const status = raw.hpackIndexed(8);
    const large = Buffer.concat([
      raw.hpackInserted("kept", "here"),
      raw.hpackLiteral("x", "y".repeat(largestResponseHeaders)),
    ]);
    const whole = what === "head" ? Buffer.concat([status, large]) : large;
    if (what === "trailers") await dialled.peer.send(raw.headers(1, status, false));
    await dialled.peer.send(
      raw.frame(raw.Type.headers, raw.Flags.endStream, 1, whole.subarray(0, 16_000)),
      ...[16_000, 32_000, 48_000].map((at) => raw.continuation(1, whole.subarray(at, at + 16_000))),
      raw.continuation(1, whole.subarray(64_000), true),
      raw.headers(3, Buffer.concat([status, newest])),
    );
    await first.closed;
    expect(first).toMatchObject({ ended: false, reset: { by: "local" } });
    await second.closed;
    expect(second.reset).toBeUndefined();
    expect(second.head?.get("kept")).toBe("here");
  },
);
