import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { createServer, type Socket } from "node:net";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { DaprServer, CommunicationProtocolEnum } from "@dapr/dapr";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createApp, type AppOptions } from "../../src/app/app.ts";
import type { App } from "../../src/runtime/app.ts";
import { makeCertificates } from "../bindings/certificates.ts";
import { startHttp2Server } from "../grpc/http2-server.ts";
import { releasePort, reservePort } from "../servers/ports.ts";
import { delivery, everyByte, never, spiedLogger, untilAvailable } from "./delivery.ts";
import { startChildApp } from "./start-child-app.ts";

type Call = { request: IncomingMessage; body: Buffer; response: ServerResponse };

type HttpServer = AsyncDisposable & {
  port: number;
  server: Server;
  calls: Call[];
  stop(): Promise<void>;
};

async function serve(
  handle: (call: Call) => void,
  options: { port?: number; tls?: { cert: string; key: string } } = {},
): Promise<HttpServer> {
  const { port = await reservePort(), tls } = options;
  const calls: Call[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const call = { request, response, body: Buffer.concat(chunks) };
      calls.push(call);
      handle(call);
    });
  };
  const server =
    tls === undefined ? http.createServer(listener) : https.createServer(tls, listener);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  return { port, server, calls, stop, [Symbol.asyncDispose]: stop };
}

function answers(
  status: number,
  body: string | Buffer = "",
  headers: http.OutgoingHttpHeaders = {},
) {
  return ({ response }: Call): void => {
    response.writeHead(status, headers).end(body);
  };
}

const ok = answers(200);

async function connect(port: number, options: Partial<AppOptions> = {}): Promise<App> {
  const app = await createApp({ protocol: "http", port, logger: spiedLogger(), ...options });
  onTestFinished(() => app.close());
  return app;
}

async function connected(port: number, options?: Partial<AppOptions>): Promise<App> {
  const app = await connect(port, options);
  await untilAvailable(app);
  return app;
}

test("an event is a POST to its route with metadata, attempt, trace and token as headers", async () => {
  await using server = await serve(ok);
  const app = await connected(server.port, { token: "secret" });
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const outcome = await app.deliver(
    delivery({
      route: "events/orders?a=1",
      data: everyByte,
      metadata: {
        readTimeUTC: "2026-11-23 10:00:00",
        timezone: "Local",
        "content-type": "text/plain",
      },
      headers: [{ name: "X-Own", value: Buffer.from("one") }],
      trace: { traceparent, tracestate: "a=b", baggage: "k=v" },
      attempt: 2,
      attempts: 10,
      lastError: "HTTP 500: böse\r\n",
    }),
    never,
  );
  expect(outcome).toEqual({ kind: "handled", reply: undefined });
  const [call] = server.calls;
  expect(call?.body).toEqual(everyByte);
  expect(call?.request.method).toBe("POST");
  expect(call?.request.url).toBe("/events/orders?a=1");
  expect(call?.request.headers).toMatchObject({
    host: `127.0.0.1:${server.port}`,
    "content-type": "application/json",
    "content-length": "256",
    "user-agent": "cufflink",
    readtimeutc: "2026-11-23 10:00:00",
    timezone: "Local",
    "x-own": "one",
    traceparent,
    tracestate: "a=b",
    baggage: "k=v",
    "dapr-api-token": "secret",
    "cufflink-attempt": "2",
    "cufflink-attempts": "10",
    "cufflink-last-error": "HTTP 500: b%C3%B6se%0D%0A",
  });
});

test("each request to the app carries the token: an app may check it for every path", async () => {
  await using server = await serve(ok);
  const app = await connected(server.port, { token: "secret", health: { interval: 20 } });
  await app.wants({ name: "orders", route: "orders" }, never);
  await app.deliver(delivery(), never);
  const tokens = server.calls.map(({ request }) => [
    request.method,
    request.headers["dapr-api-token"],
  ]);
  expect(Object.fromEntries(tokens)).toEqual({ GET: "secret", OPTIONS: "secret", POST: "secret" });
});

test("an event without data is an empty body with a length", async () => {
  await using server = await serve(ok);
  const app = await connected(server.port);
  await app.deliver(delivery({ data: undefined }), never);
  expect(server.calls[0]?.body).toHaveLength(0);
  expect(server.calls[0]?.request.headers["content-length"]).toBe("0");
});

