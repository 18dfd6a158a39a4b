import { beforeAll, expect, onTestFinished, test } from "vitest";
import grpc from "../../../src/bindings/grpc/index.ts";
import { BindingError } from "../../../src/errors.ts";
import { GrpcFailure } from "../../../src/grpc/status.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { buildDescriptors, startOrders, type Fate } from "./orders-server.ts";

let set: Buffer;
beforeAll(async () => {
  set = await buildDescriptors();
});

async function begin() {
  const server = await startOrders(set);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const started = startRuntime({ bindings: [grpc] });
  const values = { address: server.address, service: "shop.v1.Orders" };
  const resolve = async () => ({ values, secrets: [] });
  await started.runtime.apply([component("grpc", {}, { resolve })]);
  const call = async (method: string) => {
    const thrown: unknown = await started
      .invoke("orders", "call", "{}", { metadata: { method } })
      .catch((error: unknown) => error);
    return thrown instanceof BindingError ? thrown : undefined;
  };
  // Descriptors are there before anything goes wrong.
  expect(await call("Get")).toBeUndefined();
  const streams = () => server.streams.filter((path) => path.startsWith("/shop.v1.Orders/"));
  server.streams.length = 0;
  server.calls.length = 0;
  return { server, call, streams };
}

// By the default policy: three attempts where nothing was sent, or where repeating does no harm.
test.each<[fate: Fate, method: string, streams: number, processed: number, effect: string]>([
  ["refuse", "Place", 3, 0, "unsent"],
  ["refuse", "Get", 3, 0, "unsent"],
  ["cut", "Place", 1, 0, "ambiguous"],
  ["cut", "Get", 3, 0, "ambiguous"],
  ["swallow", "Place", 1, 1, "ambiguous"],
  ["swallow", "Put", 3, 3, "ambiguous"],
])(
  "%s: a call of %s comes %i times and is processed %i times",
  async (fate, method, times, processed, effect) => {
    const { server, call, streams } = await begin();
    server.fate = (path) => (path.startsWith("/shop.") ? fate : "serve");
    expect(await call(method)).toMatchObject({ effect });
    expect(streams()).toHaveLength(times);
    expect(server.calls).toHaveLength(processed);
  },
);

test.each([
  [3, "Place", 1],
  [3, "Get", 1],
  [8, "Get", 1],
  [14, "Place", 1],
  [14, "Get", 3],
])("status %i of %s is tried so many times: %i", async (code, method, times) => {
  const { server, call, streams } = await begin();
  server.failure = new GrpcFailure(code, "no");
  expect(await call(method)).toBeInstanceOf(BindingError);
  expect(streams()).toHaveLength(times);
});

test("a server that is throttled and says when to come again is asked again", async () => {
  const { server, call, streams } = await begin();
  server.failure = new GrpcFailure(8, "too many", undefined, { "grpc-retry-pushback-ms": "10" });
  expect(await call("Place")).toMatchObject({ effect: "unsent", retryAfter: 10 });
  expect(streams()).toHaveLength(3);
});

test("a server that is gone is not reached", async () => {
  const { server, call } = await begin();
  await server[Symbol.asyncDispose]();
  expect(await call("Place")).toMatchObject({ reason: "unavailable", effect: "unsent" });
});

test("a connection that was lost is made again by the next call", async () => {
  const { server, call } = await begin();
  server.fate = (path) => (path.startsWith("/shop.") ? "cut" : "serve");
  expect(await call("Place")).toMatchObject({ effect: "ambiguous" });
  server.fate = () => "serve";
  expect(await call("Place")).toBeUndefined();
});
