import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { InvokeBindingRequestSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { recorded, startApp, type AppProcess } from "./app-process.ts";
import { componentYaml, startDaemon, type Daemon } from "./daemon.ts";
import { frame, grpc, http1, sendBytes } from "./hostile-wire.ts";

const invokePath = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
const limit = 64 * 1024;
const secrets = ["Swordfish-plain-31", "Swordfish-broken-32", "Swordfish-unused-33"] as const;
const answerHead = "HTTP/1.1 200 OK\r\nConnection: close\r\n";

let folder = "";
let outside = "";
let daemon: Daemon;
let app: AppProcess;
let appFile = "";
/** Raw requests that the http binding made, and what it is answered. */
const upstreamRequests: string[] = [];
const upstreamSockets = new Set<Socket>();
let upstreamAnswer: Buffer | undefined;
let upstream: Server;
let dropped = 0;

function invokeBytes(name: string, operation: string, data: string, metadata = {}): Buffer {
  const request = { name, operation, data: Buffer.from(data), metadata };
  return frame(toBinary(InvokeBindingRequestSchema, create(InvokeBindingRequestSchema, request)));
}

function post(binding: string, body: unknown): Promise<string> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return http1(daemon.httpPort, "POST", `/v1.0/bindings/${binding}`, { body: text });
}

/** The process lives, is healthy, takes good calls over both protocols, and takes in another event. */
async function expectAlive(): Promise<void> {
  const { httpPort, grpcPort } = daemon;
  expect(daemon.process.exitCode).toBeNull();
  expect(await http1(httpPort, "GET", "/v1.0/healthz")).toMatch(/^HTTP\/1\.1 204 /);
  const text = `alive ${++dropped}`;
  const metadata = { fileName: "alive.txt" };
  const stored = await grpc(grpcPort, invokePath, invokeBytes("files", "create", text, metadata));
  expect(stored).toMatchObject({ httpStatus: 200, code: 0 });
  expect(await post("files", { operation: "get", metadata })).toMatch(new RegExp(`${text}$`));
  writeFileSync(join(folder, "inbox", `${dropped}.txt`), `event-${dropped}`);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cufflink-hostile-"));
  outside = join(folder, "outside.txt");
  writeFileSync(outside, "what lies outside");
  for (const name of ["root", "inbox", "resources"]) mkdirSync(join(folder, name));
  symlinkSync("/etc", join(folder, "root", "etc-link"));
  symlinkSync(outside, join(folder, "root", "file-link"));
  symlinkSync("../../..", join(folder, "root", "up-link"));
  const broken = join(folder, "resources", "broken.yaml");
  const lines = ["apiVersion: dapr.io/v1alpha1", "kind: Component", "metadata:", "  name: broken"];
  lines.push("spec:", "  type: bindings.redis", "  metadata:");
  lines.push("    - name: redisPassword", `      value: "${secrets[1]}`, "    - name: [", "");
  writeFileSync(broken, lines.join("\n"));
  writeFileSync(join(folder, "resources", "bytes.yaml"), Buffer.from([0, 0xff, 0xfe, 10, 0x80]));

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
  const { port: upstreamPort } = upstream.address() as AddressInfo;
  const [appPort, deadPort] = [await reservePort(), await reservePort()];
  appFile = join(folder, "app");
  app = await startApp({ port: appPort, file: appFile, bindings: ["inbox"] });
  const redis = { redisHost: `127.0.0.1:${deadPort}`, redisPassword: secrets[0] };
  daemon = await startDaemon({
    components: [
      {
        name: "files",
        type: "bindings.localstorage",
        metadata: { rootPath: join(folder, "root") },
      },
      {
        name: "upstream",
        type: "bindings.http",
        metadata: { url: `http://127.0.0.1:${upstreamPort}` },
      },
      {
        name: "inbox",
        type: "bindings.file",
        metadata: { folder: join(folder, "inbox"), quietTime: "50ms" },
      },
      { name: "cache", type: "bindings.redis", metadata: redis },
      {
        name: "typo",
        type: "bindings.redis",
        metadata: { redisHost: "h", redisDB: "x", redisPasswort: secrets[2] },
      },
      { name: "nosuch", type: "bindings.nosuch", metadata: { password: secrets[2] } },
    ],
    flags: [
      ...["--resources-path", join(folder, "resources"), "--max-body-size", "64Ki"],
      ...["--app-port", String(appPort), "--app-protocol", "grpc", "--log-level", "debug"],
    ],
  });
  await until(async () => (await daemon.state("inbox")) === "running", {
    what: () => daemon.output(),
  });
}, 60_000);

afterEach(expectAlive);

afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await app?.kill();
  for (const socket of upstreamSockets) socket.destroy();
  upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("broken resource files are told with their place, and the good ones run", async () => {
  expect(daemon.output()).toMatch(/broken\.yaml:\d+:\d+ error: /);
  expect(daemon.output()).toMatch(/bytes\.yaml\S* error: /);
  expect(daemon.output()).toMatch(/components\.yaml:\d+:\d+ error: .*bindings\.nosuch/);
  for (const name of ["files", "upstream", "inbox"])
    expect(await daemon.state(name)).toBe("running");
  expect(await daemon.state("typo")).toBe("failed");
});

test.each([
  ["nothing", "", "EOF"],
  ["half an object", '{"operation":', "unexpected EOF"],
  ["no JSON", "nope", "invalid character"],
  ["a list", "[]", "cannot unmarshal array"],
  ["control bytes", '{"operation":"\u0001"}', "invalid character"],
  ["a number as operation", '{"operation":1}', "cannot unmarshal number"],
  ["60,000 brackets", `{"data":${"[".repeat(60_000)}`, "failed deserializing"],
])("malformed JSON, %s: 400 that says what", async (_, body, why) => {
  const answer = await post("files", body);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain("ERR_MALFORMED_REQUEST");
  expect(answer).toContain(why);
});

test("names that objects have by nature are names like any other", async () => {
  const text =
    '{"operation":"create","data":"x","metadata":{"fileName":"p","__proto__":"y","constructor":"z"},"__proto__":{"a":1}}';
  expect(await post("files", text)).toMatch(/^HTTP\/1\.1 200 /);
  for (const name of ["__proto__", "constructor", "toString"]) {
    expect(await post(name, { operation: "create" })).toContain(
      `couldn't find output binding ${name}`,
    );
  }
  expect(await post("files", { operation: "constructor" })).toContain(
    "does not support operation constructor",
  );
});

test.each([
  ["no message", Buffer.alloc(0), {}, 13],
  ["half a prefix", Buffer.from([0, 0]), {}, 13],
  ["a length that lies", frame(Buffer.from("x"), { length: 0xff_ff_ff_ff }), {}, 13],
  ["two messages", Buffer.concat([frame(Buffer.alloc(0)), frame(Buffer.alloc(0))]), {}, 12],
  ["no protobuf", frame(Buffer.from([0xff, 0xff, 0xff, 0x07, 0x41])), {}, 13],
  ["a field cut short", frame(Buffer.from([0x0a, 0x7f, 0x41])), {}, 13],
  ["text that is no UTF-8", frame(Buffer.from([0x0a, 2, 0xff, 0xfe])), {}, 13],
  ["an unknown compression", frame(Buffer.from("x"), { flags: 1 }), { "grpc-encoding": "br" }, 12],
  ["gzip that is none", frame(Buffer.from("x"), { flags: 1 }), { "grpc-encoding": "gzip" }, 13],
  [
    "a gzip bomb",
    frame(gzipSync(Buffer.alloc(32 << 20)), { flags: 1 }),
    { "grpc-encoding": "gzip" },
    8,
  ],
  ["a malformed timeout", invokeBytes("files", "list", ""), { "grpc-timeout": "soon" }, 3],
  ["a message too large", invokeBytes("files", "create", "a".repeat(limit)), {}, 8],
  ["one far too large", invokeBytes("files", "create", "a".repeat(9 << 20)), {}, 8],
  ["an unknown component", invokeBytes("nobody", "create", ""), {}, 13],
  ["an unknown operation", invokeBytes("files", "drop", ""), {}, 13],
])("gRPC, %s: a status that says why", async (_, body, headers, code) => {
  const answer = await grpc(daemon.grpcPort, invokePath, body, headers);
  expect(answer).toMatchObject({ httpStatus: 200, code });
  expect(answer.message).not.toBe("");
  if (code === 8) expect(answer.message).toContain(String(limit));
});

test("gRPC, an unknown method and another content type", async () => {
  const body = invokeBytes("files", "list", "");
  expect((await grpc(daemon.grpcPort, "/dapr.proto.runtime.v1.Dapr/PublishEvent", body)).code).toBe(
    12,
  );
  expect((await grpc(daemon.grpcPort, "/no.such.Service/Method\u00ff", body)).code).toBe(12);
  const other = await grpc(daemon.grpcPort, invokePath, body, { "content-type": "text/html" });
  expect(other.httpStatus).toBe(415);
});

