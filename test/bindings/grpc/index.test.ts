import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import grpc from "../../../src/bindings/grpc/index.ts";
import { GrpcFailure } from "../../../src/grpc/status.ts";
import { openOutput, textOf, type OpenedOutput } from "../opened-output.ts";
import { buildDescriptors, startOrders, type OrdersServer } from "./orders-server.ts";

let set: Buffer;
let folder: string;
let file: string;
beforeAll(async () => {
  set = await buildDescriptors();
  folder = await mkdtemp(join(tmpdir(), "cufflink-grpc-"));
  file = join(folder, "orders.binpb");
  await writeFile(file, set);
});
afterAll(() => rm(folder, { recursive: true }));

async function begin(
  properties: Record<string, string> = {},
  options: Parameters<typeof startOrders>[1] = {},
): Promise<{ server: OrdersServer; output: OpenedOutput }> {
  const server = await startOrders(set, options);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const component = { address: server.address, service: "shop.v1.Orders", ...properties };
  const output = await openOutput(grpc, component);
  onTestFinished(() => output[Symbol.asyncDispose]());
  return { server, output };
}

const sources = [
  ["by reflection", () => ({}), {}],
  ["by a file", () => ({ descriptorSet: file }), { reflection: false }],
] as const;

describe.each(sources)("described %s", (_, properties, options) => {
  test("calls a method with JSON, and answers JSON with headers and trailers", async () => {
    const { server, output } = await begin(properties(), options);
    const order = {
      orderId: "ü-1",
      total: "9223372036854775807",
      payload: "AAECAw==",
      placedAt: "2026-11-30T01:02:03.000000004Z",
      state: "STATE_PAID",
      items: { cup: 2 },
    };
    const answer = await output.invoke(
      "call",
      { method: "Place" },
      { data: JSON.stringify(order) },
    );
    expect(JSON.parse(textOf(answer) ?? "")).toEqual(order);
    expect(answer?.metadata).toMatchObject({ first: "1", "first-bin": "AAE", last: "2" });
    expect(answer?.metadata).not.toHaveProperty("grpc-status");
    expect(server.calls[0]?.order.total).toBe(9223372036854775807n);
  });

  test("no data are a message without fields", async () => {
    const { output } = await begin(properties(), options);
    expect(textOf(await output.invoke("call", { method: "shop.v1.Orders/Get" }))).toBe("{}");
  });

  test("a streamed answer is an array", async () => {
    const { output } = await begin(properties(), options);
    const metadata = { method: "List" };
    const answer = await output.invoke("call", metadata, { data: '{"count":3}' });
    const orders = JSON.parse(textOf(answer) ?? "") as { orderId: string }[];
    expect(orders.map(({ orderId }) => orderId)).toEqual(["0", "1", "2"]);
    expect(answer?.metadata).toMatchObject({ first: "1", last: "2" });
    expect(textOf(await output.invoke("call", metadata))).toBe("[]");
  });

  test("a streamed answer in parts is a line for each message", async () => {
    const { output } = await begin(properties(), options);
    const answer = await output.invokeStream("call", { method: "List" }, parts('{"co', 'unt":3}'));
    expect(answer?.metadata).toMatchObject({ first: "1" });
    const lines = (await gather(answer?.body)).split("\n");
    expect(lines.pop()).toBe("");
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual(
      [0, 1, 2].map((number) => ({ orderId: String(number), count: 3 })),
    );
  });

  test("names what it does not have", async () => {
    const { output } = await begin(properties(), options);
    const call = (method: string) => output.invoke("call", { method });
    const rejected = { reason: "not_found", effect: "rejected" };
    await expect(call("Nosuch")).rejects.toMatchObject(rejected);
    await expect(call("shop.v2.Orders/Get")).rejects.toMatchObject(rejected);
    await expect(call("Upload")).rejects.toMatchObject({ reason: "unimplemented" });
    await expect(call("Chat")).rejects.toMatchObject({ reason: "unimplemented" });
  });
});

