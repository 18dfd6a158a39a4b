import { constants, type ServerHttp2Stream } from "node:http2";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import { CallFailure, type GrpcStream } from "../../src/grpc/client.ts";
import { MessageReader } from "../../src/grpc/message-reader.ts";
import { reservePort } from "../servers/ports.ts";
import { connectClient, readyClient, untilReady } from "./connect-client.ts";
import { framed, startHttp2Server, type RawServer } from "./http2-server.ts";

const path = "/test.Service/Stream";

/** A server that leaves everything after the headers to the test. */
function serve(
  handle: (stream: ServerHttp2Stream) => void,
  options: Parameters<typeof startHttp2Server>[1] = {},
): Promise<RawServer> {
  return startHttp2Server(() => {}, {
    ...options,
    onStream(stream) {
      handle(stream);
      return true;
    },
  });
}

function respond(stream: ServerHttp2Stream, extra: Record<string, string | string[]> = {}): void {
  stream.respond(
    { ":status": 200, "content-type": "application/grpc", ...extra },
    { waitForTrailers: true },
  );
}

function finish(stream: ServerHttp2Stream, trailers: Record<string, string | string[]> = {}): void {
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", ...trailers }));
  stream.end();
}

/** Answers each message with itself as soon as it is whole, and ends after the last. */
function echo(stream: ServerHttp2Stream): void {
  const limit = 64 * 1024 * 1024;
  const reader = new MessageReader(limit, (message) => void stream.write(framed(message)));
  respond(stream);
  stream.on("data", (chunk: Buffer) => reader.push(chunk));
  stream.on("end", () => finish(stream));
}

async function* texts(...values: string[]): AsyncGenerator<Uint8Array> {
  for (const value of values) yield Buffer.from(value);
}

/** Requests that never come. */
const never: AsyncIterable<Uint8Array> = {
  [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
};

async function textsOf(call: GrpcStream): Promise<string[]> {
  const received: string[] = [];
  for await (const message of call.messages) received.push(Buffer.from(message).toString());
  return received;
}

async function failureOf(call: GrpcStream): Promise<CallFailure> {
  return (await textsOf(call).then(
    () => expect.fail("the call ended well"),
    (error: unknown) => error,
  )) as CallFailure;
}

test("carries messages both ways and ends with the server's OK", async () => {
  await using server = await serve(echo);
  const client = await readyClient(server.port);
  const call = client.stream(path, texts("a", "", "ccc"));
  expect(await textsOf(call)).toEqual(["a", "", "ccc"]);
  expect(await call.headers).toMatchObject({ ":status": "200" });
  expect(call.trailers).toMatchObject({ "grpc-status": "0" });
});

test("an empty stream is an answer, too", async () => {
  await using server = await serve((stream) => {
    respond(stream, { "x-own": ["1", "2"] });
    finish(stream, { "x-last-bin": "AQ" });
  });
  const client = await readyClient(server.port);
  const call = client.stream(path, texts());
  expect(await textsOf(call)).toEqual([]);
  expect(await call.headers).toMatchObject({ "x-own": "1, 2" });
  expect(call.trailers).toMatchObject({ "x-last-bin": "AQ" });
});

test("metadata may repeat and may be bytes", async () => {
  const seen = Promise.withResolvers<Record<string, unknown>>();
  await using server = await startHttp2Server((call) => {
    seen.resolve(call.headers);
    call.ok(Buffer.alloc(0));
  });
  const client = await readyClient(server.port);
  const headers = { "x-own": ["a", "b"], "x-one-bin": "AQI", "user-agent": "me" };
  await textsOf(client.stream(path, texts(), { headers, timeout: 5000 }));
  expect(await seen.promise).toMatchObject({
    "x-own": "a, b",
    "x-one-bin": "AQI",
    "user-agent": "me",
    "grpc-timeout": "5000000u",
  });
});

test("messages that are ready together travel in one frame, and a lone one does not wait", async () => {
  const chunks: Buffer[] = [];
  await using server = await serve((stream) => {
    respond(stream);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => finish(stream));
  });
  const client = await readyClient(server.port);
  const release = Promise.withResolvers<void>();
  async function* requests(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("alone");
    await release.promise;
    for (let index = 0; index < 1000; index += 1) yield Buffer.from("x");
  }
  const ended = textsOf(client.stream(path, requests()));
  await vi.waitFor(() => expect(Buffer.concat(chunks)).toEqual(framed(Buffer.from("alone"))));
  release.resolve();
  await ended;
  // 6,000 bytes in 1,000 writes would be 1,000 chunks.
  expect(chunks.length).toBeLessThan(5);
  expect(Buffer.concat(chunks)).toHaveLength(10 + 6000);
});

