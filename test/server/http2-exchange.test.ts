import { connect as connectHttp2, constants, type ClientHttp2Session } from "node:http2";
import { connect as connectSocket } from "node:net";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { Http2Exchange } from "../../src/server/http2-exchange.ts";
import { listen } from "../../src/server/listener.ts";
import { createProtocols } from "../../src/server/protocols.ts";
import type { HttpExchange } from "../../src/rpc/http-exchange.ts";
import { headerBlock, http2Frame, preface } from "../grpc/http2-frame.ts";
import { until } from "../until.ts";

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A server that hands each request to a function, by whichever protocol it came. */
async function serving(handle: (exchange: HttpExchange) => void): Promise<number> {
  const protocols = createProtocols(handle, (stream, head) => {
    const exchange = new Http2Exchange(stream, head);
    handle(exchange);
    return exchange;
  });
  const server = await listen({ host: "127.0.0.1", port: 0 }, protocols);
  closing.push(async () => {
    server.close();
    await protocols.end(0);
  });
  return (server.address() as { port: number }).port;
}

function session(port: number): ClientHttp2Session {
  const made = connectHttp2(`http://127.0.0.1:${port}`);
  made.on("error", () => undefined);
  closing.push(() => made.destroy());
  return made;
}

type Answer = { headers: Record<string, unknown>; body: string; code: number };

async function ask(port: number, headers: Record<string, string>, body = ""): Promise<Answer> {
  const stream = session(port).request(headers, { endStream: body === "" });
  if (body !== "") stream.end(body);
  const [answer] = (await once(stream, "response")) as [Record<string, unknown>];
  return { headers: answer, body: await text(stream), code: stream.rstCode };
}

describe("an answer over HTTP/2", () => {
  test("has its headers in lower case, without those of a connection, and a date", async () => {
    const port = await serving((exchange) => {
      exchange.setHeader("Metadata.Name", "  blanks around\t");
      exchange.setHeader("connection", "close");
      exchange.setHeader("Transfer-Encoding", "chunked");
      exchange.setHeader("set-cookie", ["a=1", "b=2"]);
      exchange.setHeader("latin", "\u{e0}");
      exchange.answer(200, Buffer.from("whole"));
    });
    const { headers, body } = await ask(port, { ":path": "/" });
    expect(body).toBe("whole");
    expect(Object.fromEntries(Object.entries(headers))).toEqual({
      ...{ ":status": 200, "metadata.name": "blanks around", "content-length": "5" },
      ...{ "set-cookie": ["a=1", "b=2"], latin: "\u{e0}" },
      date: expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/),
    });
  });

  test("to HEAD has no body, and one without a body none either", async () => {
    const port = await serving((exchange) =>
      exchange.method === "HEAD" ? exchange.answer(200, Buffer.from("x")) : exchange.answer(204),
    );
    const head = await ask(port, { ":method": "HEAD", ":path": "/" });
    expect(head).toMatchObject({ headers: { ":status": 200, "content-length": "1" }, body: "" });
    expect(await ask(port, { ":path": "/" })).toMatchObject({
      ...{ headers: { ":status": 204 }, body: "", code: constants.NGHTTP2_NO_ERROR },
    });
  });

  test("before the request is whole arrives, and its sender is told to stop without an error", async () => {
    let received = 0;
    const port = await serving((exchange) => {
      exchange.read({ data: (chunk) => (received += chunk.length), ended() {}, gone() {} });
      exchange.answer(413, Buffer.from("too much".repeat(10_000)));
    });
    const stream = session(port).request({ ":method": "POST", ":path": "/" });
    stream.write("first");
    const [answer] = (await once(stream, "response")) as [Record<string, unknown>];
    expect(answer[":status"]).toBe(413);
    expect(await text(stream)).toHaveLength(80_000);
    if (!stream.closed) await once(stream, "close");
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
    expect(received).toBeLessThanOrEqual(5);
  });

  test("in parts waits for its reader, and tells when there is room, with trailers at the end", async () => {
    let written = 0;
    const part = Buffer.alloc(32 * 1024, "x");
    const parts = 64;
    const port = await serving((exchange) => {
      exchange.begin(200);
      void (async () => {
        for (; written < parts; written++) if (!exchange.write(part)) await exchange.whenDrained();
        exchange.end(["last", "word"]);
      })();
    });
    const stream = session(port).request({ ":path": "/" });
    const trailers = once(stream, "trailers");
    await once(stream, "response");
    // The client's window is 64 KiB, and as much again waits here.
    await until(() => written > 0, { what: "the first part" });
    expect(written).toBeLessThan(parts);
    expect(await text(stream)).toHaveLength(parts * part.length);
    expect(((await trailers) as [Record<string, unknown>])[0]["last"]).toBe("word");
  });

  test("that nobody is there for any more resolves what waits for room, and closes", async () => {
    const told: string[] = [];
    const port = await serving((exchange) => {
      exchange.onClosed(() => told.push("closed"));
      // Node's client ends its request before it cancels it.
      exchange.read({
        data() {},
        ended: () => told.push("reader"),
        gone: () => told.push("reader"),
      });
      exchange.begin(200);
      exchange.write(Buffer.alloc(1024 * 1024));
      void exchange.whenDrained().then(() => told.push("drained"));
    });
    const stream = session(port).request({ ":method": "POST", ":path": "/" });
    stream.on("error", () => undefined);
    await once(stream, "response");
    stream.close(constants.NGHTTP2_CANCEL);
    await until(() => told.length === 3, { what: () => told.join() });
    expect(told.toSorted()).toEqual(["closed", "drained", "reader"]);
  });

  test("after its end nothing more is sent, and no header is set", async () => {
    const port = await serving((exchange) => {
      exchange.answer(200, Buffer.from("first"));
      exchange.setHeader("second", "x");
      exchange.answer(500, Buffer.from("second"));
      exchange.write(Buffer.from("third"));
      exchange.end(["fourth", "x"]);
      expect(exchange.isEnded).toBe(true);
    });
    expect(await ask(port, { ":path": "/" })).toMatchObject({ body: "first" });
  });
});

