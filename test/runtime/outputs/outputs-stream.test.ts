import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defineBinding, type StreamAnswer, type StreamCall } from "../../../src/binding.ts";
import { BindingError, type Effect } from "../../../src/errors.ts";
import { string } from "../../../src/metadata/fields.ts";
import type { StreamBody } from "../../../src/runtime/outputs/invocation.ts";
import { component, startRuntime } from "../fake-binding.ts";
import { silentObserver } from "../../../src/runtime/observer.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const fields = { host: string({ description: "Where the system is." }) };
const request = { mode: string({ description: "How.", default: "set" }) };
type SeenCall = StreamCall<typeof fields, typeof request>;

/** A payload of two parts. */
class Body implements StreamBody {
  begun = false;
  async *[Symbol.asyncIterator]() {
    this.begun = true;
    yield Buffer.from("one ");
    yield Buffer.from("two");
  }
}

async function start(invokeStream: (call: SeenCall) => Promise<StreamAnswer | void>) {
  const calls: SeenCall[] = [];
  const described = { description: "For a test.", request, idempotent: true };
  const binding = defineBinding({
    name: "parts",
    status: "alpha",
    summary: "A system in the test.",
    metadata: fields,
    open: () => ({ async [Symbol.asyncDispose]() {} }),
    operations: {
      create: {
        ...described,
        invoke: async () => undefined,
        invokeStream: (_: AsyncDisposable, call: SeenCall) => {
          calls.push(call);
          return invokeStream(call);
        },
      },
      get: { ...described, invoke: async () => undefined },
    },
  });
  const invoked: unknown[][] = [];
  const { runtime } = startRuntime({
    bindings: [binding],
    observer: {
      ...silentObserver,
      invoked: (...[name, operation, error]) =>
        void invoked.push([name, operation, error?.reason, error?.message]),
    },
  });
  await runtime.apply([component("parts", {}, { secrets: ["hunter2"] })]);
  const caller = new AbortController();
  const invoke = (operation = "create", metadata = {}, body: StreamBody = new Body()) =>
    runtime.invokeStream({ name: "orders", operation, metadata, body, signal: caller.signal });
  return { runtime, invoke, invoked, calls, caller };
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const part of body) text += Buffer.from(part).toString();
  return text;
}

const down = (effect: Effect) => new BindingError("unavailable", "down", { effect });

test("an operation gets the payload as it comes, and all else as ever", async () => {
  const { invoke, invoked, calls } = await start(async ({ body }) => ({
    data: Buffer.from(await textOf(body)),
  }));
  const answer = await invoke("create", { mode: "add", traceparent: "00-…" });
  expect(Buffer.from(answer?.data ?? []).toString()).toBe("one two");
  expect(calls[0]).toMatchObject({
    operation: "create",
    request: { mode: "add" },
    properties: { mode: "add", traceparent: "00-…" },
    metadata: { host: "here" },
  });
  expect(calls[0]?.signal.aborted).toBe(false);
  expect(invoked).toEqual([["orders", "create", undefined, undefined]]);
});

test("which operations take their payload in parts is told, and what there is not", async () => {
  const { runtime, invoke } = await start(async () => undefined);
  expect(runtime.takesStream("orders", "create")).toBe(true);
  expect(runtime.takesStream("orders", "get")).toBe(false);
  expect(() => runtime.takesStream("orders", "put")).toThrow(
    "binding orders does not support operation put. supported operations:create get",
  );
  expect(() => runtime.takesStream("order", "get")).toThrow("couldn't find output binding order");
  await expect(invoke("get")).rejects.toThrow("takes its payload whole");
});

test("an invocation has ended only with its answer", async () => {
  const { invoke, invoked } = await start(async ({ body }) => ({ body, metadata: { a: "b" } }));
  const answer = await invoke();
  expect(answer?.metadata).toEqual({ a: "b" });
  expect(invoked).toEqual([]);
  expect(await textOf(answer?.body ?? new Body())).toBe("one two");
  expect(invoked).toEqual([["orders", "create", undefined, undefined]]);
});

test("an answer that breaks shows no secret, and counts as failed once", async () => {
  const { invoke, invoked } = await start(async () => ({
    body: (async function* () {
      yield Buffer.from("x");
      throw new BindingError("data_loss", "lost behind hunter2");
    })(),
  }));
  const answer = await invoke();
  await expect(textOf(answer?.body ?? new Body())).rejects.toMatchObject({
    reason: "data_loss",
    message: "lost behind ***",
  });
  expect(invoked).toEqual([["orders", "create", "data_loss", "lost behind ***"]]);
});

test("a cancelled answer lets the binding go, and counts as cancelled once", async () => {
  let closed = false;
  const { invoke, invoked } = await start(async () => ({
    body: (async function* () {
      try {
        for (;;) yield Buffer.from("x");
      } finally {
        closed = true;
      }
    })(),
  }));
  const answer = await invoke();
  for await (const part of answer?.body ?? []) if (part.length > 0) break;
  expect(closed).toBe(true);
  expect(invoked.map(([, , reason]) => reason)).toEqual(["cancelled"]);
});

test.each([
  ["unsent", false, 3],
  ["unsent", true, 1],
  ["ambiguous", false, 3],
  ["ambiguous", true, 1],
  ["rejected", false, 1],
] as const)(
  "what failed %s, with a part taken: %s, is tried %i times in all",
  async (effect, taken, times) => {
    const { invoke, calls, invoked } = await start(async ({ body }) => {
      if (taken) for await (const _ of body) break;
      throw down(effect);
    });
    const failing = expect(invoke()).rejects.toMatchObject({ effect });
    await vi.advanceTimersByTimeAsync(5000);
    await failing;
    expect(calls).toHaveLength(times);
    expect(invoked).toHaveLength(1);
  },
);
