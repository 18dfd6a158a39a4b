// RFC 9113, section 8: what is no response. The client's stream fails, the connection goes on.
import { expect, test } from "vitest";
import { ErrorCode } from "../../../src/http2/error-code.ts";
import * as raw from "../raw-frames.ts";
import { dial, type Dialled, type SeenAnswer } from "../served.ts";

const status = [":status", "200"];

async function asked(dialled: Dialled): Promise<SeenAnswer> {
  const answer = dialled.ask();
  const isHead = ({ type, stream }: { type: number; stream: number }): boolean =>
    type === raw.Type.headers && stream === answer.stream.id;
  await dialled.peer.find(isHead, "the request");
  return answer;
}

const heads: readonly [string, readonly string[]][] = [
  ["no :status", ["name", "x"]],
  [":status twice", [...status, ":status", "200"]],
  [":status behind a header", ["name", "x", ...status]],
  [":status that is no number", [":status", "2x0"]],
  [":status of two digits", [":status", "20"]],
  [":status of four digits", [":status", "2000"]],
  [":status below 100", [":status", "099"]],
  [":status of 101", [":status", "101"]],
  ["a pseudo-header of requests", [...status, ":path", "/"]],
  ["an unknown pseudo-header", [...status, ":name", "x"]],
  ["an upper-case name", [...status, "Name", "x"]],
  ["an empty name", [...status, "", "x"]],
  ["CR in a value", [...status, "name", "a\rb"]],
  ["LF in a value", [...status, "name", "a\nb"]],
  ["NUL in a value", [...status, "name", "a\0b"]],
  ["a blank before a value", [...status, "name", " x"]],
  ["a blank behind a value", [...status, "name", "x "]],
  ["connection", [...status, "connection", "close"]],
  ["transfer-encoding", [...status, "transfer-encoding", "chunked"]],
  ["content-length that is no number", [...status, "content-length", "x"]],
  ["content-length twice, and unlike", [...status, "content-length", "1", "content-length", "2"]],
  ["content-length without a body", [...status, "content-length", "1"]],
];

test("none of them is told, each is reset alone, and the connection goes on", async () => {
  await using dialled = await dial();
  const seen: [string, unknown, unknown][] = [];
  for (const [title, fields] of heads) {
    const answer = await asked(dialled);
    const block = Buffer.concat([raw.block(...fields), raw.hpackInserted("kept", title)]);
    await dialled.peer.send(raw.headers(answer.stream.id, block));
    await answer.closed;
    seen.push([title, answer.reset?.code, answer.reset?.by]);
    expect(answer).toMatchObject({ ended: false });
    const next = await asked(dialled);
    const good = Buffer.concat([raw.hpackIndexed(8), raw.hpackIndexed(62)]);
    await dialled.peer.send(raw.headers(next.stream.id, good));
    await next.closed;
    expect(next.reset).toBeUndefined();
    expect(next.head?.get("kept")).toBe(title);
  }
  expect(seen).toEqual(heads.map(([title]) => [title, ErrorCode.protocolError, "local"]));
});

/** Sequences of frames on stream 1, behind the request. */
const sequences: readonly [string, readonly Buffer[]][] = [
  ["DATA before the head", [raw.data(1, "x")]],
  ["an interim head that ends the stream", [raw.headers(1, raw.block(":status", "100"))]],
  [
    "DATA behind an interim head",
    [raw.headers(1, raw.block(":status", "103"), false), raw.data(1, "x")],
  ],
  [
    "a second head",
    [raw.headers(1, raw.block(...status), false), raw.headers(1, raw.block(...status), false)],
  ],
  [
    "trailers with a pseudo-header",
    [raw.headers(1, raw.block(...status), false), raw.headers(1, raw.block(...status))],
  ],
  [
    "a body longer than it said",
    [raw.headers(1, raw.block(...status, "content-length", "1"), false), raw.data(1, "xy", true)],
  ],
  [
    "a body shorter than it said",
    [raw.headers(1, raw.block(...status, "content-length", "3"), false), raw.data(1, "xy", true)],
  ],
];

test.each(sequences)("%s is an error of the stream", async (_, frames) => {
  await using dialled = await dial();
  const answer = await asked(dialled);
  await dialled.peer.send(...frames);
  await answer.closed;
  expect(answer).toMatchObject({
    ended: false,
    reset: { code: ErrorCode.protocolError, by: "local", isUnprocessed: false },
  });
  const next = await asked(dialled);
  await dialled.peer.send(raw.headers(next.stream.id, raw.block(...status)));
  await next.closed;
  expect(next).toMatchObject({ ended: true, reset: undefined });
});

test("interim heads are skipped, however many there are, up to a bound", async () => {
  await using dialled = await dial();
  const answer = await asked(dialled);
  const interim = raw.headers(1, raw.block(":status", "103", "link", "x"), false);
  await dialled.peer.send(raw.repeated(interim, 10), raw.headers(1, raw.block(...status)));
  await answer.closed;
  expect(answer.reset).toBeUndefined();
  expect(answer.head?.get(":status")).toBe("200");
});

test("content-length of an answer without a body is no error where nothing is to come", async () => {
  await using dialled = await dial();
  const answer = dialled.ask(
    ...[":method", "HEAD", ":scheme", "http", ":path", "/", ":authority", "localhost"],
  );
  await dialled.peer.find(({ type }) => type === raw.Type.headers, "the request");
  await dialled.peer.send(raw.headers(1, raw.block(...status, "content-length", "10")));
  await answer.closed;
  expect(answer).toMatchObject({ ended: true, reset: undefined });
});

test("a reset with NO_ERROR behind a whole answer takes nothing from it", async () => {
  await using dialled = await dial();
  const answer = await asked(dialled);
  await dialled.peer.send(raw.headers(1, raw.block(...status)), raw.reset(1, ErrorCode.noError));
  await answer.closed;
  expect(answer).toMatchObject({ ended: true, reset: undefined });
});