test.each([1, 100, 16 * 1024, 65_536, 65_537, 3 * 1024 * 1024])(
  "messages of %d bytes arrive whole, both ways",
  async (size) => {
    await using server = await serve(echo);
    const client = await readyClient(server.port);
    const sent = [1, 2, 3].map((fill) => Buffer.alloc(size, fill));
    async function* requests(): AsyncGenerator<Uint8Array> {
      yield* sent;
    }
    const received: Uint8Array[] = [];
    for await (const message of client.stream(path, requests()).messages) received.push(message);
    expect(received).toHaveLength(3);
    received.forEach((one, index) => expect(sent[index]!.equals(one)).toBe(true));
  },
);

test("gzip both ways", async () => {
  await using server = await serve((stream) => {
    const reader = new MessageReader(1000, (message, compressed) => {
      const text = `${compressed} ${gunzipSync(message).toString()}`;
      const answer = framed(gzipSync(text));
      answer[0] = 1;
      stream.write(Buffer.concat([answer, framed(Buffer.from("plain"))]));
    });
    respond(stream, { "grpc-encoding": "gzip" });
    stream.on("data", (chunk: Buffer) => reader.push(chunk));
    stream.on("end", () => finish(stream));
  });
  const client = await readyClient(server.port);
  const call = client.stream(path, texts("a", "b"), { compress: true });
  expect(await textsOf(call)).toEqual(["true a", "plain", "true b", "plain"]);
});

const badAnswers: [string, (stream: ServerHttp2Stream) => void, object][] = [
  [
    "an error after messages, with details and metadata",
    (stream) => {
      respond(stream, { "x-first": "1" });
      stream.write(framed(Buffer.from("a")));
      finish(stream, {
        "grpc-status": "10",
        "grpc-message": "b%C3%B6se",
        "grpc-status-details-bin": "CAo",
        "x-last": "2",
      });
    },
    {
      kind: "failed",
      code: 10,
      status: "ABORTED",
      message: "böse",
      details: Buffer.from([8, 10]),
      headers: expect.objectContaining({ "x-first": "1" }),
      trailers: expect.objectContaining({ "x-last": "2" }),
    },
  ],
  [
    "an error in one block of headers",
    (stream) => {
      const headers = { ":status": 200, "content-type": "application/grpc", "grpc-status": "5" };
      stream.respond(headers, { endStream: true });
    },
    { kind: "failed", code: 5 },
  ],
  [
    "an answer that is no gRPC",
    (stream) => {
      stream.respond({ ":status": 503, "content-type": "text/html" });
      stream.end("<h1>later</h1>");
    },
    { kind: "failed", code: 14 },
  ],
  [
    "an end without a status",
    (stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.end(framed(Buffer.from("a")));
    },
    { kind: "failed", code: 13 },
  ],
  [
    "a last message that is not whole",
    (stream) => {
      respond(stream);
      stream.write(framed(Buffer.from("abc")).subarray(0, 7));
      finish(stream);
    },
    { kind: "failed", code: 13, message: "the last message is not whole" },
  ],
  [
    "a message above the limit",
    (stream) => {
      respond(stream);
      stream.write(framed(Buffer.alloc(1001)));
    },
    { kind: "failed", code: 8 },
  ],
  [
    "a message that unpacks to more than the limit",
    (stream) => {
      respond(stream, { "grpc-encoding": "gzip" });
      const message = framed(gzipSync(Buffer.alloc(1001)));
      message[0] = 1;
      stream.write(message);
    },
    { kind: "failed", code: 8 },
  ],
  [
    "a message that is packed without being said so",
    (stream) => {
      respond(stream);
      const message = framed(gzipSync("a"));
      message[0] = 1;
      stream.write(message);
    },
    { kind: "failed", code: 13 },
  ],
  [
    "a reset",
    (stream) => {
      respond(stream);
      stream.write(framed(Buffer.from("a")), () =>
        stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM),
      );
    },
    { kind: "broken", code: 8 },
  ],
];

test.each(badAnswers)("%s fails the call", async (_name, handle, expected) => {
  await using server = await serve(handle);
  const client = await readyClient(server.port, { answers: { maxBytes: 1000 } });
  const call = client.stream(path, never);
  const failure = await failureOf(call);
  expect(failure).toMatchObject(expected);
  expect(failure).toBeInstanceOf(CallFailure);
  expect(await call.messages.next()).toEqual({ value: undefined, done: true });
});

