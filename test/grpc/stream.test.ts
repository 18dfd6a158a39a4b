import http2, { type ClientHttp2Session } from "node:http2";
import { connect as connectTcp } from "node:net";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CallContext, StreamMethod } from "../../src/grpc/method.ts";
import { Code, GrpcFailure } from "../../src/grpc/status.ts";
import { callOverhead } from "../../src/grpc/call-memory.ts";
import { until } from "../until.ts";
import { serveMethods, type ServedMethods } from "./grpc-server.ts";
import { call, connect, frame, messagesOf, open, type Answer } from "./raw-client.ts";
import { headerBlock, http2Frame, preface } from "./http2-frame.ts";

const limit = 256 * 1024;
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

let served: ServedMethods;
let session: ClientHttp2Session;
/** What became of the last call of `/test/Follow`. */
let followed: {
  context?: CallContext;
  failure?: unknown;
  cleanedUp: boolean;
  readonly taken: Buffer[];
};
let release: PromiseWithResolvers<void>;
/** How many messages `/test/Endless` was asked for. */
let asked = 0;

/** A call that was reset has an error, or none when the reset says `CANCEL`. */
async function expectReset(answer: Promise<Answer>): Promise<void> {
  const { status } = await answer.catch(() => ({ status: Number.NaN }));
  expect(status).toBeNaN();
}

async function* count(to: number, size = 1): AsyncGenerator<Uint8Array> {
  for (let number = 0; number < to; number++) yield Buffer.alloc(size, number);
}

const streams: Record<string, StreamMethod> = {
  "/test/Echo": (requests) => requests,
  async *"/test/Metadata"(requests, context) {
    context.setHeaders({ "first-a": "1", "first-b": ["x", "y"], "first-bin": "AAE" });
    for await (const request of requests) yield request;
    context.setTrailers({ "last-a": "2", "last-bin": ["AAE", "/w"] });
  },
  async *"/test/SendHeaders"(requests, context) {
    context.setHeaders({ "taken-by": "the test" });
    context.sendHeaders();
    for await (const request of requests) yield request;
  },
  async *"/test/Count"() {
    yield* count(1000, 10);
  },
  async *"/test/Large"() {
    yield* count(8, 100_000);
  },
  async *"/test/Nothing"(requests) {
    for await (const request of requests) if (request.length > limit) yield request;
  },
  "/test/Throw"() {
    throw new GrpcFailure(Code.notFound, "not at all");
  },
  async *"/test/FailLate"() {
    yield* count(3);
    throw new GrpcFailure(Code.aborted, "three are enough", Buffer.from([8, 10]), {
      "why-bin": "AQ",
    });
  },
  async *"/test/TooLarge"() {
    yield Buffer.alloc(limit + 1);
  },
  async *"/test/FirstOnly"(requests) {
    for await (const request of requests) {
      yield request;
      break;
    }
    await release.promise;
    yield Buffer.from("later");
  },
  async *"/test/Follow"(requests, context) {
    followed.context = context;
    try {
      for await (const request of requests) {
        followed.taken.push(Buffer.from(request));
        yield request;
      }
    } catch (error) {
      followed.failure = error;
      throw error;
    } finally {
      followed.cleanedUp = true;
    }
  },
  async *"/test/Later"(requests) {
    await release.promise;
    let bytes = 0;
    for await (const request of requests) bytes += request.length;
    yield Buffer.from(String(bytes));
  },
  "/test/Endless": (_, context) => ({
    [Symbol.asyncIterator]: () => ({
      next: () => {
        asked += 1;
        const isOver = context.head.get("messages") === String(asked);
        return Promise.resolve(
          isOver
            ? { done: true, value: undefined }
            : { done: false, value: Buffer.alloc(60_000, asked) },
        );
      },
    }),
  }),
  "/test/Stalled": (_, context) => ({
    [Symbol.asyncIterator]: () => ({
      next: () =>
        new Promise((_, reject) => {
          context.signal.addEventListener("abort", () => {
            followed.cleanedUp = true;
            reject(context.signal.reason as Error);
          });
        }),
    }),
  }),
  "/test/Deaf": () => ({
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<never>(() => {}),
      return: () => {
        followed.cleanedUp = true;
        return Promise.reject(new Error("told to nobody"));
      },
    }),
  }),
};

