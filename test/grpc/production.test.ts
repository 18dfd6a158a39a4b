import net from "node:net";
import http2, { type ClientHttp2Session } from "node:http2";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { isLong } from "../long.ts";
import { connectionOverhead } from "../../src/http2/limits.ts";
import { until } from "../until.ts";
import { serveMethods, type ServedMethods } from "./grpc-server.ts";
import { headerBlock, http2Frame, preface, takeFrames } from "./http2-frame.ts";
import { call, connect, frame, messagesOf, open } from "./raw-client.ts";

// What Node's defaults get wrong under load, on the server's side.

const mebibyte = 1024 * 1024;
/** `npm run test:long` takes the durations that the promises name. */

let served: ServedMethods;
let session: ClientHttp2Session;
let release: PromiseWithResolvers<void>;
let begun = 0;
let ended = 0;

beforeEach(async () => {
  release = Promise.withResolvers();
  begun = ended = 0;
  served = await serveMethods(
    {
      unary: {
        "/test/Echo": async (message) => message,
        async "/test/Wait"(message, { signal }) {
          begun += 1;
          await Promise.race([
            release.promise,
            new Promise((resolve) => signal.addEventListener("abort", resolve)),
          ]);
          ended += 1;
          return message;
        },
      },
      streams: {
        "/test/Stream": (requests) => requests,
        "/test/Deaf": () => ({
          [Symbol.asyncIterator]: () => ({
            next() {
              begun += 1;
              return new Promise<never>(() => {});
            },
          }),
        }),
      },
    },
    { maxMessageSize: 5 * mebibyte, mostHeld: 300 * mebibyte },
  );
  session = connect(served.port, mebibyte);
});
afterEach(async () => {
  session.destroy();
  release.resolve();
  await served[Symbol.asyncDispose]();
});

describe("32 messages of 4 MiB at once on one session", () => {
  const messages = Array.from({ length: 32 }, () => randomBytes(4 * mebibyte));

  test.each(["/test/Echo", "/test/Stream"])("%s, both ways", async (path) => {
    const answers = await Promise.all(messages.map((one) => call(session, path, frame(one))));
    for (const [index, { status, body }] of answers.entries()) {
      expect(status).toBe(0);
      expect(messagesOf(body)[0]!.equals(messages[index]!)).toBe(true);
    }
    await until(() => served.memory.used <= connectionOverhead, { what: "all bytes to be let go" });
  });
});

test("answers that nobody reads count, and new calls are refused until they are read", async () => {
  // Little enough to be over before anybody looks after connections that hold too much for long.
  const unary = {
    "/test/Echo": async (message: Uint8Array) => message,
    "/test/Large": async () => Buffer.alloc(1_030_000, 1),
  };
  await using small = await serveMethods({ unary }, { mostHeld: 8 * mebibyte });
  const slow = connect(small.port, 16_384);
  const other = connect(small.port);
  try {
    expect((await call(other, "/test/Echo", frame("x"))).status).toBe(0);
    // More than there is room for, whatever Node reads ahead, but less than a connection is closed for.
    const calls = Array.from({ length: 9 }, () => open(slow, "/test/Large"));
    for (const { stream } of calls) {
      stream.pause();
      stream.end(frame("x"));
    }
    const settling = Promise.allSettled(calls.map(({ answer }) => answer));
    await until(() => small.memory.used > small.memory.limit, {
      what: "the memory to be used up",
    });
    const refused = open(other, "/test/Echo");
    refused.stream.end(frame("x"));
    await expect(refused.answer).rejects.toThrow("NGHTTP2_REFUSED_STREAM");
    for (const { stream } of calls) stream.resume();
    // The last ones may have come too late themselves.
    const answered = (await settling).filter((one) => one.status === "fulfilled");
    expect(answered.length).toBeGreaterThanOrEqual(7);
    expect(new Set(answered.map(({ value }) => value.status))).toEqual(new Set([0]));
    await until(() => small.memory.used <= 2 * connectionOverhead, {
      what: "all bytes to be let go",
    });
    expect((await call(other, "/test/Echo", frame("x"))).status).toBe(0);
  } finally {
    slow.destroy();
    other.destroy();
  }
});