test("nothing of a body is taken before it is read, and what was paused comes whole", async () => {
  const exchanges: HttpExchange[] = [];
  const port = await serving((exchange) => void exchanges.push(exchange));
  const stream = session(port).request({ ":method": "POST", ":path": "/" });
  stream.end("a".repeat(200_000));
  await until(() => exchanges.length === 1, { what: "the request" });
  const [exchange] = exchanges;
  let size = 0;
  const ended = Promise.withResolvers<void>();
  exchange?.read({
    data(chunk) {
      size += chunk.length;
      exchange.pause();
      setImmediate(() => exchange.resume());
    },
    ended: ended.resolve,
    gone: () => ended.reject(new Error("gone")),
  });
  await ended.promise;
  expect(size).toBe(200_000);
  exchange?.answer(204);
  const [answer] = (await once(stream, "response")) as [Record<string, unknown>];
  expect(answer[":status"]).toBe(204);
});

/** What HTTP/1.1 could be made to take for something else. */
const good = { ":method": "POST", ":scheme": "http", ":path": "/", ":authority": "localhost" };
const malformed: readonly (readonly [what: string, fields: Record<string, string>])[] = [
  ["a line break in a value", { ...good, "x-a": "b\r\nx-b: c" }],
  ["a line break in a name", { ...good, "x-a\r\nx-b": "c" }],
  ["a line break in the path", { ...good, ":path": "/\r\nx-b: c" }],
  ["a blank in the path", { ...good, ":path": "/ HTTP/1.1" }],
  ["a blank in the method", { ...good, ":method": "POST /" }],
  ["a name in upper case", { ...good, "X-A": "b" }],
  ["a NUL", { ...good, "x-a": "\0" }],
  ["blanks around a value", { ...good, "x-a": " b" }],
  ["transfer-encoding", { ...good, "transfer-encoding": "chunked" }],
  ["connection", { ...good, connection: "close" }],
  ["te but trailers", { ...good, te: "gzip" }],
  ["a host unlike the authority", { ...good, host: "evil.example" }],
  ["no path", { ":method": "POST", ":scheme": "http", ":authority": "localhost" }],
  [
    "a pseudo-header after others",
    { ":method": "POST", "x-a": "b", ":scheme": "http", ":path": "/" },
  ],
  ["content-length twice", { ...good, "content-length": "1, 2" }],
];

test.each(malformed)("a request with %s is reset, and nobody sees it", async (_, fields) => {
  const seen: string[] = [];
  const port = await serving((exchange) => {
    seen.push(exchange.target);
    exchange.answer(204);
  });
  const socket = connectSocket({ host: "127.0.0.1", port });
  closing.push(() => void socket.destroy());
  let received = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => (received = Buffer.concat([received, chunk])));
  socket.write(
    Buffer.concat([
      preface,
      http2Frame({ type: 4, stream: 0 }),
      http2Frame({ type: 1, flags: 5, stream: 1 }, headerBlock(fields)),
      http2Frame({ type: 1, flags: 5, stream: 3 }, headerBlock({ ...good, ":path": "/good" })),
    ]),
  );
  await until(() => seen.includes("/good"), { what: "the request behind it" });
  expect(seen).toEqual(["/good"]);
  const reset = http2Frame({ type: 3, stream: 1 }, Buffer.from([0, 0, 0, 1]));
  await until(() => received.includes(reset), { what: "RST_STREAM with PROTOCOL_ERROR" });
});