describe.each(["http", "h2c"] as const)("hostile metadata over %s", (protocol) => {
  test("is encoded or left out with one warning a name, and every delivery arrives", async () => {
    let seen: http.IncomingHttpHeaders = {};
    await using plain = await serve((call) => {
      seen = call.request.headers;
      ok(call);
    });
    await using h2c = await startHttp2Server(({ headers, stream }) => {
      seen = headers;
      stream.respond({ ":status": 200 }, { endStream: true });
    });
    const logger = spiedLogger();
    const port = protocol === "http" ? plain.port : h2c.port;
    const app = await connected(port, { protocol, logger });
    const hostile = delivery({
      metadata: {
        "with space": "1",
        "a\r\nb": "2",
        "": "3",
        ":path": "/admin",
        ключ: "4",
        injected: "x\r\nevil: yes",
        nul: "a\0b",
        unicode: "grüße €",
        host: "elsewhere",
        te: "gzip",
        connection: "close",
        "transfer-encoding": "chunked",
        "content-length": "99999",
        "Keep-Alive": "1",
        upgrade: "h2c",
        expect: "100-continue",
        "user-agent": "own",
        "accept-encoding": "br",
        "grpc-timeout": "1S",
        "Dapr-Api-Token": "forged",
        "cufflink-attempts": "forged",
        "Cufflink-Outcome": "dead_letter",
        "Cufflink-Retry-After": "1s",
        traceparent: "forged",
        Topic: "binding",
      },
      headers: [
        { name: "bytes", value: everyByte },
        { name: "repeated", value: Buffer.from([0xff]) },
        { name: "repeated", value: Buffer.from("last") },
        { name: "topic", value: Buffer.from("message") },
        { name: "__proto__", value: Buffer.from("p") },
      ],
    });
    for (let round = 0; round < 2; round += 1) {
      expect(await app.deliver(hostile, never)).toEqual({ kind: "handled", reply: undefined });
    }
    expect(seen).toMatchObject({
      injected: Buffer.from("x\r\nevil: yes").toString("base64"),
      "injected.encoding": "base64",
      nul: Buffer.from("a\0b").toString("base64"),
      bytes: everyByte.toString("base64"),
      "bytes.encoding": "base64",
      repeated: "last",
      topic: "binding",
      "user-agent": "own",
      "accept-encoding": "br",
      "dapr-grpc-timeout": "1S",
      "content-length": "5",
    });
    // The bytes on the wire are UTF-8; Node shows each as one character.
    expect(Buffer.from(String(seen["unicode"]), "latin1").toString("utf8")).toBe("grüße €");
    const absent = ["evil", "te", "dapr-api-token", "cufflink-attempts", "traceparent", "expect"];
    const others = [
      "cufflink-outcome",
      "cufflink-retry-after",
      "repeated.encoding",
      "grpc-timeout",
      "with space",
    ];
    for (const name of [...absent, ...others]) {
      expect(seen).not.toHaveProperty([name]);
    }
    expect(seen["host"] ?? seen[":authority"]).toBe(`127.0.0.1:${port}`);
    const names = logger.warnings().map(([fields]) => (fields as { name: string }).name);
    expect(names.toSorted()).toEqual(
      ["", ":path", "__proto__", "a\r\nb", "with space", "ключ"].toSorted(),
    );
  });
});

test.each([200, 201, 204, 299])("status %d is handled", async (status) => {
  await using server = await serve(answers(status));
  const app = await connected(server.port);
  expect(await app.deliver(delivery(), never)).toEqual({ kind: "handled", reply: undefined });
});

test.each([
  [301, "", "the app answered HTTP 301"],
  [404, "not here\n", "the app answered HTTP 404: not here"],
  [500, "boom", "the app answered HTTP 500: boom"],
  [503, "x".repeat(5000), `the app answered HTTP 503: ${"x".repeat(1024)}`],
])("status %d is a refusal with its body as the reason", async (status, body, reason) => {
  await using server = await serve(answers(status, body, { location: "/elsewhere" }));
  const app = await connected(server.port);
  const codes = { http: status };
  expect(await app.deliver(delivery(), never)).toEqual({ kind: "refused", reason, codes });
  expect(server.calls).toHaveLength(1);
});

