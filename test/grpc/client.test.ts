import { constants } from "node:http2";
import { createServer } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { makeCertificates } from "../bindings/certificates.ts";
import { reservePort } from "../servers/ports.ts";
import { connectClient, readyClient, untilReady } from "./connect-client.ts";
import { framed, type ServedCall, startHttp2Server } from "./http2-server.ts";

const message = Buffer.from("hello");
const path = "/test.Service/Method";

function echo(call: ServedCall): void {
  call.ok(call.body.subarray(5));
}

test("sends a framed message with gRPC's headers and returns the answer's message", async () => {
  await using server = await startHttp2Server(echo);
  const client = await readyClient(server.port);
  const headers = { "x-own": "1" };
  const result = await client.unary(path, message, { headers, timeout: 5000 });
  expect(result).toMatchObject({ kind: "ok", message });
  const [call] = server.calls;
  expect(call?.body).toEqual(framed(message));
  expect(call?.headers).toMatchObject({
    ":method": "POST",
    ":path": path,
    ":scheme": "http",
    ":authority": `127.0.0.1:${server.port}`,
    "content-type": "application/grpc",
    te: "trailers",
    "grpc-timeout": "5000000u",
    "x-own": "1",
  });
});

test("sends no deadline unless one is asked for", async () => {
  await using server = await startHttp2Server(echo);
  const client = await readyClient(server.port);
  await client.unary(path, message);
  expect(server.calls[0]?.headers).not.toHaveProperty("grpc-timeout");
});

test.each([0, 1, 65_535, 65_536, 65_537, 8 * 1024 * 1024])(
  "carries %d bytes both ways",
  async (size) => {
    await using server = await startHttp2Server(echo);
    const client = await readyClient(server.port);
    const big = Buffer.alloc(size, "0123456789abcdef");
    const result = await client.unary(path, big);
    expect(result.kind).toBe("ok");
    expect(result.kind === "ok" && Buffer.compare(Buffer.from(result.message), big)).toBe(0);
  },
);

test("carries 32 answers of 4 MiB at the same time in one session", async () => {
  const big = Buffer.alloc(4 * 1024 * 1024, 7);
  await using server = await startHttp2Server((call) => call.ok(big));
  const client = await readyClient(server.port);
  const results = await Promise.all(Array.from({ length: 32 }, () => client.unary(path, message)));
  expect(results.map((one) => (one.kind === "ok" ? one.message.length : one))).toEqual(
    Array.from({ length: 32 }, () => big.length),
  );
  expect(client.connection.generation).toBe(1);
});

test("refuses an answer above the limit and goes on", async () => {
  await using server = await startHttp2Server(echo);
  const client = await readyClient(server.port, { answers: { maxBytes: 1000 } });
  const result = await client.unary(path, Buffer.alloc(5000));
  expect(result).toMatchObject({ kind: "broken", reason: "the answer is larger than 1000 bytes" });
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
});

test("tells the server's error with its name and its decoded text", async () => {
  await using server = await startHttp2Server((call) => call.fail(10, "böse 100%\n"));
  const client = await readyClient(server.port);
  expect(await client.unary(path, message)).toMatchObject({
    kind: "failed",
    code: 10,
    status: "ABORTED",
    message: "böse 100%\n",
  });
});

