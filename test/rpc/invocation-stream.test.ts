import { Code, ConnectError, type CallOptions } from "@connectrpc/connect";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { defineBinding, type StreamAnswer } from "../../src/binding.ts";
import { BindingError } from "../../src/errors.ts";
import { component, startRuntime } from "../runtime/fake-binding.ts";
import { bindingsClient } from "./bindings-client.ts";
import { StreamCaller, until, type Chunk } from "./stream-caller.ts";
import { silentObserver } from "../../src/runtime/observer.ts";

type Seen = {
  readonly operation: string;
  readonly data: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
};

/** A binding with operations of both kinds, and what it was asked. */
function probe() {
  const seen: Seen[] = [];
  const log: string[] = [];
  const running = { now: 0, most: 0 };
  const release = Promise.withResolvers<void>();
  const whole = (
    invoke: (call: {
      data: Uint8Array | undefined;
      properties: Readonly<Record<string, string>>;
      signal: AbortSignal;
    }) => Promise<{ data?: Uint8Array; metadata?: Record<string, string> } | void>,
  ) => ({
    description: "For a test.",
    request: {},
    invoke(_: AsyncDisposable, call: Parameters<typeof invoke>[0] & { operation: string }) {
      const { operation, data, properties } = call;
      seen.push({ operation, data: data && Buffer.from(data).toString(), properties });
      return invoke(call);
    },
  });
  const parts = (
    invokeStream: (call: {
      body: AsyncIterable<Uint8Array>;
      properties: Readonly<Record<string, string>>;
      signal: AbortSignal;
    }) => Promise<StreamAnswer | void>,
  ) => ({
    ...whole(() => Promise.reject(new Error("not asked for its payload whole"))),
    invokeStream: (_: AsyncDisposable, call: Parameters<typeof invokeStream>[0]) =>
      invokeStream(call),
  });
  const binding = defineBinding({
    name: "probe",
    status: "alpha",
    summary: "Answers as the tests need it.",
    metadata: {},
    open: () => ({ async [Symbol.asyncDispose]() {} }),
    operations: {
      create: whole(async () => undefined),
      echo: whole(async ({ data = new Uint8Array() }) => ({ data, metadata: { a: "b" } })),
      big: whole(async ({ properties }) => {
        running.most = Math.max(running.most, ++running.now);
        await new Promise(setImmediate);
        running.now--;
        return { data: Buffer.alloc(Number(properties["size"]), "x") };
      }),
      fail: whole(async () => {
        throw new BindingError("not_found", "there is none", {
          systemCode: "404",
          metadata: { statusCode: "404" },
        });
      }),
      pause: whole(async ({ signal }) => {
        signal.addEventListener("abort", () => log.push("pause aborted"));
        await release.promise;
      }),
      count: parts(async ({ body, signal }) => {
        signal.addEventListener("abort", () => log.push("count aborted"));
        let bytes = 0;
        try {
          for await (const part of body) bytes += part.length;
        } catch (error) {
          log.push(`count failed: ${(error as Error).message}`);
          throw error;
        }
        return { data: Buffer.from(String(bytes)), metadata: { parts: "counted" } };
      }),
      mirror: parts(async ({ body }) => ({ body, metadata: { how: "as it comes" } })),
      ignore: parts(async () => ({ data: Buffer.from("not read") })),
      slow: parts(async ({ body }) => {
        await release.promise;
        for await (const part of body) log.push(`took ${part.length}`);
      }),
      endless: parts(async () => ({ body: endless(log) })),
      broken: parts(async () => ({ body: broken() })),
    },
  });
  return { binding, seen, log, running, release: release.resolve };
}

async function* endless(log: string[]) {
  try {
    for (let n = 0; ; n++) {
      log.push(`gave ${n}`);
      yield Buffer.alloc(64 * 1024, "x");
      await new Promise(setImmediate);
    }
  } finally {
    log.push("endless closed");
  }
}