describe.each(["http", "h2c"] as const)("beside an error the app says over %s", (protocol) => {
  async function said(status: number, value: string, body = "") {
    return answered(status, { "cufflink-outcome": value }, body);
  }
  async function answered(status: number, headers: Record<string, string>, body = "") {
    await using plain = await serve(answers(status, body, headers));
    await using h2c = await startHttp2Server(({ stream }) => {
      stream.respond({ ":status": status, ...headers });
      stream.end(body);
    });
    const logger = spiedLogger();
    const port = protocol === "http" ? plain.port : h2c.port;
    const app = await connected(port, { protocol, logger });
    const outcomes = [await app.deliver(delivery(), never), await app.deliver(delivery(), never)];
    expect(outcomes[1]).toEqual(outcomes[0]);
    return { outcome: outcomes[0], warnings: logger.warnings() };
  }
  const codes = { http: 422 };

  test.each([
    [
      "dead_letter",
      "no customer\n",
      { kind: "refused", codes, reason: "no customer", final: true },
    ],
    [
      "dead_letter; no%20customer; n%C3%BCll",
      "<html>",
      { kind: "refused", codes, reason: "no customer; nüll", final: true },
    ],
    [
      "dead_letter ;",
      "",
      { kind: "refused", codes, reason: "the app answered HTTP 422", final: true },
    ],
    ["drop", "a duplicate", { kind: "dropped", reason: "a duplicate" }],
    ["retry; busy", "", { kind: "refused", codes, reason: "busy" }],
  ])("%j", async (value, body, outcome) => {
    expect(await said(422, value, body)).toEqual({ outcome, warnings: [] });
  });

  test.each(["dead-letter", "DEAD_LETTER", "", "handled", "dead_letter, drop"])(
    "%j, which is nothing: a failure, and the log says once what is allowed",
    async (value) => {
      const { outcome, warnings } = await said(422, value, "no");
      const reason = "the app answered HTTP 422: no";
      expect(outcome).toEqual({ kind: "refused", codes, reason });
      const facts = { component: "orders", "cufflink-outcome": value };
      expect(warnings).toEqual([
        [facts, expect.stringContaining("none of dead_letter, drop, retry")],
      ]);
    },
  );

  test.each([
    ["90s", 90_000],
    ["1m30s", 90_000],
    ["2", 2_000],
    ["0", 0],
  ])("again, not before %s", async (wait, after) => {
    const refused = { kind: "refused", codes, reason: "the app answered HTTP 422: busy", after };
    const headers = { "cufflink-retry-after": wait };
    expect(await answered(422, headers, "busy")).toEqual({ outcome: refused, warnings: [] });
    const both = await answered(422, { ...headers, "cufflink-outcome": "dead_letter" });
    expect(both.outcome).toMatchObject({ final: true });
    expect(both.outcome).not.toHaveProperty("after");
  });

  test.each(["soon", "-1s", "Wed, 21 Oct 2026 07:28:00 GMT"])(
    "again, not before %j, which is no duration: the policy's pause, and the log says so once",
    async (wait) => {
      const headers = { "cufflink-retry-after": wait };
      const { outcome, warnings } = await answered(422, headers, "busy");
      expect(outcome).toEqual({
        kind: "refused",
        codes,
        reason: "the app answered HTTP 422: busy",
      });
      expect(warnings).toEqual([
        [{ component: "orders", ...headers }, expect.stringContaining("is no duration")],
      ]);
    },
  );

  test("nothing that counts: a success is one", async () => {
    const outcome = { kind: "handled", reply: undefined };
    expect(await said(200, "dead_letter")).toEqual({ outcome, warnings: [] });
  });
});

test("what comes more than once is nothing", async () => {
  await using server = await serve(
    answers(500, "no", { "cufflink-outcome": ["dead_letter", "dead_letter"] }),
  );
  const app = await connected(server.port);
  const outcome = await app.deliver(delivery(), never);
  const reason = "the app answered HTTP 500: no";
  expect(outcome).toEqual({ kind: "refused", reason, codes: { http: 500 } });
});

