import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { headerBlock, http2Frame, preface } from "../grpc/http2-frame.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { recorded, startApp, type AppProcess } from "./app-process.ts";
import { startDaemon, type Daemon } from "./daemon.ts";
import { frame, grpc, http1, invokeBytes, invokePath, sendBytes } from "./hostile-wire.ts";

const limit = 64 * 1024;
const secrets = ["Swordfish-plain-31", "Swordfish-broken-32", "Swordfish-unused-33"] as const;

let folder = "";
let outside = "";
let daemon: Daemon;
let app: AppProcess;
let appFile = "";
let dropped = 0;

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
  rmSync(folder, { recursive: true, force: true });
});

test("broken resource files are told with their place, and the good ones run", async () => {
  expect(daemon.output()).toMatch(/broken\.yaml:\d+:\d+ error: /);
  expect(daemon.output()).toMatch(/bytes\.yaml\S* error: /);
  expect(daemon.output()).toMatch(/components\.yaml:\d+:\d+ error: .*bindings\.nosuch/);
  for (const name of ["files", "inbox"]) expect(await daemon.state(name)).toBe("running");
  for (const name of ["typo", "nosuch"]) expect(await daemon.state(name)).toBe("failed");
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
  ["no message", Buffer.alloc(0), {}, 12],
  ["half a prefix", Buffer.from([0, 0]), {}, 13],
  ["a length that lies", frame(Buffer.from("x"), { length: 0xff_ff_ff_ff }), {}, 8],
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
    "POST /v1.0/bindings/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "GET /v1.0/healthz HTTP/1.1\r\nBad Header\r\n\r\n",
  );
  garbage.push(
    "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
  );
  for (const port of [httpPort, grpcPort]) {
    for (const text of garbage) {
      // Whatever comes first: a refusal by HTTP/1.1, a GOAWAY of HTTP/2 (frame type 7), or the end.
      const answer = await sendBytes(port, [Buffer.from(text, "latin1")], (seen) =>
        seen.startsWith("HTTP/1.1 4"),
      );
      expect(answer).not.toMatch(/^HTTP\/1\.1 2/);
    }
  }
  const random = Array.from({ length: 4096 }, (_, index) => (index * 7919 + (index >> 3)) % 256);
  await sendBytes(httpPort, [Buffer.from(random)], (seen) => seen.startsWith("HTTP/1.1 4"));
});

test("a stream whose connection breaks in the packet that opened it ends nothing else", async () => {
  const endOfHeadersAndStream = 5;
  const call = { ":method": "POST", ":scheme": "http", ":authority": "x" };
  const grpcCall = { "content-type": "application/grpc", te: "trailers" };
  for (const path of ["/no.such.Service/Call", invokePath, "/v1.0/healthz"]) {
    const opened = http2Frame(
      { type: 1, flags: endOfHeadersAndStream, stream: 1 },
      headerBlock({ ...call, ":path": path, ...grpcCall }),
    );
    const broken = http2Frame({ type: 9, flags: 4, stream: 1 }, Buffer.alloc(1));
    const bytes = [preface, http2Frame({ type: 4, stream: 0 }), opened, broken];
    await sendBytes(daemon.grpcPort, [Buffer.concat(bytes)]);
  }
  await expectAlive();
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
  const connected = sockets
    .filter(({ pending }) => pending)
    .map((socket) => once(socket, "connect"));
  await Promise.all(connected);
  await expectAlive();
  for (const socket of sockets) socket.destroy();
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
