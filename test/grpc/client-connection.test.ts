import { getEventListeners, once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { constants } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import tls from "node:tls";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { type Certificates, makeCertificates } from "../bindings/certificates.ts";
import { connectClient, readyClient, untilReady } from "./connect-client.ts";
import { type ServedCall, startHttp2Server } from "./http2-server.ts";

// What becomes of a connection, and of the calls that it carries, beside what client.test.ts has.

const message = Buffer.from("hello");
const path = "/test.Service/Method";

function echo(call: ServedCall): void {
  call.ok(call.body.subarray(5));
}

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test("a connection is replaced before its stream ids run out; calls on it go on", async () => {
  const held: ServedCall[] = [];
  await using server = await startHttp2Server((call) => {
    if (server.calls.length === 1) held.push(call);
    else echo(call);
  });
  const client = await readyClient(server.port, { mostStreams: 5 });
  const slow = client.unary(path, message);
  for (let call = 0; call < 4; call += 1)
    expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
  await vi.waitFor(() => expect(client.connection.generation).toBe(2));
  expect(client.connection.ready).toBe(true);
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
  expect(server.sessions.size).toBe(2);
  held[0]?.ok(message);
  expect(await slow).toMatchObject({ kind: "ok", message });
  await vi.waitFor(() => expect(server.sessions.size).toBe(1));
});

test("calls go on meanwhile, and no call fails, where the replacement cannot be made at first", async () => {
  await using server = await startHttp2Server(echo);
  // Lets the first connection through, and then some others after two that end at once.
  let connections = 0;
  const front = createServer((socket) => {
    connections += 1;
    socket.on("error", () => undefined);
    if (connections === 2 || connections === 3) return void socket.destroy();
    const behind = connect(server.port, "127.0.0.1");
    behind.on("error", () => undefined);
    socket.pipe(behind).pipe(socket);
  });
  const client = await readyClient(await listening(front), { mostStreams: 10 });
  while (client.connection.generation === 1)
    expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
  expect(connections).toBe(4);
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
});

test("GOAWAY below a call that waits for connections: it goes on to the next one", async () => {
  await using server = await startHttp2Server((call) => {
    if (server.calls.length !== 2) return echo(call);
    const { session } = call.stream;
    session?.goaway(constants.NGHTTP2_NO_ERROR, server.calls[0]?.stream.id);
    setImmediate(() => session?.destroy());
  });
  const client = await readyClient(server.port);
  await client.unary(path, message);
  const result = await client.unary(path, message, { waitForConnection: true });
  expect(result).toMatchObject({ kind: "ok" });
  expect(client.connection.generation).toBe(2);
});

test("what a GOAWAY says is part of the reason", async () => {
  await using server = await startHttp2Server(({ stream }) => {
    stream.session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from("too_many_pings"));
  });
  const client = connectClient(server.port, { lazy: true });
  const options = { timeout: 5000, waitForConnection: true };
  const seen: string[] = [];
  client.connection.onChange(() => seen.push(client.connection.reason));
  await client.unary(path, message, { ...options, timeout: 200 });
  expect(seen.join()).toContain("GOAWAY 11: too_many_pings");
});

test("a refused stream is unsent at once where it is not to be tried again", async () => {
  await using server = await startHttp2Server(echo, {
    onStream(stream) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return true;
    },
  });
  const client = await readyClient(server.port, { retryRefused: false });
  expect(await client.unary(path, message)).toMatchObject({
    kind: "unsent",
    reason: "the server refuses the stream",
  });
});

test("pings only in calls, where that is asked for", async () => {
  const held: ServedCall[] = [];
  let pings = 0;
  await using server = await startHttp2Server((call) => {
    if (call.headers["x-held"] === undefined) echo(call);
    else held.push(call);
  });
  server.server.on("session", (session) => session.on("ping", () => (pings += 1)));
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const client = await readyClient(server.port, { pingInterval: 1000, pingsInCallsOnly: true });
  vi.advanceTimersByTime(10_000);
  // What was sent before has arrived when this is answered.
  await client.unary(path, message);
  expect(pings).toBe(0);
  const call = client.unary(path, message, { headers: { "x-held": "1" } });
  for (let ping = 1; ping <= 3; ping += 1) {
    vi.advanceTimersByTime(1000);
    await client.unary(path, message);
    expect(pings).toBe(ping);
  }
  held[0]?.ok(message);
  expect(await call).toMatchObject({ kind: "ok" });
  expect(client.connection.generation).toBe(1);
});