async function* broken() {
  yield Buffer.from("one");
  throw new BindingError("data_loss", "the rest is gone");
}

async function start(options: { maxBodySize?: number; call?: CallOptions } = {}) {
  const own = probe();
  const invoked: unknown[][] = [];
  const { runtime } = startRuntime({
    bindings: [own.binding],
    observer: {
      ...silentObserver,
      invoked: (_, operation, error) => void invoked.push([operation, error?.reason]),
    },
  });
  await runtime.apply([component("probe")]);
  const client = bindingsClient(runtime, options.maxBodySize);
  return { ...own, invoked, client, caller: new StreamCaller(client, options.call) };
}

function first(
  invocation: number,
  operation: string,
  rest: { data?: Uint8Array; last?: boolean } = {},
): Chunk {
  return { invocation, start: { name: "orders", operation }, ...rest };
}

function whole(invocation: number, operation: string, text = "", metadata = {}): Chunk {
  const start = { name: "orders", operation, metadata };
  return { invocation, start, data: Buffer.from(text), last: true };
}

function bytes(length: number): Uint8Array {
  return new Uint8Array(length).fill(0x61);
}

test("small invocations: many in one message, each with its answer, and many of those in one", async () => {
  const { caller, seen, invoked } = await start();
  const many = Array.from({ length: 500 }, (_, id) => whole(id, "echo", `text ${id}`));
  await caller.send(...many).finish().ended;
  expect(caller.chunks).toHaveLength(500);
  for (const id of [0, 1, 499]) {
    expect(await caller.answer(id)).toMatchObject({ data: `text ${id}`, metadata: { a: "b" } });
  }
  expect(seen).toHaveLength(500);
  expect(invoked).toHaveLength(500);
  expect(caller.messages).toBeLessThan(10);
});

test("a lone small invocation is answered while the stream stays open", async () => {
  const { caller, seen } = await start();
  expect(await caller.send(whole(7, "create")).answer(7)).toMatchObject({ data: "", parts: 1 });
  expect(seen[0]).toMatchObject({ operation: "create", data: undefined });
  // The number is free again.
  caller.send(whole(7, "echo", "again"));
  await until(() => caller.chunks.length === 2);
  expect(Buffer.from(caller.chunks[1]?.data ?? []).toString()).toBe("again");
  caller.finish();
  expect(await caller.ended).toBeUndefined();
});

test("chunks are gathered for an operation that takes its payload whole", async () => {
  const { caller, seen } = await start();
  caller
    .send(first(1, "echo", { data: Buffer.from("a") }), first(2, "echo"))
    .send({ invocation: 2, data: Buffer.from("x") }, { invocation: 1, data: Buffer.from("b") })
    .send({ invocation: 1 }, { invocation: 1, data: Buffer.from("c"), last: true })
    .send({ invocation: 2, last: true });
  expect(await caller.answer(1)).toMatchObject({ data: "abc" });
  expect(await caller.answer(2)).toMatchObject({ data: "x" });
  expect(seen).toHaveLength(2);
});

test("a payload and an answer in parts, as they come", async () => {
  const { caller, invoked } = await start();
  caller.send(first(1, "mirror", { data: Buffer.from("one ") }));
  await until(() => caller.chunks.length === 2);
  caller.send({ invocation: 1, data: Buffer.from("two") });
  await until(() => caller.chunks.length === 3);
  expect(invoked).toEqual([]);
  caller.send({ invocation: 1, last: true });
  const answer = await caller.answer(1);
  expect(answer).toMatchObject({ data: "one two", metadata: { how: "as it comes" }, parts: 4 });
  expect(invoked).toEqual([["mirror", undefined]]);
  caller.send(first(1, "count", { data: bytes(10) }), {
    invocation: 1,
    data: bytes(5),
    last: true,
  });
  await until(() => caller.chunks.filter(({ last }) => last).length === 2);
  expect(caller.chunks.at(-1)).toMatchObject({
    data: new Uint8Array(Buffer.from("15")),
    metadata: { parts: "counted" },
  });
});