const oddAnswers: [string, (call: ServedCall) => void, object][] = [
  [
    "an unknown code",
    (call) => call.fail(99, "?"),
    { kind: "failed", code: 99, status: "CODE_99", message: "?" },
  ],
  [
    "a message that is not well-formed",
    ({ stream }) =>
      stream.respond({ "grpc-status": "5", "grpc-message": "50%" }, { endStream: true }),
    { kind: "failed", code: 5, message: "50%" },
  ],
  [
    "HTTP 404 without gRPC",
    ({ stream }) => {
      stream.respond({ ":status": 404, "content-type": "text/html" });
      stream.end("<h1>no</h1>");
    },
    { kind: "failed", code: 12, status: "UNIMPLEMENTED" },
  ],
  [
    "HTTP 503 without gRPC",
    ({ stream }) => stream.respond({ ":status": 503 }, { endStream: true }),
    { kind: "failed", code: 14, status: "UNAVAILABLE" },
  ],
  ["OK without a message", (call) => call.fail(0), { kind: "failed", code: 12 }],
  [
    "two messages",
    ({ stream }) => {
      stream.respond(
        { ":status": 200, "content-type": "application/grpc" },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.concat([framed(message), framed(message)]));
    },
    { kind: "failed", code: 12, message: "the answer is not exactly one message" },
  ],
  [
    "a reset in the middle",
    ({ stream }) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(framed(message), () => stream.destroy(new Error("reset")));
    },
    { kind: "broken" },
  ],
  [
    "an error that ends the stream before the request was read",
    (call) => {
      call.fail(8, "too much");
      call.stream.close(constants.NGHTTP2_NO_ERROR);
    },
    { kind: "failed", code: 8, message: "too much" },
  ],
  [
    "an end without an answer",
    ({ stream }) => stream.close(constants.NGHTTP2_NO_ERROR),
    { kind: "broken" },
  ],
];

test.each(oddAnswers)("understands %s", async (_name, handle, expected) => {
  await using server = await startHttp2Server(handle);
  const client = await readyClient(server.port);
  expect(await client.unary(path, message)).toMatchObject(expected);
});

test("a stream cancelled by the server in the middle of its answer is broken", async () => {
  const frame = (type: number, flags: number, stream: number, payload: number[]): Buffer =>
    Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream, ...payload]);
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(frame(4, 0, 0, []));
    let seen = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      seen = Buffer.concat([seen, Buffer.from(chunk)]);
      if (!seen.includes(message)) return;
      // HEADERS with ":status: 200", DATA, RST_STREAM with CANCEL; nothing of it says END_STREAM.
      socket.write(frame(1, 4, 1, [0x88]));
      socket.write(frame(0, 0, 1, [1, 2, 3]));
      socket.write(frame(3, 0, 1, [0, 0, 0, 8]));
    });
  });
  const port = await reservePort();
  await new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const client = await readyClient(port);
  expect(await client.unary(path, message)).toMatchObject({ kind: "broken" });
});

test("a header that cannot be sent breaks its call alone", async () => {
  await using server = await startHttp2Server(echo);
  const client = await readyClient(server.port);
  const result = await client.unary(path, message, { headers: { "with space": "x" } });
  expect(result).toMatchObject({ kind: "broken" });
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
});

test("nothing listens: calls are unsent and the reason says where; then it connects by itself", async () => {
  const port = await reservePort();
  const client = connectClient(port);
  expect(await client.unary(path, message)).toMatchObject({ kind: "unsent" });
  await vi.waitFor(() => expect(client.connection.reason).toContain("ECONNREFUSED"));
  expect(client.connection.reason).toContain(`127.0.0.1:${port}`);
  await using server = await startHttp2Server(echo, { port });
  await untilReady(client.connection, true);
  expect(client.connection.reason).toBe("");
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
  expect(server.calls).toHaveLength(1);
});

test("a port that accepts and says nothing is not ready", async () => {
  let accepted = 0;
  const mute = createServer((socket) => {
    accepted += 1;
    socket.on("error", () => {}).resume();
  });
  const port = await reservePort();
  await new Promise<void>((resolve) => void mute.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => void mute.close());
  const client = connectClient(port, { connectTimeout: 50 });
  await vi.waitFor(() => expect(accepted).toBeGreaterThan(2), 10_000);
  expect(client.connection.ready).toBe(false);
  expect(client.connection.reason).toContain("no HTTP/2 answer within 50 ms");
});

test("a server of HTTP/1.1 is not ready and does no harm", async () => {
  const other = createServer((socket) => {
    socket.on("error", () => {});
    socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
  });
  const port = await reservePort();
  await new Promise<void>((resolve) => void other.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => void other.close());
  const client = connectClient(port);
  await vi.waitFor(() => expect(client.connection.reason).toContain("cannot connect"));
  expect(await client.unary(path, message)).toMatchObject({ kind: "unsent" });
});