test("bodies over the limit: 400 that names the limit; Connect says resource_exhausted", async () => {
  const body = JSON.stringify({ operation: "create", data: "a".repeat(limit) });
  const answer = await post("files", body);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain(`the body has ${body.length} bytes, the limit is ${limit}`);
  const connectBody = JSON.stringify({
    name: "files",
    operation: "create",
    data: "A".repeat(2 * limit),
  });
  const json = { body: connectBody, headers: "Content-Type: application/json\r\n" };
  expect(await http1(daemon.httpPort, "POST", invokePath, json)).toContain(
    '"code":"resource_exhausted"',
  );
});

test("unknown components and operations are Dapr's errors", async () => {
  expect(await post("nobody", { operation: "create" })).toContain(
    "couldn't find output binding nobody",
  );
  expect(await post("inbox", { operation: "create" })).toContain(
    "couldn't find output binding inbox",
  );
  expect(await post("files", { operation: "drop" })).toContain("does not support operation drop");
  expect(await post("files", {})).toContain("operation field is missing from request");
  expect(await post(encodeURIComponent('<a href="x">\n\u2028'), { operation: "create" })).toContain(
    "\\u003ca href=",
  );
});

test("no name leads out of localstorage's folder", async () => {
  const names = [
    "../../etc/passwd",
    "/etc/passwd",
    "etc-link/passwd",
    "a/../../../etc/passwd",
    "file-link",
  ];
  names.push(
    "../outside.txt",
    "up-link/outside.txt",
    outside,
    "..\\..\\etc\\passwd",
    "x\0/../../etc/passwd",
  );
  for (const fileName of names) {
    const read = await post("files", { operation: "get", metadata: { fileName } });
    expect(read, fileName).toMatch(/^HTTP\/1\.1 500 /);
    expect(read, fileName).not.toMatch(/root:|lies outside/);
  }
  for (const fileName of ["../outside.txt", "up-link/outside.txt", outside, "file-link"]) {
    await post("files", { operation: "create", data: "overwritten", metadata: { fileName } });
    await post("files", { operation: "delete", metadata: { fileName } });
    expect(readFileSync(outside, "utf8")).toBe("what lies outside");
  }
  expect(await post("files", { operation: "delete", metadata: { fileName: "../.." } })).toMatch(
    /^HTTP\/1\.1 500 /,
  );
  const list = await post("files", { operation: "list", metadata: { fileName: "etc-link" } });
  expect(list).not.toContain("passwd");
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

test("garbage on the port is refused or closed", async () => {
  const { httpPort, grpcPort } = daemon;
  const garbage = [
    "\0\0\0\0\0\0",
    "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    "GET / HTTP/9.9\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    "P\r\n\r\n",
  ];
  garbage.push(
    "POST /v1.0/bindings/files HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "GET /v1.0/healthz HTTP/1.1\r\nBad Header\r\n\r\n",
  );
  garbage.push(
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
  );
  for (const port of [httpPort, grpcPort]) {
    for (const text of garbage) {
      // Whatever comes first: a refusal by HTTP/1.1, a GOAWAY of HTTP/2 (frame type 7), or the end.
      const answer = await sendBytes(port, [Buffer.from(text, "latin1")], (seen) =>
        /^HTTP\/1\.1 4/.test(seen),
      );
      expect(answer).not.toMatch(/^HTTP\/1\.1 2/);
    }
  }
  const random = Array.from({ length: 4096 }, (_, index) => (index * 7919 + (index >> 3)) % 256);
  await sendBytes(httpPort, [Buffer.from(random)], (seen) => /^HTTP\/1\.1 4/.test(seen));
});

test("HTTP/2's preface byte by byte is served", async () => {
  const settings = "\0\0\0\x04\0\0\0\0\0";
  const bytes = `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${settings}`.split("");
  // The server's settings: frame type 4 on stream 0.
  const answer = await sendBytes(daemon.grpcPort, bytes, (seen) => seen.length >= 9);
  expect(answer.charCodeAt(3)).toBe(4);
});

test("two hundred callers that never finish their headers hold nobody up", async () => {
  const sockets = Array.from({ length: 200 }, (_, index) => {
    const socket = connect({
      host: "127.0.0.1",
      port: index % 2 ? daemon.httpPort : daemon.grpcPort,
    });
    socket.on("error", () => undefined);
    socket.write(index % 3 ? "POST /v1.0/bindings/files HTTP/1.1\r\nX-Slow: " : "PR");
    return socket;
  });
  await Promise.all(
    sockets.map(
      (socket) => socket.pending && new Promise((resolve) => socket.once("connect", resolve)),
    ),
  );
  await expectAlive();
  for (const socket of sockets) socket.destroy();
});

test("1,000 calls that are given up reach the upstream's connections and leave nothing behind", async () => {
  upstreamAnswer = undefined;
  upstreamRequests.length = 0;
  const body = '{"operation":"get"}';
  const head = `POST /v1.0/bindings/upstream HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
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

describe("with a token", () => {
  let guarded: Daemon;
  const token = "Swordfish-token-34";
  beforeAll(async () => {
    guarded = await startDaemon({
      components: [
        componentYaml({
          name: "files",
          type: "bindings.localstorage",
          metadata: { rootPath: join(folder, "guarded") },
        }),
      ],
      env: { DAPR_API_TOKEN: token },
      flags: ["--log-level", "debug"],
    });
    await until(
      async () =>
        /"?(running)"?/.test(
          await (
            await fetch(`http://127.0.0.1:${guarded.httpPort}/v1.0/metadata`, {
              headers: { "dapr-api-token": token },
            })
          ).text(),
        ),
      { what: () => guarded.output() },
    );
  }, 60_000);
  afterAll(() => guarded?.[Symbol.asyncDispose]());

  test.each([
    ["missing", undefined],
    ["empty", ""],
    ["wrong", "Swordfish-token-3"],
    ["longer", `${token}5`],
  ])("%s: refused over HTTP, gRPC, Connect and streams; health is open", async (_, given) => {
    const { httpPort, grpcPort } = guarded;
    const headers: Record<string, string> = given === undefined ? {} : { "dapr-api-token": given };
    const line = given === undefined ? "" : `dapr-api-token: ${given}\r\n`;
    for (const [method, path] of [
      ["POST", "/v1.0/bindings/files"],
      ["GET", "/v1.0/metadata"],
      ["POST", "/v1.0/shutdown"],
      ["GET", "/v1.0/healthz/../metadata"],
    ] as const) {
      expect(await http1(httpPort, method, path, { headers: line })).toMatch(
        /^HTTP\/1\.1 401 [^]*invalid api token\n$/,
      );
    }
    const body = invokeBytes("files", "create", "x");
    expect(await grpc(grpcPort, invokePath, body, headers)).toMatchObject({
      code: 16,
      message: "Unauthorized",
    });
    const json = {
      body: '{"name":"files","operation":"create"}',
      headers: `Content-Type: application/json\r\n${line}`,
    };
    expect(await http1(httpPort, "POST", invokePath, json)).toMatch(
      /^HTTP\/1\.1 401 [^]*"code":"unauthenticated"/,
    );
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${grpcPort}` });
    const ask = async (): Promise<number> => {
      const answers = createClient(ServerReflection, transport).serverReflectionInfo(questions(), {
        headers,
      });
      let count = 0;
      for await (const _answer of answers) count++;
      return count;
    };
    await expect(ask().catch((error: unknown) => ConnectError.from(error).code)).resolves.toBe(
      Code.Unauthenticated,
    );
    for (const path of ["/v1.0/healthz", "/v1.0/healthz/outbound", "/v1.0/healthz/ready"]) {
      expect(await http1(httpPort, "GET", path)).toMatch(/^HTTP\/1\.1 204 /);
    }
    expect((await createClient(Health, transport).check({})).status).toBe(1);
    for await (const { status } of createClient(Health, transport).watch({})) {
      expect(status).toBe(1);
      break;
    }
    expect(guarded.process.exitCode).toBeNull();
  });

  test("the right one opens each, and is in no output", async () => {
    const headers = { "dapr-api-token": token };
    const body = invokeBytes("files", "create", "x");
    expect((await grpc(guarded.grpcPort, invokePath, body, headers)).code).toBe(0);
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${guarded.grpcPort}` });
    for await (const { messageResponse } of createClient(
      ServerReflection,
      transport,
    ).serverReflectionInfo(questions(), { headers })) {
      expect(messageResponse.case).toBe("listServicesResponse");
    }
    expect(guarded.output()).not.toContain("Swordfish");
  });
});

test("secrets are in no output and no error, and no event was lost", async () => {
  await until(
    async () => new Set((await recorded(appFile)).map(({ text }) => text)).size >= dropped,
    {
      what: () => `${dropped} events; the daemon said:\n${daemon.output().slice(-3000)}`,
      within: 20_000,
    },
  );
  const metadata = await http1(daemon.httpPort, "GET", "/v1.0/metadata");
  const failed = await post("cache", { operation: "get", metadata: { key: "k" } });
  expect(failed).toMatch(/^HTTP\/1\.1 500 /);
  for (const text of [daemon.output(), metadata, failed]) expect(text).not.toContain("Swordfish");
});

async function* questions() {
  yield { messageRequest: { case: "listServices", value: "" } } as const;
}