test("attempts to connect are further and further apart, up to a limit", async () => {
  const at: number[] = [];
  const port = await listening(
    createServer((socket) => {
      at.push(performance.now());
      socket.destroy();
    }),
  );
  connectClient(port, { pause: { first: 20, longest: 60 } });
  await vi.waitFor(() => expect(at.length).toBeGreaterThan(5), 10_000);
  const pauses = at.slice(1).map((time, index) => time - (at[index] ?? 0));
  // A fifth of each is left to chance; what is measured at the other end may be a little less.
  for (const [index, least] of [16, 32, 48, 48, 48].entries())
    expect(pauses[index]).toBeGreaterThan(least - 5);
});

test("a server that is reached by TLS and says nothing is given up in time", async () => {
  const port = await listening(
    createServer((socket) => void socket.on("error", () => {}).resume()),
  );
  const client = connectClient(port, { connectTimeout: 50, tls: { verify: false } });
  await vi.waitFor(() =>
    expect(client.connection.reason).toContain("no HTTP/2 answer within 50 ms"),
  );
});

test.each([
  ["none", undefined, "chose no protocol by ALPN, not h2"],
  ["another", ["http/1.1"], "takes no h2 by ALPN"],
])(
  "TLS whose server knows %s of ALPN's protocols is one clear error",
  async (_, protocols, text) => {
    const { cert, key } = certificates.server;
    const options = { cert, key, ...(protocols !== undefined && { ALPNProtocols: protocols }) };
    const port = await listening(
      tls.createServer(options, (socket) => void socket.on("error", () => {})),
    );
    const client = connectClient(port, { tls: { verify: false } });
    const failed = vi.fn();
    client.connection.onProtocolFailure(failed);
    await vi.waitFor(() => expect(client.connection.reason).toContain(text));
    expect(client.connection.reason).toContain("the server speaks no HTTP/2 over TLS");
    expect(failed).toHaveBeenCalled();
  },
);

test.each([
  ["an HTTP/1.1 answer", "HTTP/1.1 400 Bad Request\r\n\r\n", "answers in HTTP/1.1, not in HTTP/2"],
  ["something else", "220 mail.example.com ESMTP Postfix\r\n", "does not speak HTTP/2"],
])("%s to HTTP/2 is named", async (_, answer, text) => {
  const port = await listening(
    createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end(answer);
    }),
  );
  const client = connectClient(port);
  const failed = vi.fn();
  client.connection.onProtocolFailure(failed);
  await vi.waitFor(() => expect(client.connection.reason).toContain(text));
  expect(client.connection.reason).toContain(`cannot connect to 127.0.0.1:${port}`);
  expect(failed).toHaveBeenCalled();
  expect(await client.unary(path, message)).toMatchObject({ kind: "unsent" });
});

test("cleartext through a proxy", async () => {
  await using server = await startHttp2Server(echo);
  const asked: (string | undefined)[] = [];
  const proxy = createHttpServer();
  proxy.on("connect", (request, socket: Socket) => {
    asked.push(request.url);
    const behind = connect(server.port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      behind.pipe(socket).pipe(behind);
    });
    for (const one of [behind, socket]) one.on("error", () => undefined);
  });
  const proxyPort = await listening(proxy);
  const client = await readyClient(server.port, { proxy: `http://127.0.0.1:${proxyPort}` });
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
  expect(asked).toEqual([`127.0.0.1:${server.port}`]);
});