test("a call in flight when the connection dies is broken, later ones unsent, and it comes back", async () => {
  const first = await startHttp2Server(() => void first.stop());
  const client = await readyClient(first.port);
  const result = await client.unary(path, message);
  expect(result.kind).toBe("broken");
  await untilReady(client.connection, false);
  expect(await client.unary(path, message)).toMatchObject({ kind: "unsent" });
  await using second = await startHttp2Server(echo, { port: first.port });
  await untilReady(client.connection, true);
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
  expect(second.calls).toHaveLength(1);
  expect(client.connection.generation).toBe(2);
});

test("REFUSED_STREAM is tried again, and a server that always refuses makes it unsent", async () => {
  let streams = 0;
  await using server = await startHttp2Server(echo, {
    onStream(stream) {
      streams += 1;
      if (streams === 3) return false;
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return true;
    },
  });
  const client = await readyClient(server.port);
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
  expect(streams).toBe(3);
  expect(await client.unary(path, message)).toMatchObject({ kind: "unsent" });
  expect(streams).toBe(9);
});

test("calls beyond the server's limit of streams wait for their turn", async () => {
  let open = 0;
  let most = 0;
  await using server = await startHttp2Server(
    (call) => {
      open += 1;
      most = Math.max(most, open);
      setImmediate(() => {
        open -= 1;
        call.ok(message);
      });
    },
    { settings: { maxConcurrentStreams: 10 } },
  );
  const client = await readyClient(server.port);
  const results = await Promise.all(Array.from({ length: 300 }, () => client.unary(path, message)));
  expect(results.every(({ kind }) => kind === "ok")).toBe(true);
  expect(most).toBeLessThanOrEqual(10);
  expect(most).toBeGreaterThan(1);
});

test("calls that wait for their turn when the connection dies are unsent, those in flight broken", async () => {
  await using server = await startHttp2Server(
    () => {
      if (server.calls.length === 2) for (const session of server.sessions) session.destroy();
    },
    { settings: { maxConcurrentStreams: 2 } },
  );
  const client = await readyClient(server.port);
  const results = await Promise.all(Array.from({ length: 5 }, () => client.unary(path, message)));
  const kinds = results.map(({ kind }) => kind);
  expect(kinds).toEqual(["broken", "broken", "unsent", "unsent", "unsent"]);
});

test("1,000 calls at a time share one connection", async () => {
  const held: ServedCall[] = [];
  await using server = await startHttp2Server((call) => {
    held.push(call);
    if (held.length === 1000) for (const one of held) echo(one);
  });
  const client = await readyClient(server.port);
  const { signal } = new AbortController();
  const results = await Promise.all(
    Array.from({ length: 1000 }, (_, index) =>
      client.unary(path, Buffer.from(String(index)), { signal }),
    ),
  );
  expect(results.map((one) => one.kind === "ok" && Buffer.from(one.message).toString())).toEqual(
    Array.from({ length: 1000 }, (_, index) => String(index)),
  );
  expect(server.sessions.size).toBe(1);
});

test("GOAWAY: calls below it are finished on the old connection, new ones use a new one", async () => {
  const held: ServedCall[] = [];
  await using server = await startHttp2Server((call) => {
    if (server.calls.length === 1) held.push(call);
    else echo(call);
  });
  const client = await readyClient(server.port);
  const slow = client.unary(path, message);
  await vi.waitFor(() => expect(held).toHaveLength(1));
  const lost = untilReady(client.connection, false);
  for (const session of server.sessions) session.close();
  await lost;
  await untilReady(client.connection, true);
  expect(client.connection.generation).toBe(2);
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
  echo(held[0]!);
  expect(await slow).toMatchObject({ kind: "ok", message });
});

