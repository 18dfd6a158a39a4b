import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, expect, test } from "vitest";
import {
  InvokeBindingBatchResponseSchema,
  type InvocationResult,
  type InvocationSchema,
} from "../../gen/cufflink/v1/bindings_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { serve, type Served } from "../server/serve.ts";
import { until } from "../until.ts";
import { bindingsClient } from "./bindings-client.ts";

let served: Served | undefined;
afterEach(async () => served?.[Symbol.asyncDispose]());

async function start(maxBodySize = 4 * 1024 * 1024) {
  const own = (served = await serve());
  return { ...own, client: bindingsClient(own.runtime, maxBodySize) };
}

type Wanted = MessageInitShape<typeof InvocationSchema>;

function probe(operation: string, metadata: Record<string, string> = {}, data?: string): Wanted {
  const bytes = data === undefined ? undefined : Buffer.from(data);
  return { name: "probe", operation, metadata, ...(bytes && { data: bytes }) };
}

function codesOf(results: readonly InvocationResult[]): (number | undefined)[] {
  return results.map(({ result }) => (result.case === "error" ? result.value.code : undefined));
}

function errorOf(one: InvocationResult | undefined) {
  if (one?.result.case !== "error") throw new Error("it did not fail");
  return one.result.value;
}

test("each succeeds or fails by itself, in the order of the request", async () => {
  const { client } = await start();
  const { results } = await client.invokeBindingBatch({
    invocations: [
      probe("echo", { "echo-a": "b" }, "one"),
      probe("fail", { text: "no" }),
      probe("create", {}, "x"),
      { name: "nosuch", operation: "create" },
      probe(""),
      probe("empty"),
      probe("echo", {}, ""),
    ],
  });
  const seen = results.map(({ result }) => {
    if (result.case !== "answer") return result.value?.message;
    const { data, metadata } = result.value;
    return { data: data && Buffer.from(data).toString(), metadata };
  });
  expect(seen).toEqual([
    { data: "one", metadata: { a: "b" } },
    "error invoking output binding probe: no",
    { data: undefined, metadata: {} },
    "error invoking output binding nosuch: couldn't find output binding nosuch",
    "error invoking output binding probe: operation field is missing from request",
    { data: undefined, metadata: {} },
    { data: "", metadata: {} },
  ]);
});

test("nothing to invoke is answered at once", async () => {
  const { client } = await start();
  expect((await client.invokeBindingBatch({})).results).toEqual([]);
});

test("absent data is none, and empty data is empty", async () => {
  const { client, calls } = await start();
  await client.invokeBindingBatch({ invocations: [probe("create"), probe("create", {}, "")] });
  expect(calls.map(({ data }) => data)).toEqual([undefined, ""]);
});

test("a failure is the one that InvokeBinding answers: code, text and details", async () => {
  const { client, port } = await start();
  const unary = createClient(Dapr, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }));
  for (const [name, operation] of [
    ["probe", "fail"],
    ["probe", "nosuch"],
    ["nosuch", "create"],
  ] as const) {
    const thrown = await unary
      .invokeBinding({ name, operation })
      .catch((error: unknown) => ConnectError.from(error));
    if (!(thrown instanceof ConnectError)) throw new Error("it did not fail");
    const { results } = await client.invokeBindingBatch({ invocations: [{ name, operation }] });
    const status = errorOf(results[0]);
    expect(status).toMatchObject({ code: thrown.code, message: thrown.rawMessage });
    for (const schema of [ErrorInfoSchema, RetryInfoSchema]) {
      const unpacked = status.details.map((detail) => anyUnpack(detail, schema));
      expect(unpacked.filter((one) => one !== undefined)).toEqual(thrown.findDetails(schema));
    }
    expect(status.details.length).toBeGreaterThan(0);
  }
});