async function* parts(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function gather(body: AsyncIterable<Uint8Array> | undefined): Promise<string> {
  let text = "";
  for await (const part of body ?? []) text += Buffer.from(part).toString();
  return text;
}

test("numbers keep their digits, and what would lose them is refused", async () => {
  const { server, output } = await begin();
  const place = (method: string, data: string) => output.invoke("call", { method }, { data });
  await place("Place", '{"total":9007199254740993}');
  expect(server.calls.at(-1)?.order.total).toBe(9007199254740993n);
  const free = '{"struct":{"a":9007199254740993}}';
  await expect(place("Describe", free)).rejects.toMatchObject({ reason: "invalid_argument" });
  const answer = await place("Describe", '{"struct":{"a":9007199254740992e0,"b":[1.5,null]}}');
  expect(textOf(answer)).toBe('{"struct":{"a":9007199254740992,"b":[1.5,null]}}');
});

test("messages in Any are found by their names", async () => {
  const { server, output } = await begin({ descriptorSet: file });
  const any = { "@type": "type.googleapis.com/shop.v1.Parcel", label: "a", weight: "7" };
  const data = JSON.stringify({ any });
  const answer = await output.invoke("call", { method: "Describe" }, { data });
  expect(JSON.parse(textOf(answer) ?? "")).toEqual({ any });
  expect(server.streams.filter((path) => path.includes("reflection"))).toEqual([]);
  const order = { "@type": "type.googleapis.com/shop.v1.Order", orderId: "1" };
  const duration = { "@type": "type.googleapis.com/google.protobuf.Duration", value: "1.500s" };
  const asked = await begin();
  for (const one of [order, duration]) {
    const data = JSON.stringify({ any: one });
    const answer = await asked.output.invoke("call", { method: "Describe" }, { data });
    expect(JSON.parse(textOf(answer) ?? "")).toEqual({ any: one });
  }
  const unknown = JSON.stringify({ any: { "@type": "type.googleapis.com/shop.v1.Nosuch" } });
  await expect(
    asked.output.invoke("call", { method: "Describe" }, { data: unknown }),
  ).rejects.toMatchObject({ reason: "invalid_argument" });
});

test("the JSON is written as the component says", async () => {
  const { output } = await begin({
    useProtoFieldNames: "true",
    emitDefaults: "true",
    ignoreUnknownFields: "true",
  });
  const data = '{"order_id":"1","nosuch":true}';
  const answer = await output.invoke("call", { method: "Place" }, { data });
  expect(JSON.parse(textOf(answer) ?? "")).toEqual({
    order_id: "1",
    total: "0",
    payload: "",
    state: "STATE_UNSPECIFIED",
    items: {},
    count: 0,
  });
});

test("metadata are sent, a call's in place of the component's, with the trace", async () => {
  const { server, output } = await begin({ "header:X-One": "component", "header:two": "2" });
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await output.invoke("call", {
    method: "Get",
    "header:x-one": "call",
    "header:three-bin": "AAE=",
    traceparent,
  });
  const { requestHeader } = server.calls[0]!.context;
  expect(requestHeader.get("x-one")).toBe("call");
  expect(requestHeader.get("two")).toBe("2");
  expect(requestHeader.get("three-bin")).toBe("AAE");
  expect(requestHeader.get("traceparent")).toBe(traceparent);
});

test("descriptors are asked for once, and again when a method is unknown", async () => {
  const { server, output } = await begin();
  const asked = () => server.streams.filter((path) => path.includes("reflection")).length;
  const atStart = asked();
  await Promise.all(["Get", "Put", "Place"].map((method) => output.invoke("call", { method })));
  expect(asked()).toBe(atStart + 1);
  await output.invoke("call", { method: "Get" });
  expect(asked()).toBe(atStart + 1);
  await expect(output.invoke("call", { method: "Newer" })).rejects.toThrow(/no method Newer/);
  expect(asked()).toBe(atStart + 2);
});

test("a newer version of a service is noticed", async () => {
  const old = await startOrders(set, { hidden: ["Put"] });
  const output = await openOutput(grpc, { address: old.address, service: "shop.v1.Orders" });
  onTestFinished(() => output[Symbol.asyncDispose]());
  await expect(output.invoke("call", { method: "Put" })).rejects.toThrow(/no method Put/);
  expect(textOf(await output.invoke("call", { method: "Get" }))).toBe("{}");
  await old[Symbol.asyncDispose]();
  await expect(output.invoke("call", { method: "Get" })).rejects.toMatchObject({
    reason: "unavailable",
    effect: "unsent",
  });
});

test("a caller's deadline is passed on, and a call that is cancelled is given up", async () => {
  const { server, output } = await begin({ timeout: "30s" });
  await output.invoke("call", { method: "Get" });
  const left = server.calls[0]?.context.timeoutMs() ?? 0;
  expect(left).toBeGreaterThan(20_000);
  expect(left).toBeLessThanOrEqual(30_000);
  const controller = new AbortController();
  const waiting = output.invoke(
    "call",
    { method: "Get" },
    { data: '{"orderId":"wait"}', signal: controller.signal },
  );
  waiting.catch(() => undefined);
  await expect.poll(() => server.calls.length).toBe(2);
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ reason: "cancelled", effect: "ambiguous" });
  await server.abandoned;
  const short = await openOutput(grpc, {
    ...{ address: server.address, service: "shop.v1.Orders", timeout: "50ms" },
  });
  onTestFinished(() => short[Symbol.asyncDispose]());
  const late = short.invoke("call", { method: "Get" }, { data: '{"orderId":"wait"}' });
  await expect(late).rejects.toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
});

test("a reader that leaves a streamed answer ends the call", async () => {
  const { server, output } = await begin();
  const data = parts('{"count":1000000000}');
  const answer = await output.invokeStream("call", { method: "List" }, data);
  for await (const part of answer?.body ?? []) {
    expect(JSON.parse(Buffer.from(part).toString())).toMatchObject({ orderId: "0" });
    break;
  }
  await server.abandoned;
});

