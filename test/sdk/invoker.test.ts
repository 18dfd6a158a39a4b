import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { expect, onTestFinished, test } from "vitest";
import {
  InvokeBindingStreamResponseSchema,
  type InvocationChunk,
  type InvokeBindingStreamRequest,
  type InvokeBindingStreamResponse,
} from "../../gen/cufflink/v1/bindings_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { createApp, type AppOptions, type BindingApp } from "../../src/sdk/index.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { Code, ConnectError, RuntimeServer } from "./runtime-server.ts";

function appFor(port: number, options: AppOptions = {}): BindingApp {
  const app = createApp({ runtime: `127.0.0.1:${port}`, ...options });
  onTestFinished(() => app.close({ deadline: 0 }));
  return app;
}

/** Answers each invocation with its name, operation, metadata and payload, unless `answer` says otherwise. */
function echoing(
  seen: { streams: number; messages: InvokeBindingStreamRequest[] },
  answer?: (chunk: InvocationChunk) => object | undefined,
) {
  return {
    async *invokeBindingStream(
      requests: AsyncIterable<InvokeBindingStreamRequest>,
    ): AsyncGenerator<InvokeBindingStreamResponse> {
      seen.streams++;
      for await (const request of requests) {
        seen.messages.push(request);
        const chunks = request.chunks.flatMap((chunk) => {
          const { invocation, start, data, last } = chunk;
          const own = answer?.(chunk);
          if (own !== undefined) return [{ invocation, ...own }];
          if (answer !== undefined) return [];
          const metadata = start && {
            ...start.metadata,
            name: start.name,
            operation: start.operation,
          };
          return [{ invocation, data, last, ...(metadata && { metadata }) }];
        });
        yield create(InvokeBindingStreamResponseSchema, { chunks });
      }
    },
  };
}

test("invocations of one turn are one message, each with its own answer", async () => {
  const seen = { streams: 0, messages: [] as InvokeBindingStreamRequest[] };
  await using runtime = await RuntimeServer.start({ bindings: echoing(seen) });
  const app = appFor(runtime.port);
  const first = await app.invoke("files", "create", { data: "one", metadata: { a: "b" } });
  expect(Buffer.from(first.data).toString()).toBe("one");
  expect(first.metadata).toEqual({ name: "files", operation: "create", a: "b" });
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, number) => app.invoke("x", "y", { data: `${number}` })),
  );
  expect(answers.map(({ data }) => Buffer.from(data).toString())).toEqual(
    Array.from({ length: 100 }, (_, number) => `${number}`),
  );
  expect(seen.messages.map(({ chunks }) => chunks.length)).toEqual([1, 100]);
  expect(seen.streams).toBe(1);
  expect((await app.invoke("x", "get")).data).toHaveLength(0);
});

test("a large payload has a stream of its own and goes in chunks", async () => {
  const seen = { streams: 0, messages: [] as InvokeBindingStreamRequest[] };
  await using runtime = await RuntimeServer.start({ bindings: echoing(seen) });
  const app = appFor(runtime.port);
  await app.invoke("x", "y");
  const data = Buffer.alloc(1_000_000, "abcdefg");
  const answer = await app.invoke("x", "y", { data });
  expect(Buffer.compare(answer.data, data)).toBe(0);
  expect(seen.streams).toBe(2);
  const chunks = seen.messages.slice(1).flatMap((message) => message.chunks);
  expect(chunks).toHaveLength(16);
  expect(chunks.filter(({ start }) => start !== undefined)).toHaveLength(1);
  expect(chunks.map(({ last }) => last).indexOf(true)).toBe(15);
});

