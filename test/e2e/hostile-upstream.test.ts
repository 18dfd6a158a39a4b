import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { until } from "../until.ts";
import { startDaemon, type Daemon } from "./daemon.ts";
import { grpc, http1, invokeBytes, invokePath } from "./hostile-wire.ts";

const answerHead = "HTTP/1.1 200 OK\r\nConnection: close\r\n";

let folder = "";
let daemon: Daemon;
/** Raw requests that the http binding made, and what it is answered; `undefined`: nothing, ever. */
const upstreamRequests: string[] = [];
const upstreamSockets = new Set<Socket>();
let upstreamAnswer: Buffer | undefined;
let upstream: Server;

function post(binding: string, body: unknown): Promise<string> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return http1(daemon.httpPort, "POST", `/v1.0/bindings/${binding}`, { body: text });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cufflink-upstream-"));
  upstream = createServer((socket) => {
    upstreamSockets.add(socket);
    socket.once("close", () => upstreamSockets.delete(socket));
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      upstreamRequests.push(chunk.toString("latin1"));
      if (upstreamAnswer !== undefined) socket.end(upstreamAnswer);
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  daemon = await startDaemon({
    components: [
      {
        name: "files",
        type: "bindings.localstorage",
        metadata: { rootPath: join(folder, "root") },
      },
      { name: "upstream", type: "bindings.http", metadata: { url } },
    ],
  });
}, 60_000);

/** The process lives, is healthy, and takes a good call. */
async function expectAlive(): Promise<void> {
  expect(daemon.process.exitCode).toBeNull();
  expect(await http1(daemon.httpPort, "GET", "/v1.0/healthz")).toMatch(/^HTTP\/1\.1 204 /);
  expect(await post("files", { operation: "create", data: "x" })).toMatch(/^HTTP\/1\.1 200 /);
}

afterEach(expectAlive);

afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  for (const socket of upstreamSockets) socket.destroy();
  upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("request metadata cannot put headers into the upstream request", async () => {
  upstreamAnswer = Buffer.from(`${answerHead}\r\nok`);
  const inject = "a\r\nInjected: 1\r\n\r\nGET /second HTTP/1.1\r\n";
  const tries: Record<string, string>[] = [
    { "X-Good": inject },
    { [`X${inject}`]: "1" },
    { path: `/a HTTP/1.1\r\n${inject}` },
  ];
  tries.push(
    { traceparent: inject },
    { tracestate: inject },
    { baggage: inject },
    { "X-Nul": "a\0b" },
    { "X-Lf": "a\nInjected: 1" },
  );
  tries.push({ "Content-Length": "1" }, { "Transfer-Encoding": "chunked" }, { Host: "evil" });
  for (const metadata of tries) {
    upstreamRequests.length = 0;
    const answer = await post("upstream", { operation: "post", data: "x", metadata });
    expect(answer).toMatch(/^HTTP\/1\.1 (200|500) /);
    const bytes = invokeBytes("upstream", "post", "x", metadata);
    expect([0, 13]).toContain((await grpc(daemon.grpcPort, invokePath, bytes)).code);
    for (const request of upstreamRequests)
      expect(request).not.toMatch(/^(injected|get \/second|host: evil)/im);
  }
});

test.each([
  ["a folded header", "X-Folded: a\r\n Injected: 1\r\n"],
  ["a bare CR", "X-Bare: a\rInjected: 1\r\n"],
  ["a bare LF", "X-Bare: a\nX-Next: 1\r\n"],
  ["raw bytes", Buffer.from("X-Raw: \x80\xff\xe9\r\n", "latin1")],
  ["a nul", "X-Nul: a\0b\r\n"],
  ["an odd name", "X Odd(name): 1\r\n"],
  ["two lengths", "Content-Length: 2\r\nContent-Length: 20\r\n"],
  ["20,000 bytes", `X-Long: ${"a".repeat(20_000)}\r\n`],
  ["1,000 headers", "X-Many: 1\r\n".repeat(1000)],
  [
    "headers of the answer itself",
    "Content-Type: text/html\r\nGrpc-Status: 7\r\nConnection: x\r\n",
  ],
])(
  "upstream answers with %s: an answer or a clear error, and nothing injected",
  async (_, header) => {
    upstreamAnswer = Buffer.concat([
      Buffer.from(answerHead),
      Buffer.from(header),
      Buffer.from("\r\nok"),
    ]);
    const answer = await post("upstream", { operation: "get" });
    expect(answer).toMatch(/^HTTP\/1\.1 (200|500) /);
    expect(answer).toMatch(/^content-type: application\/json\r$/im);
    expect(answer).not.toMatch(/^\s*(injected|x-next|grpc-status):/im);
    const { httpStatus, code } = await grpc(
      daemon.grpcPort,
      invokePath,
      invokeBytes("upstream", "get", ""),
    );
    expect(httpStatus).toBe(200);
    expect([0, 13]).toContain(code);
  },
);

test("1,000 cancelled calls reach the upstream's connections and leave nothing behind", async () => {
  upstreamAnswer = undefined;
  upstreamRequests.length = 0;
  const body = '{"operation":"get"}';
  const head = `POST /v1.0/bindings/upstream HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const callers = Array.from({ length: 500 }, () => {
    const socket = connect({ host: "127.0.0.1", port: daemon.httpPort });
    socket.on("error", () => undefined);
    socket.write(head);
    return socket;
  });
  const session = connectHttp2(`http://127.0.0.1:${daemon.grpcPort}`);
  session.on("error", () => undefined);
  const bytes = invokeBytes("upstream", "get", "");
  const streams = Array.from({ length: 500 }, () => {
    const stream = session.request({
      ":method": "POST",
      ":path": invokePath,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => undefined);
    stream.end(bytes);
    return stream;
  });
  await until(() => upstreamRequests.length >= 64, {
    what: () => `calls to reach the upstream: ${upstreamRequests.length}`,
  });
  for (const socket of callers) socket.destroy();
  for (const stream of streams) stream.close(8);
  await until(() => upstreamSockets.size === 0, {
    what: () => `${upstreamSockets.size} upstream connections to end`,
    within: 20_000,
  });
  session.destroy();
});