test("an answer is cut into chunks of at most 64 KiB", async () => {
  const { caller } = await start();
  caller.send(whole(1, "big", "", { size: "200000" }));
  const { data, parts } = await caller.answer(1);
  expect(data).toHaveLength(200_000);
  expect(parts).toBe(4);
  caller.send(first(2, "mirror", { data: bytes(200_000), last: true }));
  expect((await caller.answer(2)).data).toHaveLength(200_000);
  expect(Math.max(...caller.chunks.map((chunk) => chunk.data.length))).toBe(65_536);
});

test("a failure is the one that InvokeBinding answers, with what the binding tells beside it", async () => {
  const { caller } = await start();
  const { error, status, metadata } = await caller.send(whole(1, "fail")).answer(1);
  expect(error).toEqual({
    code: Code.Internal,
    message: "error invoking output binding orders: there is none",
  });
  expect(metadata).toEqual({ statusCode: "404" });
  expect(anyUnpack(status!.details[0]!, ErrorInfoSchema)).toMatchObject({
    reason: "ERR_INVOKE_OUTPUT_BINDING",
    metadata: { reason: "not_found", effect: "rejected", systemCode: "404" },
  });
});

test("an answer that breaks in the middle ends with the error", async () => {
  const { caller, invoked } = await start();
  const { data, error } = await caller.send(whole(1, "broken")).answer(1);
  expect(data).toBe("one");
  expect(error?.message).toBe("error invoking output binding orders: the rest is gone");
  expect(invoked).toEqual([["broken", "data_loss"]]);
});

test.each([
  ["nosuch", "create", "couldn't find output binding nosuch"],
  ["orders", "", "operation field is missing from request"],
  ["orders", "put", "binding orders does not support operation put. supported operations:create "],
])("what there is not fails before its payload has come: %s %s", async (name, operation, text) => {
  const { caller } = await start({ maxBodySize: 1000 });
  caller.send({ invocation: 1, start: { name, operation }, data: bytes(900) });
  const { error } = await caller.answer(1);
  expect(error?.code).toBe(Code.Internal);
  expect(error?.message).toContain(`error invoking output binding ${name}: ${text}`);
  // What was on its way by then harms nobody.
  caller.send({ invocation: 1, data: bytes(900) }, { invocation: 1, data: bytes(900), last: true });
  caller.send(whole(1, "create"));
  await until(() => caller.chunks.length === 2);
  expect(caller.chunks.at(-1)?.error).toBeUndefined();
});

test("an operation that does not read its payload answers all the same", async () => {
  const { caller } = await start();
  caller.send(first(1, "ignore", { data: bytes(300_000) }));
  expect((await caller.answer(1)).data).toBe("not read");
  caller.send({ invocation: 1, data: bytes(300_000) }, { invocation: 1, last: true });
  caller.send(first(1, "count", { data: bytes(1), last: true }));
  await until(() => caller.chunks.at(-1)?.metadata["parts"] === "counted");
});

test("the call's trace context goes to each invocation", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const { caller, seen } = await start({ call: { headers: { traceparent } } });
  await caller.send(whole(1, "create", "", { key: "k" }), whole(2, "create")).finish().ended;
  expect(seen.map(({ properties }) => properties)).toEqual([
    { key: "k", traceparent },
    { traceparent },
  ]);
});

test("a payload too large to be taken whole fails alone", async () => {
  const { caller } = await start({ maxBodySize: 1000 });
  caller.send(first(1, "echo", { data: bytes(600) }), first(2, "echo", { data: bytes(600) }));
  caller.send({ invocation: 1, data: bytes(600) });
  expect((await caller.answer(1)).error).toEqual({
    code: Code.ResourceExhausted,
    message:
      "invocation 1: operation echo of orders takes its payload whole, and so at most 1000 bytes of it",
  });
  caller.send({ invocation: 1, data: bytes(600), last: true });
  caller.send({ invocation: 2, data: bytes(400), last: true });
  expect((await caller.answer(2)).data).toHaveLength(1000);
});