test("the call's trace context goes to each; without one each has its own", async () => {
  const { client, calls } = await start();
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const own = "00-11111111111111111111111111111111-2222222222222222-01";
  const invocations = [probe("create", { key: "k" }), probe("create", { traceparent: own })];
  await client.invokeBindingBatch({ invocations }, { headers: { traceparent, baggage: "a=b" } });
  expect(calls.splice(0).map(({ metadata }) => metadata)).toEqual([
    { key: "k", traceparent, baggage: "a=b" },
    { traceparent, baggage: "a=b" },
  ]);
  await client.invokeBindingBatch({ invocations });
  expect(calls[0]?.metadata["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  expect(calls[1]?.metadata["traceparent"]).toBe(own);
});

test("malformed baggage refuses the whole call, and nothing is invoked", async () => {
  const { client, calls } = await start();
  const call = client.invokeBindingBatch(
    { invocations: [probe("create")] },
    { headers: { baggage: "nonsense" } },
  );
  await expect(call).rejects.toThrow("invalid baggage header");
  expect(calls).toEqual([]);
});

test("a caller that cancels aborts what still runs", async () => {
  const { client, abandoned, begun } = await start();
  const caller = new AbortController();
  const call = client.invokeBindingBatch(
    { invocations: [probe("create"), probe("wait")] },
    { signal: caller.signal },
  );
  const gone = expect(call).rejects.toMatchObject({ code: Code.Canceled });
  await begun;
  caller.abort();
  await gone;
  await abandoned;
});

test("what has not begun when the caller gives up is left undone", async () => {
  const { client, calls, release, runtime, abandoned } = await start();
  const caller = new AbortController();
  const invocations = Array.from({ length: 3000 }, (_, n) => probe(n === 0 ? "wait" : "pause"));
  const call = client.invokeBindingBatch({ invocations }, { signal: caller.signal });
  await until(() => calls.length === 1000, { what: "1,000 invocations that run" });
  caller.abort();
  await expect(call).rejects.toMatchObject({ code: Code.Canceled });
  await abandoned;
  release();
  await runtime.close(5000);
  expect(calls).toHaveLength(1000);
});

test("a response never grows beyond the limit: what has no room fails by itself and says what to do", async () => {
  const limit = 8192;
  const { client, calls } = await start(limit);
  const { results } = await client.invokeBindingBatch({
    invocations: [
      probe("big", { size: "3000" }),
      probe("big", { size: "3000" }),
      probe("big", { size: "3000" }),
      probe("big", { size: "10" }),
    ],
  });
  expect(calls).toHaveLength(4);
  expect(codesOf(results)).toEqual([undefined, undefined, Code.ResourceExhausted, undefined]);
  expect(errorOf(results[2]).message).toBe(
    "the answer of 3000 bytes has no room in this response, which has at most 8192; what was done is done: " +
      "use InvokeBindingStream, whose answers come in chunks, or smaller batches",
  );
  const response = create(InvokeBindingBatchResponseSchema, { results });
  expect(toBinary(InvokeBindingBatchResponseSchema, response).length).toBeLessThanOrEqual(limit);
});

test("metadata of answers counts, and failures without room keep their code", async () => {
  const limit = 20_000;
  const { client } = await start(limit);
  const invocations = [
    ...Array.from({ length: 100 }, () => probe("fail", { text: "x".repeat(150) })),
    probe("echo", { "echo-long": "y".repeat(limit) }),
  ];
  const { results } = await client.invokeBindingBatch({ invocations });
  expect(new Set(codesOf(results.slice(0, 100)))).toEqual(new Set([Code.Internal]));
  expect(errorOf(results[0]).details).not.toEqual([]);
  expect(errorOf(results[99]).message).toBe("");
  expect(errorOf(results[100]).code).toBe(Code.ResourceExhausted);
  const response = create(InvokeBindingBatchResponseSchema, { results });
  expect(toBinary(InvokeBindingBatchResponseSchema, response).length).toBeLessThanOrEqual(limit);
});

test("a batch of more than 10,000 is refused as a whole", async () => {
  const { client, calls } = await start();
  const many = (length: number) => ({ invocations: Array.from({ length }, () => probe("create")) });
  await expect(client.invokeBindingBatch(many(10_001))).rejects.toThrow(
    "a batch has at most 10000 invocations, and this one has 10001; send several, or use InvokeBindingStream",
  );
  expect(calls).toEqual([]);
  const { results } = await client.invokeBindingBatch(many(10_000));
  expect(results).toHaveLength(10_000);
  expect(new Set(codesOf(results))).toEqual(new Set([undefined]));
  expect(calls).toHaveLength(10_000);
});

test("at most 1,000 run at one time", async () => {
  const { client, calls, begun, release } = await start();
  const invocations = Array.from({ length: 1500 }, () => probe("pause"));
  const call = client.invokeBindingBatch({ invocations });
  await begun;
  expect(calls).toHaveLength(1000);
  release();
  expect((await call).results).toHaveLength(1500);
  expect(calls).toHaveLength(1500);
});
