import { createClient, Code, ConnectError, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { send, serve, type Served } from "../server/serve.ts";

const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);

let served: Served;
let base: { baseUrl: string };
beforeAll(async () => {
  served = await serve({ maxBodySize: 64 * 1024 });
  base = { baseUrl: `http://127.0.0.1:${served.port}` };
});
afterAll(() => served[Symbol.asyncDispose]());

const lanes: readonly (readonly [string, () => Transport])[] = [
  ["gRPC", () => createGrpcTransport(base)],
  ["gRPC with JSON", () => createGrpcTransport({ ...base, useBinaryFormat: false })],
  ["gRPC-Web over HTTP/1.1", () => createGrpcWebTransport({ ...base, httpVersion: "1.1" })],
  ["gRPC-Web over HTTP/2", () => createGrpcWebTransport({ ...base, httpVersion: "2" })],
  [
    "Connect with JSON over HTTP/1.1",
    () => createConnectTransport({ ...base, httpVersion: "1.1", useBinaryFormat: false }),
  ],
  ["Connect over HTTP/2", () => createConnectTransport({ ...base, httpVersion: "2" })],
];

async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (thrown) {
    return ConnectError.from(thrown);
  }
  throw new Error("the call did not fail");
}

describe.each(lanes)("%s", (_, transport) => {
  const client = () => createClient(Dapr, transport());

  test("data passes byte for byte both ways, metadata as headers and in the message", async () => {
    let headers = new Headers();
    const answer = await client().invokeBinding(
      {
        name: "probe",
        operation: "echo",
        data: everyByte,
        metadata: {
          "echo-Key": "value",
          "echo-bad key": "kept in the message",
          "echo-x": "a\nb",
          "echo-text": "ü",
        },
      },
      { onHeader: (received) => (headers = received) },
    );
    expect(answer.data).toEqual(everyByte);
    expect(answer.metadata).toEqual({
      Key: "value",
      "bad key": "kept in the message",
      x: "a\nb",
      text: "ü",
    });
    expect(headers.get("metadata.key")).toBe("value");
    expect(headers.get("metadata.x")).toBe("a b");
    expect(served.calls.at(-1)).toMatchObject({ encoding: "bytes", operation: "echo" });
  });

  test("no data is none", async () => {
    const answer = await client().invokeBinding({ name: "probe", operation: "create" });
    expect(answer.data).toHaveLength(0);
    expect(answer.metadata).toEqual({});
    expect(served.calls.at(-1)?.data).toBeUndefined();
  });

  test("a component's error is INTERNAL with Dapr's text and detail, and the precise reason in it", async () => {
    const error = await failureOf(client().invokeBinding({ name: "probe", operation: "fail" }));
    expect(error.code).toBe(Code.Internal);
    expect(error.rawMessage).toBe("error invoking output binding probe: received status code 404");
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
      {
        reason: "ERR_INVOKE_OUTPUT_BINDING",
        domain: "dapr.io",
        metadata: { reason: "not_found", effect: "rejected", systemCode: "404" },
      },
    ]);
    expect(error.findDetails(RetryInfoSchema)).toMatchObject([
      { retryDelay: { seconds: 1n, nanos: 500_000_000 } },
    ]);
    expect(error.metadata.get("metadata.statuscode")).toBe("404");
  });

  test.each([
    ["nosuch", "create", "couldn't find output binding nosuch"],
    ["nosuch", "", "operation field is missing from request"],
    ["probe", "put", "binding probe does not support operation put. supported operations:create "],
  ])("%s %s: INTERNAL", async (name, operation, text) => {
    const error = await failureOf(client().invokeBinding({ name, operation }));
    expect(error.code).toBe(Code.Internal);
    expect(error.rawMessage).toContain(`error invoking output binding ${name}: ${text}`);
  });

  test("no header but the trace context reaches the binding", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const headers = {
      traceparent,
      tracestate: "v=1",
      baggage: "a=b",
      authorization: "Bearer x",
      "x-own": "1",
    };
    await client().invokeBinding(
      { name: "probe", operation: "create", metadata: { key: "k" } },
      { headers },
    );
    const { metadata } = served.calls.at(-1)!;
    expect(metadata).toEqual({ key: "k", traceparent, tracestate: "v=1", baggage: "a=b" });
  });

  test("malformed baggage is INVALID_ARGUMENT", async () => {
    const call = client().invokeBinding(
      { name: "probe", operation: "create" },
      { headers: { baggage: "nonsense" } },
    );
    const error = await failureOf(call);
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toContain("invalid baggage header: ");
  });

  test("a deadline reaches the binding", async () => {
    await using own = await serve();
    const saved = base;
    base = { baseUrl: `http://127.0.0.1:${own.port}` };
    const call = client().invokeBinding({ name: "probe", operation: "wait" }, { timeoutMs: 100 });
    base = saved;
    expect((await failureOf(call)).code).toBe(Code.DeadlineExceeded);
    await expect(own.abandoned).resolves.toBeInstanceOf(Error);
  });

  test("a request over the limit is RESOURCE_EXHAUSTED", async () => {
    const call = client().invokeBinding({
      name: "probe",
      operation: "create",
      data: new Uint8Array(70_000),
    });
    expect(await failureOf(call)).toMatchObject({
      code: Code.ResourceExhausted,
      rawMessage: expect.stringMatching(/larger than .*65536.*; see --max-body-size$/),
    });
  });

  test("an answer over the limit is RESOURCE_EXHAUSTED, and the text names the flag", async () => {
    const call = client().invokeBinding({
      name: "probe",
      operation: "big",
      metadata: { size: "70000" },
    });
    expect(await failureOf(call)).toMatchObject({
      code: Code.ResourceExhausted,
      rawMessage: expect.stringMatching(/larger than .*65536.*; see --max-body-size$/),
    });
  });

  test("metadata is described, labels are kept, shutdown is asked once", async () => {
    await client().setMetadata({ key: "owner", value: "ann" });
    const answer = await client().getMetadata({});
    expect(answer).toMatchObject({
      id: "shop",
      runtimeVersion: "1.18.3",
      enabledFeatures: ["HotReload"],
      registeredComponents: [
        { name: "probe", type: "bindings.probe", version: "v1", capabilities: ["OUTPUT_BINDING"] },
      ],
      extendedMetadata: { daprRuntimeVersion: "1.18.3", cufflinkVersion: "1.2.3", owner: "ann" },
      appConnectionProperties: { protocol: "http", channelAddress: "127.0.0.1" },
    });
    const before = served.shutdowns();
    await client().shutdown({});
    expect(served.shutdowns()).toBe(before + 1);
  });
});

