import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { createRegistry } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import localstorage from "../../src/bindings/localstorage/index.ts";
import { send, serve, spec, type Served } from "../server/serve.ts";
import { StreamCaller, until } from "./stream-caller.ts";

const limit = 64 * 1024;

let served: Served;
let files: string;
let base: { baseUrl: string };
beforeAll(async () => {
  files = await mkdtemp(join(tmpdir(), "cufflink-bindings-"));
  served = await serve({
    maxBodySize: limit,
    bindings: [localstorage],
    components: [
      spec("probe"),
      { ...spec("files", { rootPath: files }), type: "bindings.localstorage" },
    ],
  });
  base = { baseUrl: `http://127.0.0.1:${served.port}` };
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await rm(files, { recursive: true });
});

const streaming: readonly (readonly [string, () => Transport])[] = [
  ["gRPC", () => createGrpcTransport(base)],
  ["Connect over HTTP/2", () => createConnectTransport({ ...base, httpVersion: "2" })],
];
const lanes = [
  ...streaming,
  ["gRPC-Web", () => createGrpcWebTransport({ ...base, httpVersion: "1.1" })],
  [
    "Connect with JSON over HTTP/1.1",
    () =>
      createConnectTransport({
        ...base,
        httpVersion: "1.1",
        useBinaryFormat: false,
        jsonOptions: { registry: createRegistry(ErrorInfoSchema, RetryInfoSchema) },
      }),
  ],
] as const;

describe.each(lanes)("InvokeBindingBatch over %s", (_, transport) => {
  const client = () => createClient(Bindings, transport());

  test("answers and failures, in order and with their details", async () => {
    const { results } = await client().invokeBindingBatch({
      invocations: [
        { name: "probe", operation: "echo", data: Buffer.from("x"), metadata: { "echo-a": "b" } },
        { name: "probe", operation: "fail" },
        { name: "probe", operation: "create" },
      ],
    });
    const [answered, failed, nothing] = results.map(({ result }) => result);
    expect(answered?.value).toMatchObject({ metadata: { a: "b" } });
    expect(nothing?.value).toMatchObject({ metadata: {} });
    if (failed?.case !== "error") throw new Error("it did not fail");
    expect(failed.value.code).toBe(Code.Internal);
    expect(anyUnpack(failed.value.details[0]!, ErrorInfoSchema)?.metadata).toEqual({
      reason: "not_found",
      effect: "rejected",
      systemCode: "404",
    });
  });

  test("a response at the limit is whole, and a request over it is refused", async () => {
    const big = (size: number) => ({
      name: "probe",
      operation: "big",
      metadata: { size: String(size) },
    });
    const { results } = await client().invokeBindingBatch({
      invocations: [big(limit / 2), big(limit / 2), big(1000)],
    });
    expect(results.map(({ result }) => result.case)).toEqual(["answer", "error", "answer"]);
    const invocations = [{ name: "probe", operation: "echo", data: new Uint8Array(limit) }];
    const refused = client().invokeBindingBatch({ invocations });
    await expect(refused).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });

  test("malformed baggage and too many are refused as a whole", async () => {
    const invocations = [{ name: "probe", operation: "create" }];
    const headers = { baggage: "nonsense" };
    const odd = client().invokeBindingBatch({ invocations }, { headers });
    await expect(odd).rejects.toMatchObject({ code: Code.InvalidArgument });
    const many = Array.from({ length: 10_001 }, () => ({}));
    const call = client().invokeBindingBatch({ invocations: many });
    await expect(call).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });
});

