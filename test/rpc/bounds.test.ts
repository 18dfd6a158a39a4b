import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, onTestFinished, test } from "vitest";
import { InvokeBindingRequestSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { lookInterval, watchedCalls } from "../../src/grpc/watched-calls.ts";
import { MemoryBudget, type MemoryShare } from "../../src/memory/budget.ts";
import { call, connect, frame } from "../grpc/raw-client.ts";
import { component, FakeSystem, startRuntime } from "../runtime/fake-binding.ts";
import { send, serve } from "../server/serve.ts";
import { bindingsClient } from "./bindings-client.ts";
import { StreamCaller, until, type Chunk } from "./stream-caller.ts";

// What the services keep of their callers is bounded.

const mebibyte = 1024 * 1024;

async function streaming(memory: MemoryShare): Promise<StreamCaller> {
  const { runtime } = startRuntime({ bindings: [new FakeSystem().binding("probe")] });
  await runtime.apply([component("probe", {}, { name: "fake" })]);
  const caller = new StreamCaller(bindingsClient(runtime, 4 * mebibyte, memory));
  onTestFinished(async () => {
    caller.finish();
    await caller.ended;
  });
  return caller;
}

function part(invocation: number, bytes: number, start = true): Chunk {
  const data = Buffer.alloc(bytes);
  return start
    ? { invocation, data, start: { name: "fake", operation: "create" } }
    : { invocation, data };
}

test("the payloads of all streams share one memory: what has no room fails, the rest goes on", async () => {
  const share = new MemoryBudget(4 * mebibyte).share("streams");
  const first = await streaming(share);
  first.send(part(1, mebibyte + mebibyte / 2));
  await until(() => share.used > mebibyte);
  const second = await streaming(share);
  second.send(part(1, mebibyte));
  await until(() => second.chunks.length === 1);
  expect(second.chunks[0]).toMatchObject({
    invocation: 1,
    last: true,
    error: { code: Code.Unavailable },
  });
  first.send({ invocation: 1, last: true });
  await until(() => first.chunks.length === 1);
  expect(first.chunks[0]?.error).toBeUndefined();
  await until(() => share.used === 0);
});

test("a stream that keeps half a payload here ends, and one that is only silent does not", async () => {
  const share = new MemoryBudget().share("streams");
  const silent = await streaming(share);
  const half = await streaming(share);
  half.send(part(1, 1000));
  await until(() => share.used > 1000);
  const ended = half.ended;
  let isOver = false;
  void silent.ended.then(() => (isOver = true));
  for (let time = 0; time <= 34_000; time += lookInterval) watchedCalls.look();
  const error = await ended;
  expect(ConnectError.from(error).code).toBe(Code.DeadlineExceeded);
  expect(isOver).toBe(false);
  await until(() => share.used === 0);
});

test("metadata of more than 10,000 entries is refused, by each road", async () => {
  await using served = await serve();
  const metadata = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [index, ""]));
  const body = JSON.stringify({ operation: "create", metadata });
  const answer = await send(served.port, "/v1.0/bindings/probe", { body });
  expect([answer.status, JSON.parse(answer.text).errorCode]).toEqual([
    413,
    "ERR_METADATA_TOO_LARGE",
  ]);
  const session = connect(served.port);
  const message = create(InvokeBindingRequestSchema, {
    name: "probe",
    operation: "create",
    metadata,
  });
  const bytes = frame(toBinary(InvokeBindingRequestSchema, message));
  expect(await call(session, "/dapr.proto.runtime.v1.Dapr/InvokeBinding", bytes)).toMatchObject({
    status: 8,
    text: expect.stringContaining("10000 entries"),
  });
  session.destroy();
  const client = bindingsClient(served.runtime);
  const one = { name: "probe", operation: "create", metadata };
  await expect(client.invokeBindingBatch({ invocations: [one] })).rejects.toThrow(/10000 entries/);
  expect(served.calls).toEqual([]);
});

test("a message of a million fields is refused before it becomes a million objects", async () => {
  await using served = await serve();
  const session = connect(served.port);
  const before = process.memoryUsage().heapUsed;
  // Empty invocations, of two bytes each.
  const message = Buffer.alloc(4 * mebibyte - 16, Buffer.from([0x0a, 0]));
  const answer = await call(session, "/cufflink.v1.Bindings/InvokeBindingBatch", frame(message));
  expect(answer).toMatchObject({ status: 8, text: expect.stringContaining("100000 fields") });
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * mebibyte);
  // Unknown fields are read over.
  const unknown = Buffer.alloc(150_000, Buffer.from([0x78, 0]));
  const invoked = await call(session, "/dapr.proto.runtime.v1.Dapr/InvokeBinding", frame(unknown));
  expect(invoked.status).not.toBe(8);
  session.destroy();
});

test("what callers set of the runtime's own metadata is bounded, since it stays", async () => {
  await using served = await serve();
  const set = async (key: string, body: string): Promise<number> =>
    (await send(served.port, `/v1.0/metadata/${key}`, { method: "PUT", body })).status;
  expect(await set("a", "x".repeat(60_000))).toBe(204);
  expect(await set("b", "x".repeat(60_000))).toBe(413);
  // In place of the first there is room.
  expect(await set("a", "short")).toBe(204);
  expect(await set("b", "x".repeat(60_000))).toBe(204);
});