test("a failure carries its reason, effect, code and pause", async () => {
  const seen = { streams: 0, messages: [] as InvokeBindingStreamRequest[] };
  const info = create(ErrorInfoSchema, {
    reason: "ERR_INVOKE_OUTPUT_BINDING",
    domain: "dapr.io",
    metadata: { reason: "resource_exhausted", effect: "unsent", systemCode: "429" },
  });
  const retry = create(RetryInfoSchema, { retryDelay: { seconds: 1n, nanos: 500_000_000 } });
  const details = [anyPack(ErrorInfoSchema, info), anyPack(RetryInfoSchema, retry)];
  const failing = echoing(seen, () => ({
    last: true,
    error: { code: 13, message: "error invoking output binding x: too fast", details },
  }));
  await using runtime = await RuntimeServer.start({ bindings: failing });
  const app = appFor(runtime.port);
  await expect(app.invoke("x", "y")).rejects.toMatchObject({
    name: "BindingError",
    message: "error invoking output binding x: too fast",
    reason: "resource_exhausted",
    effect: "unsent",
    systemCode: "429",
    retryAfter: 1500,
  });
});

test("a runtime without such streams gets unary calls", async () => {
  const called: string[] = [];
  await using runtime = await RuntimeServer.start({
    bindings: {},
    dapr: {
      invokeBinding({ name, operation, data, metadata }) {
        called.push(`${name} ${operation}`);
        if (name === "none") throw new ConnectError("no such binding", Code.Internal);
        return { data: Buffer.from(`${Buffer.from(data).toString()}!`), metadata };
      },
    },
  });
  const app = appFor(runtime.port);
  const answers = await Promise.all([
    app.invoke("a", "create", { data: "1", metadata: { k: "v" } }),
    app.invoke("b", "create", { data: "2" }),
  ]);
  expect(answers.map(({ data }) => Buffer.from(data).toString())).toEqual(["1!", "2!"]);
  expect(answers[0]?.metadata).toEqual({ k: "v" });
  await expect(app.invoke("none", "create")).rejects.toMatchObject({
    reason: "internal",
    effect: "ambiguous",
    message: "no such binding",
  });
  expect(called.toSorted()).toEqual(["a create", "b create", "none create"]);
});

test.each([0, -1, Number.NaN])(
  "a timeout of %s is a mistake, and says what to do",
  async (timeout) => {
    const app = appFor(await reservePort());
    await expect(app.invoke("x", "y", { timeout })).rejects.toMatchObject({
      reason: "invalid_argument",
      effect: "unsent",
      message: expect.stringContaining(
        `timeout must be more than 0 ms, not ${timeout}; leave it out for 30000 ms, or say Infinity for no limit`,
      ),
    });
  },
);

test("a timeout of Infinity is no limit", async () => {
  const seen = { streams: 0, messages: [] as InvokeBindingStreamRequest[] };
  await using runtime = await RuntimeServer.start({ bindings: echoing(seen) });
  const app = appFor(runtime.port);
  const answer = await app.invoke("x", "y", { data: "kept", timeout: Infinity });
  expect(Buffer.from(answer.data).toString()).toBe("kept");
});

test("an invocation waits for a runtime that is late, and no longer than it was told", async () => {
  const port = await reservePort();
  const app = appFor(port);
  await expect(app.invoke("x", "y", { timeout: 50 })).rejects.toMatchObject({
    reason: "unavailable",
    effect: "unsent",
    message: expect.stringMatching(
      /could not be sent within 50 ms: (cannot connect|connecting) to/,
    ),
  });
  const waiting = app.invoke("x", "y", { data: "late" });
  const seen = { streams: 0, messages: [] as InvokeBindingStreamRequest[] };
  await using runtime = await RuntimeServer.start({ port, bindings: echoing(seen) });
  expect(runtime.port).toBe(port);
  expect(Buffer.from((await waiting).data).toString()).toBe("late");
});

test("what was sent when the connection broke is ambiguous and not sent again", async () => {
  const seen = { streams: 0, messages: [] as InvokeBindingStreamRequest[] };
  const bindings = echoing(seen, ({ start, data }) =>
    start?.name === "silent" ? undefined : { data, last: true },
  );
  await using runtime = await RuntimeServer.start({ bindings });
  const app = appFor(runtime.port);
  const lost = app.invoke("silent", "y");
  await until(() => seen.messages.length === 1, { what: "the invocation" });
  runtime.cut();
  await expect(lost).rejects.toMatchObject({ reason: "unavailable", effect: "ambiguous" });
  await app.invoke("x", "y");
  expect(seen.messages.flatMap(({ chunks }) => chunks.map(({ start }) => start?.name))).toEqual([
    "silent",
    "x",
  ]);
});