test("12,000 cancellations in one turn leave the connection as it is", async () => {
  const arrived = Promise.withResolvers<void>();
  let streams = 0;
  await using server = await startHttp2Server(echo, {
    // Node's server ends a session at 1,000 resets at a time.
    streamResetBurst: 100_000,
    streamResetRate: 100_000,
    maxSessionInvalidFrames: 100_000,
    onStream(_stream, headers) {
      streams += 1;
      if (streams === 12_000) arrived.resolve();
      return headers["x-held"] !== undefined;
    },
  });
  const client = await readyClient(server.port);
  const abort = new AbortController();
  const options = { signal: abort.signal, headers: { "x-held": "1" } };
  const calls = Array.from({ length: 12_000 }, () => client.unary(path, message, options));
  await arrived.promise;
  abort.abort();
  const kinds = new Set((await Promise.all(calls)).map(({ kind }) => kind));
  expect(kinds).toEqual(new Set(["broken"]));
  expect(await client.unary(path, message)).toMatchObject({ kind: "ok" });
  expect(client.connection.generation).toBe(1);
});

test("calls of one signal listen to it once, and a signal of one call is let go", async () => {
  await using server = await startHttp2Server(echo);
  const client = await readyClient(server.port);
  const { signal } = new AbortController();
  const all = Array.from({ length: 50 }, () => client.unary(path, message, { signal }));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  await Promise.all(all);
  for (let call = 0; call < 3; call += 1) await client.unary(path, message, { signal });
  expect(getEventListeners(signal, "abort").length).toBeLessThanOrEqual(1);
  const own = new AbortController();
  await client.unary(path, message, { signal: own.signal });
  expect(getEventListeners(own.signal, "abort")).toEqual([]);
});

test("of many signals that had calls, few are still listened to", async () => {
  await using server = await startHttp2Server(echo);
  const client = await readyClient(server.port);
  const signals = Array.from({ length: 300 }, () => new AbortController().signal);
  for (const signal of signals) {
    const options = { signal };
    await Promise.all([client.unary(path, message, options), client.unary(path, message, options)]);
  }
  const heard = signals.filter((signal) => getEventListeners(signal, "abort").length > 0);
  expect(heard.length).toBeLessThan(100);
});

test("a call that waits for its turn is not sent when its signal ends the one before it", async () => {
  const arrived = Promise.withResolvers<void>();
  await using server = await startHttp2Server(() => arrived.resolve(), {
    settings: { maxConcurrentStreams: 1 },
  });
  const client = await readyClient(server.port);
  const abort = new AbortController();
  const calls = Array.from({ length: 3 }, () =>
    client.unary(path, message, { signal: abort.signal }),
  );
  const other = client.unary(path, message, { timeout: 500 });
  await arrived.promise;
  abort.abort();
  const kinds = (await Promise.all(calls)).map(({ kind }) => kind);
  expect(kinds).toEqual(["broken", "unsent", "unsent"]);
  expect(await other).toMatchObject({ kind: "broken", code: 4 });
  expect(server.calls).toHaveLength(2);
});

test("calls with far and near deadlines end at theirs", async () => {
  await using server = await startHttp2Server(() => undefined);
  const client = await readyClient(server.port);
  const timeouts = [20, 60, 60, 130, 300];
  const took = await Promise.all(
    timeouts.map(async (timeout) => {
      const from = performance.now();
      expect(await client.unary(path, message, { timeout })).toMatchObject({ code: 4 });
      return performance.now() - from;
    }),
  );
  for (const [index, timeout] of timeouts.entries())
    expect(took[index]).toBeGreaterThanOrEqual(timeout - 2);
});

test("a client that is closed while it connects, or while it waits to, ends at once", async () => {
  const port = await listening(
    createServer((socket) => void socket.on("error", () => {}).resume()),
  );
  const connecting = connectClient(port);
  await connecting.close();
  expect(connecting.connection.reason).toBe("the connection was closed");
  const lazy = connectClient(port, { lazy: true });
  const call = lazy.unary(path, message, { waitForConnection: true });
  await lazy.close();
  expect(await call).toMatchObject({ kind: "unsent", reason: "the connection was closed" });
  await untilReady(lazy.connection, false);
});