test.each(["http", "h2c"] as const)("the answer's body is the reply, over %s", async (protocol) => {
  const body = Buffer.concat(Array.from({ length: 4096 }, () => everyByte));
  const type = { "content-type": "application/xml" };
  await using plain = await serve(answers(200, body, type));
  await using h2c = await startHttp2Server(({ stream }) => {
    stream.respond({ ":status": 200, ...type });
    stream.end(body);
  });
  const app = await connected(protocol === "http" ? plain.port : h2c.port, { protocol });
  const outcome = await app.deliver(delivery(), never);
  expect(outcome).toMatchObject({
    kind: "handled",
    reply: { source: "http", contentType: "application/xml" },
  });
  const data = outcome.kind === "handled" ? outcome.reply?.data : undefined;
  expect(Buffer.compare(Buffer.from(data!), body)).toBe(0);
});

test.each([
  [200, true],
  [204, true],
  [405, true],
  [301, false],
  [404, false],
  [400, false],
])("OPTIONS %d: wanted is %s", async (status, wanted) => {
  await using server = await serve(answers(status, "", { location: "/elsewhere" }));
  const app = await connected(server.port, { token: "secret" });
  expect(await app.wants({ name: "orders", route: "/x/../orders" }, never)).toBe(wanted);
  const [call] = server.calls;
  expect(call?.request.method).toBe("OPTIONS");
  expect(call?.request.url).toBe("/orders");
  expect(call?.body).toHaveLength(0);
  expect(call?.request.headers).toMatchObject({
    "content-type": "application/json",
    "dapr-api-token": "secret",
  });
  expect(call?.request.headers).not.toHaveProperty("traceparent");
});

test("OPTIONS answered 5xx or not in time decides nothing", async () => {
  await using failing = await serve(answers(503, "not yet"));
  const app = await connected(failing.port);
  const input = { name: "orders", route: "orders" };
  await expect(app.wants(input, never)).rejects.toThrow("HTTP 503: not yet");
  await using mute = await serve(() => {});
  const other = await connected(mute.port, { optionsTimeout: 40 });
  await expect(other.wants(input, never)).rejects.toThrow("no answer within 40 ms");
});

test("an app that starts late: unsent with a reason until it is there", async () => {
  const port = await reservePort();
  const app = await connect(port);
  expect(app.available).toBe(false);
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "unsent" });
  await vi.waitFor(() => expect(app.unavailableReason).toContain("ECONNREFUSED"));
  await using server = await serve(ok, { port });
  await untilAvailable(app);
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
  expect(server.calls).toHaveLength(1);
});

test("an app killed in the middle of an event: that one is refused, later ones unsent; then it is back", async () => {
  const port = await reservePort();
  const child = await startChildApp("http", port);
  const app = await connected(port);
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
  const hanging = child.line("hang");
  const held = app.deliver(delivery({ data: Buffer.from("hang") }), never);
  await hanging;
  await child.kill();
  expect(await held).toMatchObject({ kind: "refused" });
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "unsent" });
  expect(app.available).toBe(false);
  await using _again = await startChildApp("http", port);
  await untilAvailable(app);
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
});

test("a connection that breaks before or inside the answer is a refusal", async () => {
  const sockets: Socket[] = [];
  let answer = "";
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", () => socket.end(answer));
  });
  const port = await reservePort();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const app = await connected(port);
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "refused" });
  answer = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "refused" });
  answer = "nonsense\r\n\r\n";
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "refused" });
  answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
});

test("1,000 events at a time are all handled, each once", async () => {
  const seen = new Map<string, number>();
  await using server = await serve((call) => {
    const text = call.body.toString();
    seen.set(text, (seen.get(text) ?? 0) + 1);
    setImmediate(() => answers(200, text)(call));
  });
  const app = await connected(server.port);
  const outcomes = await Promise.all(
    Array.from({ length: 1000 }, (_, index) =>
      app.deliver(delivery({ data: Buffer.from(String(index)) }), never),
    ),
  );
  const replies = outcomes.map((one) => one.kind === "handled" && Buffer.from(one.reply!.data!));
  expect(replies.map(String)).toEqual(Array.from({ length: 1000 }, (_, index) => String(index)));
  expect([...seen.values()].every((count) => count === 1)).toBe(true);
});