test("an answer that does not come in time is ambiguous, and its number is not used meanwhile", async () => {
  const seen = { streams: 0, messages: [] as InvokeBindingStreamRequest[] };
  const bindings = echoing(seen, ({ start, data }) =>
    start?.name === "silent" ? undefined : { data, last: true },
  );
  await using runtime = await RuntimeServer.start({ bindings });
  const app = appFor(runtime.port);
  await expect(app.invoke("silent", "y", { timeout: 60 })).rejects.toMatchObject({
    reason: "deadline_exceeded",
    effect: "ambiguous",
    message: "the invocation of silent (y) was not answered within 60 ms",
  });
  await app.invoke("x", "y");
  const numbers = seen.messages.flatMap(({ chunks }) => chunks.map(({ invocation }) => invocation));
  expect(numbers).toEqual([1, 2]);
});

test("a cancelled invocation is cancelled at the runtime too", async () => {
  let cancelled = false;
  const begun = Promise.withResolvers<void>();
  await using runtime = await RuntimeServer.start({
    bindings: {
      // oxlint-disable-next-line require-yield
      async *invokeBindingStream(requests, context) {
        context.signal.addEventListener("abort", () => (cancelled = true));
        for await (const _ of requests) begun.resolve();
      },
    },
  });
  const app = appFor(runtime.port);
  const controller = new AbortController();
  const invocation = app.invoke("x", "y", { signal: controller.signal });
  await begun.promise;
  controller.abort(new Error("enough"));
  await expect(invocation).rejects.toMatchObject({ reason: "cancelled", effect: "ambiguous" });
  await until(() => cancelled, { what: "the runtime to hear of it" });
  await expect(app.invoke("x", "y", { signal: AbortSignal.abort() })).rejects.toMatchObject({
    reason: "cancelled",
    effect: "unsent",
  });
});

test("a stream that the runtime refuses fails what waits for it, with what to do", async () => {
  await using runtime = await RuntimeServer.start({
    bindings: {
      // oxlint-disable-next-line require-yield
      async *invokeBindingStream() {
        throw new ConnectError("invalid api token", Code.Unauthenticated);
      },
    },
  });
  const app = appFor(runtime.port);
  await expect(app.invoke("x", "y")).rejects.toMatchObject({
    reason: "unauthenticated",
    message: expect.stringContaining("DAPR_API_TOKEN"),
  });
});

test("a stream that ends without a word leaves what it answered, and the next invocation has a new one", async () => {
  let streams = 0;
  await using runtime = await RuntimeServer.start({
    bindings: {
      async *invokeBindingStream(requests) {
        streams++;
        for await (const { chunks } of requests) {
          const invocation = chunks[0]?.invocation ?? 0;
          yield create(InvokeBindingStreamResponseSchema, { chunks: [{ invocation, last: true }] });
          return;
        }
      },
    },
  });
  const app = appFor(runtime.port);
  await app.invoke("x", "y");
  await until(
    async () => {
      await app.invoke("x", "y").catch(() => undefined);
      return streams >= 2;
    },
    { what: "another stream" },
  );
});

test("data and metadata that the wire cannot carry are refused, and harm nothing", async () => {
  const seen = { streams: 0, messages: [] as InvokeBindingStreamRequest[] };
  await using runtime = await RuntimeServer.start({ bindings: echoing(seen) });
  const app = appFor(runtime.port);
  const wrong = [{ data: 5 as unknown as string }, { metadata: { n: 5 as unknown as string } }];
  for (const options of wrong) {
    await expect(app.invoke("x", "y", options)).rejects.toMatchObject({
      reason: "invalid_argument",
      effect: "unsent",
    });
  }
  const answer = await app.invoke("x", "y", { metadata: { k: "\ud800" } });
  expect(answer.metadata["k"]).toBe("\ufffd");
});