test("messages that came before the end are handed out before the error", async () => {
  await using server = await serve((stream) => {
    respond(stream);
    stream.write(framed(Buffer.from("a")));
    stream.write(framed(Buffer.from("b")));
    finish(stream, { "grpc-status": "9" });
  });
  const client = await readyClient(server.port);
  const call = client.stream(path, texts());
  const received: string[] = [];
  const read = async (): Promise<void> => {
    for await (const message of call.messages) received.push(Buffer.from(message).toString());
  };
  await expect(read()).rejects.toMatchObject({ code: 9 });
  expect(received).toEqual(["a", "b"]);
});

test("headers reject as the messages do", async () => {
  await using server = await serve((stream) => {
    const headers = { ":status": 200, "content-type": "application/grpc", "grpc-status": "5" };
    stream.respond(headers, { endStream: true });
  });
  const client = await readyClient(server.port);
  const call = client.stream(path, texts());
  await expect(call.headers).rejects.toMatchObject({ code: 5 });
});

test("a deadline and a cancellation reset the stream, and let the requests clean up", async () => {
  const resets: number[] = [];
  await using server = await serve((stream) => {
    respond(stream);
    stream.resume();
    stream.on("close", () => resets.push(stream.rstCode));
  });
  const client = await readyClient(server.port);
  let cleanedUp = 0;
  async function* requests(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        yield Buffer.from("x");
        await new Promise((resolve) => void setImmediate(resolve));
      }
    } finally {
      cleanedUp += 1;
    }
  }
  const late = client.stream(path, requests(), { timeout: 30 });
  expect(await failureOf(late)).toMatchObject({ kind: "broken", code: 4 });
  const abort = new AbortController();
  const aborted = client.stream(path, requests(), { signal: abort.signal });
  await aborted.headers;
  abort.abort();
  expect(await failureOf(aborted)).toMatchObject({ kind: "broken", code: 1 });
  const cancelled = client.stream(path, requests());
  await cancelled.headers;
  cancelled.cancel("enough");
  expect(await failureOf(cancelled)).toMatchObject({ code: 1, message: "enough" });
  const left = client.stream(path, requests());
  await left.headers;
  await left.messages.return?.();
  await vi.waitFor(() => expect(resets).toEqual(Array(4).fill(constants.NGHTTP2_CANCEL)));
  await vi.waitFor(() => expect(cleanedUp).toBe(4));
});

test("a source of requests that throws ends the call with its error", async () => {
  const reset = Promise.withResolvers<number>();
  await using server = await serve((stream) => {
    stream.on("close", () => reset.resolve(stream.rstCode));
    stream.resume();
  });
  const client = await readyClient(server.port);
  const cause = new Error("no more");
  async function* requests(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("x");
    throw cause;
  }
  const failure = await failureOf(client.stream(path, requests()));
  expect(failure).toMatchObject({ kind: "broken", cause, message: "the requests ended: no more" });
  expect(await reset.promise).toBe(constants.NGHTTP2_CANCEL);
});

test("a server that ends early is believed, and stops the requests", async () => {
  await using server = await serve((stream) => {
    respond(stream);
    finish(stream, { "grpc-status": "0" });
  });
  const client = await readyClient(server.port);
  const stopped = Promise.withResolvers<void>();
  async function* requests(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        yield Buffer.from("x");
        await new Promise((resolve) => void setImmediate(resolve));
      }
    } finally {
      stopped.resolve();
    }
  }
  expect(await textsOf(client.stream(path, requests()))).toEqual([]);
  await stopped.promise;
});

test("without a connection nothing is taken from the requests, and the call is unsent", async () => {
  const client = connectClient(await reservePort());
  const next = vi.fn<() => Promise<IteratorResult<Uint8Array>>>();
  const requests = { [Symbol.asyncIterator]: () => ({ next }) };
  expect(await failureOf(client.stream(path, requests))).toMatchObject({
    kind: "unsent",
    code: 14,
  });
  expect(next).not.toHaveBeenCalled();
});