test("the JSON of a batch is plain enough for curl", async () => {
  const answer = await send(served.port, "/cufflink.v1.Bindings/InvokeBindingBatch", {
    body: JSON.stringify({
      invocations: [
        { name: "probe", operation: "echo", data: "aGk=" },
        { name: "probe", operation: "fail" },
      ],
    }),
    headers: { "content-type": "application/json" },
  });
  expect(JSON.parse(answer.text)).toMatchObject({
    results: [
      { answer: { data: "aGk=" } },
      {
        error: {
          code: 13,
          message: "error invoking output binding probe: received status code 404",
          details: [
            {
              "@type": "type.googleapis.com/google.rpc.ErrorInfo",
              reason: "ERR_INVOKE_OUTPUT_BINDING",
            },
            { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1.500s" },
          ],
        },
      },
    ],
  });
});

describe.each(streaming)("InvokeBindingStream over %s", (_, transport) => {
  const client = () => createClient(Bindings, transport());

  test("many small invocations, and large payloads both ways among them", async () => {
    const caller = new StreamCaller(client());
    const mebibytes = Buffer.alloc(3 * 1024 * 1024, "0123456789");
    const file = { fileName: `large-${_}` };
    const create = { name: "files", operation: "create", metadata: file };
    caller.send({ invocation: 1, start: create });
    const part = 48 * 1024;
    for (let at = 0; at < mebibytes.length; at += part) {
      const small = {
        invocation: 1000 + at / part,
        start: { name: "probe", operation: "echo" },
        data: Buffer.from(String(at)),
        last: true,
      };
      caller.send({ invocation: 1, data: mebibytes.subarray(at, at + part) }, small);
    }
    caller.send({ invocation: 1, last: true });
    expect((await caller.answer(1)).data).toBe(JSON.stringify(file));
    expect((await readFile(join(files, file.fileName))).equals(mebibytes)).toBe(true);
    expect((await caller.answer(1003)).data).toBe(String(3 * part));
    const get = { name: "files", operation: "get", metadata: file };
    caller.send({ invocation: 2, start: get, last: true }).finish();
    expect((await caller.answer(2)).data).toBe(mebibytes.toString());
    expect(await caller.ended).toBeUndefined();
  });

  test("a caller that goes in the middle of an upload leaves nothing", async () => {
    const gone = new AbortController();
    const caller = new StreamCaller(client(), { signal: gone.signal });
    const start = { name: "files", operation: "create", metadata: { fileName: "aborted/file" } };
    caller.send({ invocation: 1, start, data: Buffer.alloc(1000) });
    const folder = async () => readdir(join(files, "aborted")).catch(() => []);
    await expect.poll(async () => (await folder()).length).toBe(1);
    gone.abort();
    expect(ConnectError.from(await caller.ended).code).toBe(Code.Canceled);
    await expect.poll(folder).toEqual([]);
  });

  test("what is wrong with the stream ends it", async () => {
    const caller = new StreamCaller(client());
    const start = { name: "files", operation: "create", metadata: { fileName: "twice" } };
    caller.send({ invocation: 5, start }, { invocation: 5, start });
    const error = ConnectError.from(await caller.ended);
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toContain("invocation 5 was started while it is open");
    await expect.poll(async () => (await readdir(files)).filter(isTemporary)).toEqual([]);
  });

  test("a message over the limit ends it", async () => {
    const caller = new StreamCaller(client());
    caller.send({ invocation: 1, data: new Uint8Array(limit) });
    expect(ConnectError.from(await caller.ended).code).toBe(Code.ResourceExhausted);
  });

  test("a deadline ends it and aborts what is open", async () => {
    await using own = await serve();
    const before = base;
    base = { baseUrl: `http://127.0.0.1:${own.port}` };
    const caller = new StreamCaller(client(), { timeoutMs: 200 });
    base = before;
    caller.send({ invocation: 1, start: { name: "probe", operation: "wait" }, last: true });
    expect(ConnectError.from(await caller.ended).code).toBe(Code.DeadlineExceeded);
    await own.abandoned;
  });
});

test("the streams need the token", async () => {
  await using own = await serve({ token: "secret" });
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${own.port}` });
  const client = createClient(Bindings, transport);
  const caller = new StreamCaller(client).finish();
  expect(ConnectError.from(await caller.ended).code).toBe(Code.Unauthenticated);
  const headers = { "dapr-api-token": "secret" };
  const allowed = new StreamCaller(client, { headers });
  allowed.send({ invocation: 1, start: { name: "probe", operation: "create" }, last: true });
  await until(() => allowed.chunks.length === 1);
  allowed.finish();
  expect(await allowed.ended).toBeUndefined();
});

function isTemporary(name: string): boolean {
  return name.endsWith(".tmp");
}
