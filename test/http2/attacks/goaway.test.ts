// GOAWAY in two steps, and what becomes of streams that come in between or are above the last.
import { afterEach, expect, test, vi } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import { goawayPause } from "../../../src/http2/limits.ts";
import type { Http2Frame } from "../../grpc/http2-frame.ts";
import * as raw from "../raw-frames.ts";
import { RawPeer } from "../raw-peer.ts";
import { dial, serve } from "../served.ts";

afterEach(() => vi.useRealTimers());

const head = raw.requestBlock("/empty");
const isGoaway = ({ type }: Http2Frame): boolean => type === raw.Type.goaway;
const isPing = ({ type, flags }: Http2Frame): boolean => type === raw.Type.ping && flags === 0;

function goaways(peer: RawPeer): [lastStream: number, code: number][] {
  return peer.frames
    .filter(isGoaway)
    .map(({ payload }) => [payload.readUInt32BE(0), payload.readUInt32BE(4)]);
}

test("a closing server takes what was under way, names its last stream, and refuses none that it named", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { answersNothing: true });
  await peer.send(raw.headers(1, raw.requestBlock("/hold"), false));
  await peer.roundTrip();
  for (const connection of served.group.connections) connection.close();
  await peer.find(isGoaway, "the first GOAWAY");
  const ping = await peer.find(isPing, "its PING");
  expect(goaways(peer)).toEqual([[2 ** 31 - 1, ErrorCode.noError]]);
  // It was under way when the peer was told.
  await peer.send(raw.headers(3, head));
  await peer.ended(3);
  await peer.send(raw.frame(raw.Type.ping, raw.Flags.ack, 0, ping.payload));
  await peer.until(() => peer.count(raw.Type.goaway) === 2, "the second GOAWAY");
  expect(goaways(peer)[1]).toEqual([3, ErrorCode.noError]);
  // Above the last: not processed, and not answered.
  await peer.send(raw.headers(5, head));
  await peer.roundTrip();
  expect(peer.isClosed).toBe(false);
  expect(served.requests).toHaveLength(2);
  // Trailers of one that is open are still read: the table is in step.
  await peer.send(raw.data(1, "x", true));
  served.release();
  await peer.ended(1);
  await peer.closed;
  expect(served.requests.map(({ reset }) => reset)).toEqual([undefined, undefined]);
});

test("a peer that does not answer the PING is not waited for", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  await using served = await serve();
  using peer = await RawPeer.connect(served.port, { answersNothing: true });
  await peer.send(raw.settingsAck, raw.headers(1, head));
  await peer.ended(1);
  for (const connection of served.group.connections) connection.close();
  await peer.find(isPing, "the PING");
  await vi.advanceTimersByTimeAsync(goawayPause);
  await peer.closed;
  expect(goaways(peer)).toEqual([
    [2 ** 31 - 1, ErrorCode.noError],
    [1, ErrorCode.noError],
  ]);
});

test("a client that goes away gets its answers, and then the connection ends", async () => {
  await using served = await serve();
  using peer = await RawPeer.connect(served.port);
  await peer.send(raw.headers(1, raw.requestBlock("/hold")), raw.goaway(0, 0, "going"));
  await peer.roundTrip();
  served.release();
  await peer.ended(1);
  await peer.closed;
  expect(served.requests[0]?.reset).toBeUndefined();
});

test("a client's streams above the last are told as not processed, those below go on", async () => {
  await using dialled = await dial();
  const answers = [dialled.ask(), dialled.ask(), dialled.ask()];
  await dialled.peer.find(({ stream }) => stream === 5, "the requests");
  await dialled.peer.send(raw.goaway(3, ErrorCode.noError, "restarting"));
  await answers[2]?.closed;
  expect(answers[2]?.reset).toMatchObject({ isUnprocessed: true });
  expect(dialled.goaways).toEqual([{ code: 0, lastStream: 3, text: "restarting" }]);
  expect(dialled.client.isGoingAway).toBe(true);
  expect(() => dialled.ask()).toThrow();
  await dialled.peer.send(
    raw.headers(3, raw.block(":status", "200")),
    raw.headers(1, raw.block(":status", "204")),
  );
  await answers[0]?.closed;
  expect(answers[0]?.reset).toBeUndefined();
  expect(answers[1]?.reset).toBeUndefined();
  // Nothing is left on it.
  await dialled.over;
});

test("a GOAWAY in two steps loses nothing", async () => {
  await using dialled = await dial();
  const first = dialled.ask();
  await dialled.peer.find(({ stream }) => stream === 1, "the request");
  await dialled.peer.send(raw.goaway(2 ** 31 - 1));
  await expect.poll(() => dialled.goaways).toHaveLength(1);
  expect(first.reset).toBeUndefined();
  await dialled.peer.send(raw.goaway(1), raw.headers(1, raw.block(":status", "200")));
  await first.closed;
  expect(first.reset).toBeUndefined();
  await dialled.over;
});

test("a connection that is lost without GOAWAY says nothing of its streams", async () => {
  await using dialled = await dial();
  const answer = dialled.ask();
  await dialled.peer.find(({ stream }) => stream === 1, "the request");
  dialled.peer.end();
  await answer.closed;
  expect(answer.reset).toMatchObject({ by: "connection", isUnprocessed: false });
});

test("REFUSED_STREAM is told as not processed, other codes are not", async () => {
  await using dialled = await dial();
  const [refused, failed] = [dialled.ask(), dialled.ask()];
  await dialled.peer.find(({ stream }) => stream === 3, "the requests");
  await dialled.peer.send(
    raw.reset(1, ErrorCode.refusedStream),
    raw.reset(3, ErrorCode.internalError),
  );
  await failed.closed;
  expect(refused.reset).toMatchObject({
    code: ErrorCode.refusedStream,
    by: "peer",
    isUnprocessed: true,
  });
  expect(failed.reset).toMatchObject({
    code: ErrorCode.internalError,
    by: "peer",
    isUnprocessed: false,
  });
});