test.each([constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_ENHANCE_YOUR_CALM])(
  "GOAWAY %d below a written stream: unsent; the stream that it covers: broken",
  async (code) => {
    await using server = await startHttp2Server(() => {
      if (server.calls.length < 2) return;
      const [session] = server.sessions;
      session!.goaway(code, server.calls[0]!.stream.id);
      setImmediate(() => session!.destroy());
    });
    const client = await readyClient(server.port);
    const first = client.unary(path, message);
    const second = client.unary(path, message);
    expect(await second).toMatchObject({ kind: "unsent" });
    expect(await first).toMatchObject({ kind: "broken" });
  },
);

test("a deadline cancels the call and tells the server", async () => {
  const reset = Promise.withResolvers<number>();
  await using server = await startHttp2Server(({ stream }) => {
    stream.on("close", () => reset.resolve(stream.rstCode));
  });
  const client = await readyClient(server.port);
  const result = await client.unary(path, message, { timeout: 30 });
  expect(result).toEqual({ kind: "broken", code: 4, reason: "no answer within 30 ms" });
  expect(await reset.promise).toBe(constants.NGHTTP2_CANCEL);
});

test("cancellation resets the stream; before anything was written the call is unsent", async () => {
  const arrived = Promise.withResolvers<void>();
  const reset = Promise.withResolvers<number>();
  await using server = await startHttp2Server(
    ({ stream }) => {
      stream.on("close", () => reset.resolve(stream.rstCode));
      arrived.resolve();
    },
    { settings: { maxConcurrentStreams: 1 } },
  );
  const client = await readyClient(server.port);
  const abort = new AbortController();
  const written = client.unary(path, message, { signal: abort.signal });
  const waiting = client.unary(path, message, { signal: abort.signal });
  await arrived.promise;
  abort.abort();
  expect(await written).toMatchObject({ kind: "broken" });
  expect(await waiting).toMatchObject({ kind: "unsent" });
  expect(await reset.promise).toBe(constants.NGHTTP2_CANCEL);
  const late = await client.unary(path, message, { signal: abort.signal });
  expect(late).toMatchObject({ kind: "unsent" });
  expect(server.calls).toHaveLength(1);
});

test("pings, when asked for, end a connection whose server hangs", async () => {
  await using server = await startHttp2Server(echo);
  const client = await readyClient(server.port, { pingInterval: 20 });
  // Answers pings for some rounds, so that an answered ping is seen to keep it.
  await new Promise<void>((resolve) => {
    let pings = 0;
    for (const session of server.sessions) {
      session.on("ping", () => {
        pings += 1;
        if (pings === 4) resolve();
      });
    }
  });
  expect(client.connection.generation).toBe(1);
  // A socket that is not read any more is a server that hangs.
  await using mute = await startMute();
  const hung = connectClient(mute.port, { pingInterval: 20 });
  await untilReady(hung.connection, true);
  await untilReady(hung.connection, false);
  expect(hung.connection.reason).toContain("ping");
});

test("TLS: an unverified certificate is taken only when that is said", async () => {
  const certificates = makeCertificates();
  onTestFinished(() => certificates.remove());
  const { cert, key } = certificates.server;
  await using server = await startHttp2Server(echo, { tls: { cert, key } });
  const client = await readyClient(server.port, { tls: { verify: false } });
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
  expect(server.calls[0]?.headers[":scheme"]).toBe("https");
  const strict = connectClient(server.port, { tls: { verify: true } });
  await vi.waitFor(() => expect(strict.connection.reason).toMatch(/cannot connect.*certificate/));
});

test("close ends calls in flight and is final", async () => {
  const arrived = Promise.withResolvers<void>();
  await using server = await startHttp2Server(() => arrived.resolve());
  const client = await readyClient(server.port);
  const held = client.unary(path, message);
  await arrived.promise;
  await client.close();
  await client.close();
  expect(await held).toMatchObject({ kind: "broken" });
  expect(await client.unary(path, message)).toMatchObject({ kind: "unsent" });
});

/** Sends its SETTINGS and then reads nothing. */
async function startMute(): Promise<AsyncDisposable & { port: number }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    socket.resume();
  });
  const port = await reservePort();
  await new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