test("incomplete payloads together are bounded, in bytes and in number", async () => {
  const { caller } = await start({ maxBodySize: 1000 });
  for (let id = 1; id <= 5; id++) caller.send(first(id, "echo", { data: bytes(900) }));
  expect((await caller.answer(5)).error).toEqual({
    code: Code.ResourceExhausted,
    message:
      "invocation 5: the incomplete payloads of this stream hold 3600 bytes, which may be at most 4000; send the rest of some first",
  });
  for (let id = 6; id <= 1001; id++) caller.send(first(id, "echo"));
  caller.send(first(1002, "echo"));
  expect((await caller.answer(1002)).error?.message).toBe(
    "invocation 1002: 1000 invocations of this stream already wait for the rest of their payload",
  );
  caller.send({ invocation: 1, last: true });
  expect((await caller.answer(1)).data).toHaveLength(900);
});

test("a chunk without a start ends what it names, and nothing else", async () => {
  const { caller } = await start();
  caller.send({ invocation: 9, data: bytes(10) });
  expect((await caller.answer(9)).error).toEqual({
    code: Code.InvalidArgument,
    message: "invocation 9: its first chunk has no start",
  });
  // The rest of it is not told again.
  caller.send({ invocation: 9, data: bytes(10), last: true }, whole(1, "create"));
  await caller.answer(1);
  expect(caller.chunks).toHaveLength(2);
});

test("a chunk after the last one aborts the invocation", async () => {
  const { caller, log, release } = await start();
  caller.send(whole(3, "pause"), { invocation: 3, data: bytes(1) });
  expect((await caller.answer(3)).error).toEqual({
    code: Code.InvalidArgument,
    message: "invocation 3: a chunk came after the last one of its payload",
  });
  expect(log).toEqual(["pause aborted"]);
  release();
  caller.send(whole(4, "create"));
  await caller.answer(4);
  expect(caller.chunks).toHaveLength(2);
});

test("a number that is open ends the stream with all that is open", async () => {
  const { caller, log } = await start();
  caller.send(whole(1, "echo", "x"), whole(2, "pause"), first(3, "count", { data: bytes(1) }));
  await caller.answer(1);
  caller.send(whole(2, "create"));
  const error = ConnectError.from(await caller.ended);
  expect(error.code).toBe(Code.InvalidArgument);
  expect(error.rawMessage).toBe(
    "invocation 2 was started while it is open; a number is free again after the last chunk of its answer",
  );
  await until(() => log.length === 3);
  expect(log.toSorted()).toEqual([
    "count aborted",
    `count failed: ${error.rawMessage}`,
    "pause aborted",
  ]);
});

test("a stream that ends before a payload does says so, and answers the rest", async () => {
  const { caller, log } = await start();
  caller.send(first(1, "echo"), first(2, "count", { data: bytes(3) }), whole(3, "echo", "x"));
  caller.finish();
  expect(await caller.ended).toBeUndefined();
  for (const id of [1, 2]) {
    expect((await caller.answer(id)).error).toEqual({
      code: Code.InvalidArgument,
      message: `invocation ${id}: the stream ended before its payload did`,
    });
  }
  expect((await caller.answer(3)).data).toBe("x");
  await until(() => log.length === 2);
});