test("a streamed answer that is too large for an array is refused", async () => {
  const { output } = await begin({ maxResponseBodySize: "1Ki" });
  const call = output.invoke("call", { method: "List" }, { data: '{"count":100000}' });
  await expect(call).rejects.toMatchObject({ reason: "resource_exhausted", effect: "ambiguous" });
  const large = JSON.stringify({ payload: Buffer.alloc(2000).toString("base64") });
  const one = output.invoke("call", { method: "Get" }, { data: large });
  await expect(one).rejects.toMatchObject({ reason: "resource_exhausted" });
});

test.each([
  [1, "cancelled", "ambiguous"],
  [2, "internal", "ambiguous"],
  [3, "invalid_argument", "rejected"],
  [4, "deadline_exceeded", "ambiguous"],
  [5, "not_found", "rejected"],
  [6, "already_exists", "rejected"],
  [7, "permission_denied", "rejected"],
  [8, "resource_exhausted", "rejected"],
  [9, "failed_precondition", "rejected"],
  [10, "aborted", "rejected"],
  [11, "out_of_range", "rejected"],
  [12, "unimplemented", "rejected"],
  [13, "internal", "ambiguous"],
  [14, "unavailable", "ambiguous"],
  [15, "data_loss", "ambiguous"],
  [16, "unauthenticated", "rejected"],
] as const)("status %i is %s, %s", async (code, reason, effect) => {
  const { server, output } = await begin();
  server.failure = new GrpcFailure(code, "said the server", undefined, { beside: "it" });
  const call = output.invoke("call", { method: "Get" });
  await expect(call).rejects.toMatchObject({ reason, effect, metadata: { beside: "it" } });
  await expect(call).rejects.toThrow(/shop\.v1\.Orders\/Get: [A-Z_]+: said the server/);
});

test("details are told in JSON, and how long to wait", async () => {
  const { server, output } = await begin();
  // google.rpc.Status with a RetryInfo of 1.5 s and a Parcel.
  const any = (type: string, value: string) => {
    const url = Buffer.from(`type.googleapis.com/${type}`).toString("hex");
    const body = `0a${byte(url)}${url}12${byte(value)}${value}`;
    return `1a${byte(body)}${body}`;
  };
  const byte = (hex: string) => (hex.length / 2).toString(16).padStart(2, "0");
  const retryInfo = "0a0808011080cab5ee01";
  const details = any("google.rpc.RetryInfo", retryInfo) + any("google.protobuf.Empty", "");
  server.failure = new GrpcFailure(8, "too many", Buffer.from(`0808${details}`, "hex"));
  const error = await output.invoke("call", { method: "Get" }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    ...{ reason: "resource_exhausted", effect: "unsent", systemCode: "RESOURCE_EXHAUSTED" },
    retryAfter: 1500,
  });
  const { metadata } = error as { metadata: Record<string, string> };
  expect(JSON.parse(metadata["status-details"] ?? "")).toEqual([
    {
      "@type": "type.googleapis.com/google.rpc.RetryInfo",
      value: Buffer.from(retryInfo, "hex").toString("base64"),
    },
    { "@type": "type.googleapis.com/google.protobuf.Empty" },
  ]);
});

test("a stream that fails in the middle leaves open what was done", async () => {
  const { output } = await begin();
  const data = '{"orderId":"break","count":9}';
  const failure = { reason: "invalid_argument", effect: "ambiguous" };
  await expect(output.invoke("call", { method: "List" }, { data })).rejects.toMatchObject(failure);
  const answer = await output.invokeStream("call", { method: "List" }, parts(data));
  let lines = 0;
  const reading = (async () => {
    for await (const _ of answer?.body ?? []) lines++;
  })();
  await expect(reading).rejects.toMatchObject(failure);
  expect(lines).toBe(2);
});

test.each([
  ["without a port", { address: "127.0.0.1" }],
  ["that is none", { address: "http://a/b c" }],
  ["with a path", { address: "https://127.0.0.1:1/path" }],
])("an address %s is refused", async (_, properties) => {
  const opening = openOutput(grpc, properties);
  await expect(opening).rejects.toMatchObject({ reason: "invalid_argument" });
});

test("a descriptor file that is none, or lacks imports, is refused", async () => {
  const { server } = await begin();
  const bad = join(folder, "bad.binpb");
  await writeFile(bad, "no descriptors");
  for (const descriptorSet of [bad, join(folder, "nosuch"), folder]) {
    const opening = openOutput(grpc, { address: server.address, descriptorSet });
    await expect(opening).rejects.toMatchObject({ reason: "invalid_argument" });
  }
});

test("a server without reflection needs a file, and the failure says so", async () => {
  const server = await startOrders(set, { reflection: false });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const opening = openOutput(grpc, { address: server.address });
  await expect(opening).rejects.toMatchObject({ reason: "invalid_argument" });
  await expect(opening).rejects.toThrow(/descriptorSet/);
});

test("a server that is not there is tried again", async () => {
  const opening = openOutput(grpc, { address: "127.0.0.1:1" });
  await expect(opening).rejects.toMatchObject({ reason: "unavailable", effect: "unsent" });
});