test("1,000 cancellations a second do not end the session", async () => {
  const seconds = isLong ? 30 : 3;
  let goaway = false;
  session.on("goaway", () => (goaway = true));
  let cancelled = 0;
  for (let second = 0; second < seconds; second++) {
    const next = performance.now() + 1000;
    for (let batch = 0; batch < 10; batch++) {
      const calls = Array.from({ length: 100 }, () => open(session, "/test/Wait"));
      const closed = calls.map(({ answer }) => answer.catch(() => undefined));
      for (const { stream } of calls) stream.write(frame("x"));
      await new Promise(setImmediate);
      for (const { stream } of calls) stream.close(http2.constants.NGHTTP2_CANCEL);
      await Promise.all(closed);
      cancelled += calls.length;
    }
    await until(() => performance.now() >= next, { what: "the second to be over" });
  }
  expect(cancelled).toBe(seconds * 1000);
  expect(goaway).toBe(false);
  expect((await call(session, "/test/Echo", frame("alive"))).status).toBe(0);
  await until(() => begun === ended, { what: "all methods to end" });
}, 120_000);

describe("tens of thousands of resets in a row", () => {
  /** Opens and resets streams as fast as the server reads, and returns what it answers. */
  async function resetAll(
    path: string,
    resets: number,
  ): Promise<{ types: Set<number>; refused: number }> {
    const block = headerBlock({
      ...{ ":method": "POST", ":scheme": "http", ":path": path, ":authority": "x" },
      ...{ "content-type": "application/grpc", te: "trailers" },
    });
    const cancel = Buffer.from([0, 0, 0, http2.constants.NGHTTP2_CANCEL]);
    const socket = net.connect({ host: "127.0.0.1", port: served.port });
    onTestFinished(() => void socket.destroy());
    let seen: Buffer = Buffer.alloc(0);
    const types = new Set<number>();
    let refused = 0;
    let pongs = 0;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      seen = takeFrames(Buffer.concat([seen, chunk]), ({ type }) => {
        types.add(type);
        if (type === reset) refused += 1;
        if (type === ping) pongs += 1;
      });
    });
    socket.write(Buffer.concat([preface, http2Frame({ type: 4, stream: 0 })]));
    let opened = 0;
    for (let batch = 1; opened < resets; batch++) {
      const frames: Buffer[] = [];
      for (let count = 0; count < 500; count++) {
        const stream = 1 + 2 * opened++;
        frames.push(http2Frame({ type: 1, flags: 4, stream }, block));
        frames.push(http2Frame({ type: 3, stream }, cancel));
      }
      frames.push(http2Frame({ type: ping, stream: 0 }, Buffer.alloc(8)));
      socket.write(Buffer.concat(frames));
      await until(() => pongs === batch, { what: "the batch to be read", every: 1 });
      if (batch % 10 === 0)
        expect((await call(session, "/test/Echo", frame("alive"))).status).toBe(0);
    }
    return { types, refused };
  }

  const reset = 3;
  const ping = 6;
  const goaway = 7;

  test("pass where the methods end, and others are served meanwhile", async () => {
    const { types, refused } = await resetAll("/test/Stream", 30_000);
    expect(types).not.toContain(goaway);
    expect(refused).toBe(0);
  }, 30_000);

  test("make no more methods run than streams may be open, though these go on for ever", async () => {
    const { refused } = await resetAll("/test/Deaf", 10_000);
    expect(begun).toBe(4096);
    expect(refused).toBe(10_000 - 4096);
  }, 30_000);
});

test("a session that is ended in good order lets its calls end, and takes no more", async () => {
  const stream = open(session, "/test/Stream");
  stream.stream.write(frame("before"));
  const unary = call(session, "/test/Wait", frame("x"));
  await until(() => begun === 1, { what: "the call to begin" });
  const goaway = new Promise<number>((resolve) => session.once("goaway", resolve));
  for (const one of served.connections) one.close();
  expect(await goaway).toBe(http2.constants.NGHTTP2_NO_ERROR);
  const late = expect(call(session, "/test/Echo", frame("x"))).rejects.toThrow();
  release.resolve();
  stream.stream.end(frame("after"));
  expect((await unary).status).toBe(0);
  expect(messagesOf((await stream.answer).body).map(String)).toEqual(["before", "after"]);
  await late;
  await until(() => served.connections.size === 0, { what: "the session to close" });
});