test("of 1,000 events at a time none hangs when the app goes away, and what was not written says so", async () => {
  await using server = await serve(() => {
    if (server.calls.length === 100) void server.stop();
  });
  const app = await connected(server.port);
  const outcomes = await Promise.all(
    Array.from({ length: 1000 }, () => app.deliver(delivery(), never)),
  );
  const kinds = outcomes.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === "handled")).toEqual([]);
  expect(kinds.filter((kind) => kind === "refused").length).toBeGreaterThanOrEqual(100);
  expect(kinds.filter((kind) => kind === "unsent").length).toBeGreaterThan(0);
});

test("a slow app has all the time it needs", async () => {
  await using server = await serve((call) => setTimeout(() => ok(call), 4000));
  const app = await connected(server.port, { optionsTimeout: 50 });
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
});

test("an aborted signal cancels the wait for the answer and cuts the connection", async () => {
  const arrived = Promise.withResolvers<Call>();
  await using server = await serve((call) => arrived.resolve(call));
  const app = await connected(server.port);
  const abort = new AbortController();
  const outcome = app.deliver(delivery(), abort.signal);
  const { response } = await arrived.promise;
  const closed = once(response, "close");
  abort.abort();
  expect(await outcome).toEqual({ kind: "refused", reason: "cancelled" });
  await closed;
  expect(await app.deliver(delivery(), abort.signal)).toMatchObject({ kind: "unsent" });
  expect(app.available).toBe(true);
});

test("https takes whatever certificate the app shows", async () => {
  const certificates = makeCertificates();
  onTestFinished(() => certificates.remove());
  const { cert, key } = certificates.server;
  await using server = await serve(ok, { tls: { cert, key } });
  const app = await connected(server.port, { protocol: "https" });
  expect(await app.deliver(delivery(), never)).toMatchObject({ kind: "handled" });
  expect(await app.wants({ name: "orders", route: "orders" }, never)).toBe(true);
});

test("an https app that speaks no TLS gets nothing: unsent, and unavailable with the reason", async () => {
  await using server = await serve(ok);
  const app = await connected(server.port, { protocol: "https" });
  const outcome = await app.deliver(delivery(), never);
  expect(outcome).toMatchObject({ kind: "unsent" });
  expect(server.calls).toHaveLength(0);
});

test("health checks over HTTP gate the events", async () => {
  let status = 500;
  await using server = await serve((call) => answers(status, "warming up")(call));
  const health = { path: "well?deep=1", interval: 20, timeout: 1000, threshold: 2 };
  const app = await connect(server.port, { health });
  await vi.waitFor(() => expect(app.unavailableReason).toContain("HTTP 500: warming up"));
  expect(app.available).toBe(false);
  expect(server.calls[0]?.request.method).toBe("GET");
  expect(server.calls[0]?.request.url).toBe("/well?deep=1");
  status = 204;
  await untilAvailable(app);
  status = 404;
  await untilAvailable(app, false);
  expect(app.unavailableReason).toContain("HTTP 404");
});

test("the official SDK's HTTP server takes events and says what it wants", async () => {
  const port = await reservePort();
  onTestFinished(() => releasePort(port));
  const server = new DaprServer({
    serverHost: "127.0.0.1",
    serverPort: String(port),
    communicationProtocol: CommunicationProtocolEnum.HTTP,
    clientOptions: { daprHost: "127.0.0.1", daprPort: "1" },
  });
  const seen: unknown[] = [];
  await server.binding.receive("orders", async (data: unknown) => {
    if (Array.isArray(data)) throw new Error("refused on purpose");
    seen.push(data);
  });
  const app = await connect(port);
  // Without its client, which would wait for a sidecar.
  await server.daprServer.start("127.0.0.1", String(port));
  await untilAvailable(app);
  expect(await app.wants({ name: "orders", route: "orders" }, never)).toBe(true);
  expect(await app.wants({ name: "other", route: "other" }, never)).toBe(false);
  const good = delivery({ data: Buffer.from('{"id":1}'), metadata: { a: "b" } });
  expect(await app.deliver(good, never)).toMatchObject({ kind: "handled" });
  expect(seen).toEqual([{ id: 1 }]);
  const bad = delivery({ data: Buffer.from("[]") });
  expect(await app.deliver(bad, never)).toMatchObject({
    kind: "refused",
    reason: expect.stringContaining("HTTP 500"),
  });
  await app.close();
  await server.daprServer.stop();
});