test("a compressed request is read over gRPC", async () => {
  const transport = createGrpcTransport({
    ...base,
    sendCompression: compressionGzip,
    compressMinBytes: 0,
    acceptCompression: [],
  });
  const data = new Uint8Array(1000).fill(7);
  const answer = await createClient(Dapr, transport).invokeBinding({
    name: "probe",
    operation: "echo",
    data,
  });
  expect(answer.data).toEqual(data);
});

test("a message that is none is INTERNAL", async () => {
  const answer = await send(served.port, "/dapr.proto.runtime.v1.Dapr/InvokeBinding", {
    body: "{",
    headers: { "content-type": "application/json" },
  });
  expect(answer.status).toBe(400);
  expect(JSON.parse(answer.text)).toMatchObject({ code: "invalid_argument" });
});

test("Connect's JSON is plain enough for curl", async () => {
  const answer = await send(served.port, "/dapr.proto.runtime.v1.Dapr/InvokeBinding", {
    body: JSON.stringify({
      name: "probe",
      operation: "echo",
      data: "aGk=",
      metadata: { "echo-a": "b" },
    }),
    headers: { "content-type": "application/json" },
  });
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.text)).toEqual({ data: "aGk=", metadata: { a: "b" } });
});

test("another content type at a method's path is 415", async () => {
  const answer = await send(served.port, "/dapr.proto.runtime.v1.Dapr/InvokeBinding", {
    body: "x",
    headers: { "content-type": "text/plain" },
  });
  expect(answer.status).toBe(415);
});