test("a refused stream is unsent", async () => {
  await using server = await serve((stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
  const client = await readyClient(server.port);
  expect(await failureOf(client.stream(path, texts("a")))).toMatchObject({ kind: "unsent" });
});

test("GOAWAY: streams below it go on, one above it is unsent, a new one uses a new connection", async () => {
  const streams: ServerHttp2Stream[] = [];
  await using server = await serve((stream) => {
    streams.push(stream);
    if (streams.length !== 2) echo(stream);
  });
  const client = await readyClient(server.port);
  const go = Promise.withResolvers<void>();
  async function* requests(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("before");
    await go.promise;
    yield Buffer.from("after");
  }
  const first = client.stream(path, requests());
  const received = textsOf(first);
  await first.headers;
  const second = client.stream(path, never);
  await vi.waitFor(() => expect(streams).toHaveLength(2));
  streams[0]!.session!.goaway(constants.NGHTTP2_NO_ERROR, streams[0]!.id);
  expect(await failureOf(second)).toMatchObject({ kind: "unsent" });
  await untilReady(client.connection, true);
  expect(client.connection.generation).toBe(2);
  expect(await textsOf(client.stream(path, texts("new")))).toEqual(["new"]);
  go.resolve();
  expect(await received).toEqual(["before", "after"]);
});

test("a server that vanishes breaks the streams it had, after what came of them", async () => {
  await using server = await serve((stream) => {
    respond(stream);
    stream.write(framed(Buffer.from("a")));
  });
  const client = await readyClient(server.port);
  const call = client.stream(path, never);
  await call.headers;
  expect((await call.messages.next()).value).toEqual(Buffer.from("a"));
  await server.stop();
  expect(await failureOf(call)).toMatchObject({ kind: "broken", code: 14 });
});

test("a slow reader holds the server back", async () => {
  let written = 0;
  await using server = await serve((stream) => {
    respond(stream);
    const message = framed(Buffer.alloc(16 * 1024));
    const write = (): void => {
      while (!stream.destroyed && written < 64 * 1024 * 1024) {
        written += message.length;
        if (!stream.write(message)) break;
      }
    };
    stream.on("drain", write);
    write();
  });
  const client = await readyClient(server.port);
  const call = client.stream(path, never);
  await call.messages.next();
  const quick = client.stream(path, never);
  await quick.messages.next();
  // Both wait for their reader: the windows are full, and nothing more is written.
  let before = -1;
  await vi.waitFor(
    () => {
      const now = written;
      const settled = now === before;
      before = now;
      expect(settled).toBe(true);
    },
    { interval: 100, timeout: 20_000 },
  );
  expect(written).toBeLessThan(8 * 1024 * 1024);
  for (let count = 0; count < 500; count += 1) await quick.messages.next();
  expect(written).toBeGreaterThan(before);
});

test("a slow server holds the requests back", async () => {
  const streams: ServerHttp2Stream[] = [];
  await using server = await serve((stream) => {
    respond(stream);
    stream.pause();
    streams.push(stream);
  });
  const client = await readyClient(server.port);
  let pulled = 0;
  async function* requests(): AsyncGenerator<Uint8Array> {
    for (; pulled < 4096; pulled += 1) yield Buffer.alloc(16 * 1024);
  }
  const call = client.stream(path, requests());
  await call.headers;
  let before = -1;
  await vi.waitFor(
    () => {
      const now = pulled;
      const settled = now === before;
      before = now;
      expect(settled).toBe(true);
    },
    { interval: 100, timeout: 20_000 },
  );
  // The test server's window is 4 MiB.
  expect(pulled * 16 * 1024).toBeLessThan(8 * 1024 * 1024);
  streams[0]!.on("end", () => finish(streams[0]!)).resume();
  expect(await textsOf(call)).toEqual([]);
  expect(pulled).toBe(4096);
});

test("100 streams at a time share one connection", async () => {
  await using server = await serve(echo);
  const client = await readyClient(server.port);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      textsOf(client.stream(path, texts(`${index}`, `${index}!`))),
    ),
  );
  expect(answers).toEqual(Array.from({ length: 100 }, (_, index) => [`${index}`, `${index}!`]));
  expect(client.connection.generation).toBe(1);
});

test("cancelled after all has come, the rest is not handed out", async () => {
  await using server = await serve((stream) => {
    respond(stream);
    stream.write(Buffer.concat(["a", "b", "c"].map((text) => framed(Buffer.from(text)))));
    finish(stream);
  });
  const client = await readyClient(server.port);
  const abort = new AbortController();
  const call = client.stream(path, texts(), { signal: abort.signal });
  expect((await call.messages.next()).value).toEqual(Buffer.from("a"));
  await vi.waitFor(() => expect(call.trailers).toMatchObject({ "grpc-status": "0" }));
  abort.abort();
  expect(await failureOf(call)).toMatchObject({ code: 1 });
});