beforeAll(async () => {
  served = await serveMethods({ streams }, { maxMessageSize: limit });
});
afterAll(() => served[Symbol.asyncDispose]());
beforeEach(() => {
  session = connect(served.port);
  release = Promise.withResolvers();
  followed = { cleanedUp: false, taken: [] };
  asked = 0;
});
afterEach(async () => {
  session.destroy();
  release.resolve();
  await until(() => served.memory.used === 0, { what: "all bytes to be let go" });
});

describe("messages", () => {
  test("many in one chunk, each with all its bytes, an empty one too", async () => {
    const messages = [everyByte, Buffer.alloc(0), Buffer.from("x"), Buffer.alloc(20_000, 7)];
    const answer = await call(
      session,
      "/test/Echo",
      Buffer.concat(messages.map((one) => frame(one))),
    );
    expect(answer.status).toBe(0);
    expect(answer.headers).toMatchObject({ ":status": 200, "content-type": "application/grpc" });
    expect(answer.headers["grpc-status"]).toBeUndefined();
    expect(messagesOf(answer.body)).toEqual(messages);
  });

  test("in pieces of one byte", async () => {
    const { stream, answer } = open(session, "/test/Echo");
    const messages = [everyByte, Buffer.alloc(0), Buffer.from("end")];
    for (const byte of Buffer.concat(messages.map((one) => frame(one)))) {
      stream.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    stream.end();
    expect(messagesOf((await answer).body)).toEqual(messages);
  });

  test("one as large as the limit, over many chunks", async () => {
    const message = Buffer.alloc(limit);
    for (let at = 0; at < limit; at += 997) message[at] = at;
    const answer = await call(
      session,
      "/test/Echo",
      Buffer.concat([frame(message), frame("next")]),
    );
    expect(messagesOf(answer.body)).toEqual([message, Buffer.from("next")]);
  });

  test("those ready together leave together", async () => {
    const { body, chunks, status } = await call(session, "/test/Count", Buffer.alloc(0));
    expect(status).toBe(0);
    const messages = messagesOf(body);
    expect(messages).toHaveLength(1000);
    expect(messages.every((one, index) => one.equals(Buffer.alloc(10, index)))).toBe(true);
    expect(chunks).toBeLessThan(10);
  });

  test("large ones are not mixed up with small ones", async () => {
    const { body } = await call(session, "/test/Large", Buffer.alloc(0));
    expect(messagesOf(body)).toEqual(
      Array.from({ length: 8 }, (_, index) => Buffer.alloc(100_000, index)),
    );
  });

  test("an answer goes out while the caller still sends, and back and forth", async () => {
    const { stream, answer } = open(session, "/test/Echo");
    for (let round = 0; round < 5; round++) {
      const came = new Promise<Buffer>((resolve) => stream.once("data", resolve));
      stream.write(frame(`round ${round}`));
      expect(await came).toEqual(frame(`round ${round}`));
    }
    stream.end();
    expect((await answer).status).toBe(0);
  });

  test("none at all", async () => {
    const answer = await call(session, "/test/Nothing", Buffer.alloc(0));
    expect(answer.status).toBe(0);
    expect(answer.body).toHaveLength(0);
  });

  test("a method that has enough of them goes on, and the caller may send what it likes", async () => {
    const { stream, answer } = open(session, "/test/FirstOnly");
    stream.write(frame("first"));
    const many = Buffer.concat(Array.from({ length: 40 }, () => frame(Buffer.alloc(100_000))));
    await new Promise((resolve) => stream.write(many, resolve));
    release.resolve();
    const { status, body } = await answer;
    expect(status).toBe(0);
    expect(messagesOf(body).map(String)).toEqual(["first", "later"]);
  });
});

describe("metadata", () => {
  test("before the messages and after them, repeated and binary", async () => {
    const answer = await call(session, "/test/Metadata", frame("x"));
    expect(answer.headers).toMatchObject({ "first-a": "1", "first-b": "x, y", "first-bin": "AAE" });
    expect(answer.trailers).toMatchObject({
      "grpc-status": "0",
      "last-a": "2",
      "last-bin": "AAE, /w",
    });
  });

  test("headers can be sent before there is a message", async () => {
    const { stream, answer } = open(session, "/test/SendHeaders");
    const headers = await new Promise<http2.IncomingHttpHeaders>((resolve) =>
      stream.once("response", resolve),
    );
    expect(headers["taken-by"]).toBe("the test");
    stream.end(frame("now"));
    expect(messagesOf((await answer).body).map(String)).toEqual(["now"]);
  });
});

describe("failures", () => {
  test("before any message: trailers alone", async () => {
    const answer = await call(session, "/test/Throw", frame("x"));
    expect(answer.headers["grpc-status"]).toBe("5");
    expect(answer.trailers).toEqual({});
    expect(answer.text).toBe("not at all");
  });

  test("after messages: those arrive, then the status with its details and metadata", async () => {
    const answer = await call(session, "/test/FailLate", Buffer.alloc(0));
    expect(messagesOf(answer.body)).toHaveLength(3);
    expect(answer.trailers).toMatchObject({
      "grpc-status": "10",
      "grpc-message": "three are enough",
      "grpc-status-details-bin": "CAo",
      "why-bin": "AQ",
    });
  });

  test("an answer over the limit is RESOURCE_EXHAUSTED", async () => {
    expect((await call(session, "/test/TooLarge", Buffer.alloc(0))).status).toBe(8);
  });

  test("the caller need not have ended its side", async () => {
    const { stream, answer } = open(session, "/test/FailLate");
    stream.write(frame("x"));
    expect((await answer).status).toBe(10);
  });
});

describe("hostile frames", () => {
  const announced = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
  const tooLong = Buffer.alloc(5);
  tooLong.writeUInt32BE(limit + 1, 1);

  test.each<[string, Buffer, Record<string, string>, number, RegExp]>([
    ["a length beyond the limit", tooLong, {}, 8, /larger than max \(262145 vs\. 262144\)/],
    ["a length of 4 GiB", announced, {}, 8, /larger than max/],
    ["unknown flags", frame("x", 2), {}, 13, /unknown flags/],
    [
      "compressed, and nothing says how",
      frame(gzipSync("x"), 1),
      {},
      13,
      /compressed flag set with identity/,
    ],
    ["no gzip", frame("x", 1), { "grpc-encoding": "gzip" }, 13, /decompress/],
    [
      "half a gzip",
      frame(gzipSync("hello").subarray(0, 12), 1),
      { "grpc-encoding": "gzip" },
      13,
      /decompress/,
    ],
    [
      "a bomb",
      frame(gzipSync(Buffer.alloc(limit * 20)), 1),
      { "grpc-encoding": "gzip" },
      8,
      /larger than max/,
    ],
    ["an end within a prefix", frame("x").subarray(0, 3), {}, 13, /ends within a message/],
    ["an end within a message", frame("hello").subarray(0, 7), {}, 13, /ends within a message/],
  ])("%s", async (_, bytes, headers, code, text) => {
    const { stream, answer } = open(session, "/test/Follow", headers);
    // The message before is the method's.
    stream.write(frame("good"));
    await until(() => followed.taken.length === 1, { what: "the first message" });
    stream.end(bytes);
    const { status, text: said } = await answer;
    expect(status).toBe(code);
    expect(said).toMatch(text);
    expect(followed.failure).toBeInstanceOf(GrpcFailure);
    expect(followed.cleanedUp).toBe(true);
    expect((await call(session, "/test/Echo", frame("alive"))).status).toBe(0);
  });

  test("compressed by what nobody knows: refused at once", async () => {
    const { stream, answer } = open(session, "/test/Follow", { "grpc-encoding": "snappy" });
    stream.end(frame("x"));
    expect(await answer).toMatchObject({ status: 12, text: expect.stringContaining("snappy") });
    expect(followed.taken).toEqual([]);
  });

  test("a length that never comes takes no room", async () => {
    const before = process.memoryUsage().arrayBuffers;
    const calls = Array.from({ length: 200 }, () => open(session, "/test/Follow"));
    const prefix = Buffer.alloc(6);
    prefix.writeUInt32BE(limit, 1);
    for (const { stream } of calls) stream.write(prefix);
    // What an open call takes.
    const room = 200 * callOverhead;
    await until(() => served.memory.used > room + 200, { what: "a byte of each" });
    expect(served.memory.used).toBeLessThan(2 * room);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(3 * room);
    for (const { stream } of calls) stream.close(http2.constants.NGHTTP2_CANCEL);
    await Promise.allSettled(calls.map(({ answer }) => answer));
  });

  test("other content types, methods and paths are somebody else's", async () => {
    for (const headers of [
      { "content-type": "application/grpc+json" },
      { "content-type": "application/grpc-web" },
      { "content-type": "text/plain" },
      { ":method": "PUT" },
      { ":path": "/test/Unknown" },
    ]) {
      const answer = await call(session, "/test/Echo", frame("x"), headers);
      expect(answer.headers[":status"]).toBe(418);
    }
  });
});

describe("compression", () => {
  test("requests may be compressed, each message or not", async () => {
    const body = Buffer.concat([
      frame(gzipSync(everyByte), 1),
      frame("plain"),
      frame(gzipSync("z"), 1),
    ]);
    const answer = await call(session, "/test/Echo", body, { "grpc-encoding": "gzip" });
    expect(messagesOf(answer.body)).toEqual([everyByte, Buffer.from("plain"), Buffer.from("z")]);
    expect(answer.headers["grpc-encoding"]).toBeUndefined();
  });

  test("answers are compressed when the server is told to, for callers that accept it, from some size on", async () => {
    await using packing = await serveMethods(
      {
        streams: { "/test/Echo": (requests) => requests },
        unary: { "/test/Unary": async (message) => message },
      },
      { compressMinBytes: 100 },
    );
    const own = connect(packing.port);
    const large = Buffer.alloc(5000, "abc");
    const body = Buffer.concat([frame(large), frame("small")]);
    const accepting = { "grpc-accept-encoding": "identity, gzip" };
    try {
      const answer = await call(own, "/test/Echo", body, accepting);
      expect(answer.headers["grpc-encoding"]).toBe("gzip");
      const [first, second] = messagesOf(answer.body);
      expect(answer.body[0]).toBe(1);
      expect(gunzipSync(first!)).toEqual(large);
      expect(second).toEqual(Buffer.from("small"));
      expect(answer.body.at(-10)).toBe(0);
      const unary = await call(own, "/test/Unary", frame(large), accepting);
      expect(unary.headers["grpc-encoding"]).toBe("gzip");
      expect(unary.body[0]).toBe(1);
      expect(gunzipSync(messagesOf(unary.body)[0]!)).toEqual(large);
      const plain = await call(own, "/test/Echo", body, { "grpc-accept-encoding": "br,gzipped" });
      expect(plain.headers["grpc-encoding"]).toBeUndefined();
      expect(messagesOf(plain.body)[0]).toEqual(large);
    } finally {
      own.destroy();
    }
  });
});

describe("calls that end early", () => {
  test("a deadline: the caller is told, the requests reject, the method cleans up", async () => {
    const { stream, answer } = open(session, "/test/Follow", { "grpc-timeout": "100m" });
    stream.write(frame("one"));
    const { status, body } = await answer;
    expect(status).toBe(Code.deadlineExceeded);
    expect(messagesOf(body).map(String)).toEqual(["one"]);
    await until(() => followed.cleanedUp, { what: "the method to clean up" });
    expect(followed.failure).toMatchObject({ code: Code.deadlineExceeded });
    expect(followed.context!.signal.aborted).toBe(true);
    expect(followed.context!.deadline).toBeLessThan(performance.now() + 1);
  });

  test.each([
    ["cancelled", () => http2.constants.NGHTTP2_CANCEL],
    ["reset", () => http2.constants.NGHTTP2_INTERNAL_ERROR],
  ])("a call that is %s", async (_, code) => {
    const { stream, answer } = open(session, "/test/Follow");
    stream.write(frame("one"));
    await until(() => followed.taken.length === 1, { what: "the first message" });
    const aborted = new Promise((resolve) =>
      followed.context!.signal.addEventListener("abort", resolve),
    );
    stream.close(code());
    const reset = expectReset(answer);
    await aborted;
    await until(() => followed.cleanedUp, { what: "the method to clean up" });
    // Node's client ends its side before it resets the stream, and the method may see that first.
    expect<unknown>(followed.failure ?? { code: Code.cancelled }).toMatchObject({
      code: Code.cancelled,
    });
    await reset;
  });

  test("a reset is no end of the requests", async () => {
    const socket = connectTcp(served.port, "127.0.0.1");
    const headers = {
      ":method": "POST",
      ":scheme": "http",
      ":path": "/test/Follow",
      ":authority": "localhost",
      "content-type": "application/grpc",
    };
    socket.write(preface);
    socket.write(http2Frame({ type: 4, stream: 0 }));
    socket.write(http2Frame({ type: 1, flags: 4, stream: 1 }, headerBlock(headers)));
    socket.write(http2Frame({ type: 0, stream: 1 }, frame("one")));
    await until(() => followed.taken.length === 1, { what: "the first message" });
    const { NGHTTP2_CANCEL } = http2.constants;
    socket.write(http2Frame({ type: 3, stream: 1 }, Buffer.from([0, 0, 0, NGHTTP2_CANCEL])));
    await until(() => followed.cleanedUp, { what: "the method to clean up" });
    expect(followed.failure).toMatchObject({ code: Code.cancelled });
    socket.destroy();
  });

  test("a call that is cancelled while its requests wait to be taken", async () => {
    const { stream, answer } = open(session, "/test/Stalled");
    const reset = expectReset(answer);
    for (let index = 0; index < 10; index++) stream.write(frame(Buffer.alloc(60_000)));
    await until(() => served.memory.used > 60_000, { what: "the read-ahead to be full" });
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await until(() => followed.cleanedUp, { what: "the method to be told" });
    await reset;
  });

  test("a connection that breaks", async () => {
    const { stream, answer } = open(session, "/test/Follow");
    const reset = expectReset(answer);
    stream.write(frame("one").subarray(0, 4));
    await until(() => followed.context !== undefined, { what: "the call" });
    session.destroy();
    await until(() => followed.cleanedUp, { what: "the method to clean up" });
    expect(followed.failure).toMatchObject({ code: Code.cancelled });
    await reset;
  });

  test("a method that does not look up is told by `return`", async () => {
    const { status } = await call(session, "/test/Deaf", Buffer.alloc(0), {
      "grpc-timeout": "50m",
    });
    expect(status).toBe(Code.deadlineExceeded);
    expect(followed.cleanedUp).toBe(true);
  });

  test("a signal is aborted when the call has ended well", async () => {
    await call(session, "/test/Follow", frame("x"));
    expect(followed.context!.signal.aborted).toBe(true);
  });
});

describe("slow readers", () => {
  const window = 1024 * 1024;
  const slack = 512 * 1024;

  test("a method that does not ask holds the caller up, and gets everything in the end", async () => {
    const { stream, answer } = open(session, "/test/Later");
    const piece = frame(Buffer.alloc(60_000));
    const pieces = 400;
    let accepted = 0;
    let isDone = false;
    void (async () => {
      for (let index = 0; index < pieces; index++) {
        await new Promise((resolve) => stream.write(piece, resolve));
        accepted += piece.length;
      }
      stream.end();
      isDone = true;
    })();
    // It stands still when a round trip over the same connection changes nothing.
    let before = -1;
    await until(
      async () => {
        const same = before === accepted;
        before = accepted;
        await call(session, "/test/Echo", frame("x"));
        return same && accepted > window / 2;
      },
      { what: "the caller to be held up" },
    );
    expect(accepted).toBeLessThan(window + slack);
    expect(served.memory.used).toBeLessThan(window + slack);
    expect(isDone).toBe(false);
    release.resolve();
    expect(messagesOf((await answer).body).map(String)).toEqual([String(pieces * 60_000)]);
  });

  test("empty messages are counted, too", async () => {
    const { stream, answer } = open(session, "/test/Later");
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => frame("")));
    for (let round = 0; round < 100; round++) stream.write(many);
    await until(() => served.memory.used > 60_000, { what: "the read-ahead to be full" });
    await call(session, "/test/Echo", frame("x"));
    // A chunk is parsed whole: 64 KiB of empty frames are 13,107 messages.
    expect(served.memory.used).toBeLessThan(2 * 13_107 * 64);
    release.resolve();
    stream.end();
    expect((await answer).status).toBe(0);
  });

  test("a caller that does not read holds the method up, and gets everything in the end", async () => {
    const slow = connect(served.port, window);
    try {
      const { stream, answer } = open(slow, "/test/Endless", { messages: "300" });
      stream.end();
      stream.pause();
      let before = -1;
      await until(
        async () => {
          const same = before === asked;
          before = asked;
          await call(slow, "/test/Echo", frame("x"));
          return same && asked > 0;
        },
        { what: "the method to be held up" },
      );
      expect(asked * 60_000).toBeLessThan(window + slack);
      stream.resume();
      const { body, status } = await answer;
      expect(status).toBe(0);
      expect(messagesOf(body)).toHaveLength(299);
    } finally {
      slow.destroy();
    }
  });

  test("a call whose caller never reads can still be cancelled", async () => {
    const slow = connect(served.port, window);
    const { stream, answer } = open(slow, "/test/Endless");
    stream.end();
    stream.pause();
    await until(() => asked > 10, { what: "the method to be asked" });
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await answer.catch(() => {});
    slow.destroy();
    await until(
      async () => {
        const last = asked;
        await call(session, "/test/Echo", frame("x"));
        return asked === last;
      },
      { what: "the method not to be asked any more" },
    );
  });
});