test("when the caller goes, everything open is aborted", async () => {
  const gone = new AbortController();
  const { caller, log, invoked } = await start({ call: { signal: gone.signal } });
  caller.send(whole(1, "pause"), first(2, "count", { data: bytes(3) }), whole(3, "endless"));
  await until(() => caller.chunks.length > 2);
  gone.abort();
  expect(ConnectError.from(await caller.ended).code).toBe(Code.Canceled);
  await until(() => log.includes("endless closed"));
  expect(log).toContain("pause aborted");
  expect(log).toContain("count aborted");
  expect(log.some((line) => line.startsWith("count failed"))).toBe(true);
  await until(() => invoked.length === 2);
  expect(invoked).toContainEqual(["endless", "cancelled"]);
});

test("a deadline aborts everything open", async () => {
  const { caller, log } = await start({ call: { timeoutMs: 100 } });
  caller.send(whole(1, "pause"));
  expect(ConnectError.from(await caller.ended).code).toBe(Code.DeadlineExceeded);
  await until(() => log.includes("pause aborted"));
});

test("the stream is read no faster than payloads are taken", async () => {
  const { caller, log, release } = await start();
  caller.send(first(1, "slow"));
  for (let n = 0; n < 40; n++) caller.send({ invocation: 1, data: bytes(64 * 1024) });
  caller.send({ invocation: 1, last: true });
  await until(() => caller.taken > 4);
  await turns(20);
  expect(caller.taken).toBeLessThan(10);
  expect(log).toEqual([]);
  release();
  await caller.answer(1);
  expect(log).toHaveLength(40);
});

test("at most 1,000 run at one time, and the stream waits", async () => {
  const { caller, seen, release } = await start();
  for (let id = 0; id < 30; id++) {
    caller.send(...Array.from({ length: 50 }, (_, n) => whole(id * 50 + n, "pause")));
  }
  await until(() => seen.length === 1000);
  await turns(20);
  expect(seen).toHaveLength(1000);
  expect(caller.taken).toBeLessThan(25);
  release();
  await caller.finish().ended;
  expect(seen).toHaveLength(1500);
  expect(caller.chunks).toHaveLength(1500);
});

test("answers are read from the binding no faster than the caller takes them", async () => {
  const { client, log } = await start();
  const requests = Promise.withResolvers<undefined>();
  const gone = new AbortController();
  const asked = (async function* () {
    yield { chunks: [whole(1, "endless")] };
    await requests.promise;
  })();
  const stream = client.invokeBindingStream(asked, { signal: gone.signal });
  const answers = stream[Symbol.asyncIterator]();
  await answers.next();
  await until(() => log.length > 4);
  await turns(50);
  const ahead = log.length;
  expect(ahead).toBeLessThan(12);
  for (let n = 0; n < 20; n++) await answers.next();
  expect(log.length).toBeGreaterThan(ahead);
  gone.abort();
  requests.resolve(undefined);
  await until(() => log.includes("endless closed"));
});

test("of large answers, which are whole in memory, there are fewer at one time", async () => {
  const { caller, running } = await start({ maxBodySize: 100_000 });
  const many = (from: number) =>
    Array.from({ length: 40 }, (_, n) => whole(from + n, "big", "", { size: "100000" }));
  const ended = () => caller.chunks.filter(({ last }) => last).length;
  caller.send(...many(0));
  await until(() => ended() === 40);
  expect(running.most).toBe(40);
  running.most = 0;
  caller.send(...many(100));
  await until(() => ended() === 80);
  expect(running.most).toBeLessThanOrEqual(4);
});

/** Lets the event loop turn: time for whatever would go wrong to do so. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

test("with an idempotency key the payload is taken whole, whatever the operation could do", async () => {
  const { caller, log } = await start();
  const keyed = whole(1, "count", "aaaa", { "idempotency-key": "k" });
  caller.send({ ...keyed, last: false }, { invocation: 1, data: bytes(4), last: true });
  const { error } = await caller.answer(1);
  expect(error?.message).toContain("was not begun, for nothing can be kept of it");
  expect(log).toEqual([]);
  caller.send(whole(2, "count", "aaaa"));
  expect((await caller.answer(2)).data).toBe("4");
});
