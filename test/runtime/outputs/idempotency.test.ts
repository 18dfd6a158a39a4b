import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BindingError, type Effect } from "../../../src/errors.ts";
import { encodeAnswer, mostStored } from "../../../src/runtime/outputs/stored-answer.ts";
import type { Store } from "../../../src/store/store.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { FakeClaims } from "../fake-claims.ts";

beforeEach(() => void vi.useFakeTimers({ now: Date.parse("2026-11-26T10:00:00Z") }));
afterEach(() => void vi.useRealTimers());

function storeOf(claims: FakeClaims): Store {
  const store: Store = new MemoryStore();
  return { ...store, claims, trouble: undefined, close: async () => undefined };
}

async function start(values: Record<string, string> = {}, claims = new FakeClaims()) {
  const system = new FakeSystem();
  let number = 0;
  system.invoke = async () => `answer ${++number}`;
  const begin = async () => {
    const started = startRuntime({ bindings: [system.binding("fake")], store: storeOf(claims) });
    await started.runtime.apply([component("fake", values)]);
    return started.runtime;
  };
  let runtime = await begin();
  return {
    system,
    claims,
    /** As after a crash: the store stays, the memory is gone. */
    restart: async () => {
      claims.process++;
      runtime = await begin();
    },
    call: async (
      data: string | undefined,
      metadata: Record<string, string> = {},
      { operation = "create", signal = new AbortController().signal } = {},
    ) => {
      const all = { "idempotency-key": "k", ...metadata };
      const bytes = data === undefined ? undefined : Buffer.from(data);
      const answer = await runtime.invoke({
        ...{ name: "orders", operation, data: bytes, encoding: "bytes", metadata: all, signal },
      });
      return {
        text: answer?.data === undefined ? undefined : Buffer.from(answer.data).toString(),
        replayed: answer?.metadata?.["idempotency-replayed"] === "true",
      };
    },
    get runtime() {
      return runtime;
    },
  };
}

const down = (effect: Effect) => new BindingError("unavailable", "no answer", { effect });

test("the same call gets the first result, also after a restart, until the window ends", async () => {
  const { call, restart, system } = await start({ idempotencyWindow: "1h" });
  expect(await call("x", { mode: "set" })).toEqual({ text: "answer 1", replayed: false });
  expect(await call("x", { mode: "set" })).toEqual({ text: "answer 1", replayed: true });
  await restart();
  expect(await call("x", { mode: "set" })).toEqual({ text: "answer 1", replayed: true });
  expect(system.calls).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(3_600_001);
  expect(await call("x", { mode: "set" })).toEqual({ text: "answer 2", replayed: false });
});

test("the binding does not see the key, and the trace does not make another request of it", async () => {
  const { call, system } = await start();
  await call("x", { traceparent: "00-a", baggage: "a=1", other: "1", last: "2" });
  const again = await call("x", { last: "2", other: "1", traceparent: "00-b", tracestate: "c" });
  expect(again.replayed).toBe(true);
  expect(system.calls[0]?.properties).toEqual({
    ...{ traceparent: "00-a", baggage: "a=1", other: "1", last: "2" },
  });
});

test("a key in other dead letters is the binding's own", async () => {
  const { runtime, system } = await start();
  for (let time = 0; time < 2; time++) {
    await runtime.invoke({
      ...{ name: "orders", operation: "create", data: undefined, encoding: "bytes" },
      metadata: { "Idempotency-Key": "k" },
      signal: new AbortController().signal,
    });
  }
  expect(system.calls.map(({ properties }) => properties)).toEqual([
    { "Idempotency-Key": "k" },
    { "Idempotency-Key": "k" },
  ]);
});

test("each component and operation has keys of its own", async () => {
  const { call } = await start();
  expect(await call("x")).toMatchObject({ text: "answer 1" });
  expect(await call("x", {}, { operation: "set" })).toEqual({ text: "answer 2", replayed: false });
});

test("no response stays none, and an empty answer an empty one", async () => {
  const { call, system } = await start();
  system.invoke = async () => undefined;
  await call("x");
  expect(await call("x")).toEqual({ text: undefined, replayed: true });
  system.invoke = async () => "";
  await call("x", { "idempotency-key": "other" });
  expect(await call("x", { "idempotency-key": "other" })).toEqual({ text: "", replayed: true });
  expect(system.calls).toHaveLength(2);
});

test("another request under the same key is refused, while the first runs and afterwards", async () => {
  const { call, system, restart } = await start();
  const gate = Promise.withResolvers<string>();
  system.invoke = () => gate.promise;
  const first = call("x");
  const refused = {
    reason: "failed_precondition",
    effect: "rejected",
    message:
      'create of orders with the idempotency-key "k" was asked for before with other data or metadata; a key is for one request and its repetitions, so use a new one',
  };
  await expect(call("y")).rejects.toMatchObject(refused);
  gate.resolve("done");
  await first;
  await expect(call("x", { mode: "add" })).rejects.toMatchObject(refused);
  await expect(call(undefined)).rejects.toMatchObject(refused);
  await restart();
  await expect(call("")).rejects.toMatchObject(refused);
});

test("a call that runs is waited for, and goes on when its callers cancel", async () => {
  const { call, system } = await start();
  const gate = Promise.withResolvers<string>();
  system.invoke = () => gate.promise;
  const caller = new AbortController();
  const first = call("x", {}, { signal: caller.signal });
  const second = call("x");
  caller.abort();
  await expect(first).rejects.toMatchObject({ reason: "cancelled", effect: "ambiguous" });
  await vi.waitUntil(() => system.calls.length === 1);
  expect(system.calls[0]?.signal.aborted).toBe(false);
  gate.resolve("done");
  expect(await second).toEqual({ text: "done", replayed: true });
  expect(await call("x")).toEqual({ text: "done", replayed: true });
  expect(system.calls).toHaveLength(1);
});

test.for(["unsent", "rejected"] as const)(
  "after a failure that is %s the key is free",
  async (effect) => {
    const { call, system, claims } = await start();
    system.invoke = async () => {
      throw new BindingError("invalid_argument", "no", { effect });
    };
    const failing = expect(call("x")).rejects.toMatchObject({ effect, message: "no" });
    await vi.advanceTimersByTimeAsync(10_000);
    await failing;
    expect(claims.kept.size).toBe(0);
    system.invoke = async () => "done";
    expect(await call("x")).toEqual({ text: "done", replayed: false });
  },
);

test("after an ambiguous failure nothing runs until the claim has expired", async () => {
  const { call, system, restart } = await start({ idempotencyClaim: "10m" });
  system.invoke = async () => {
    throw down("ambiguous");
  };
  await expect(call("x")).rejects.toMatchObject({ effect: "ambiguous", message: "no answer" });
  system.invoke = async () => "done";
  await expect(call("x")).rejects.toMatchObject({
    reason: "aborted",
    effect: "ambiguous",
    message:
      'create of orders with the idempotency-key "k" began at 2026-11-26T10:00:00.000Z and failed in a way that leaves open whether it happened: look in the other system; where it did not happen, use a new key, or the same key after 2026-11-26T10:10:00.000Z, when it runs anew',
  });
  await expect(call("y")).rejects.toMatchObject({ reason: "failed_precondition" });
  await restart();
  await expect(call("x")).rejects.toMatchObject({
    reason: "aborted",
    message: expect.stringContaining("in a process that ended before it knew the answer"),
  });
  expect(system.calls).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(await call("x")).toEqual({ text: "done", replayed: false });
});

test("an operation is cancelled when its claim ends, and then may run anew", async () => {
  const { call, system } = await start({ idempotencyClaim: "1m" });
  system.invoke = () => new Promise(() => undefined);
  const hanging = expect(call("x")).rejects.toMatchObject({
    reason: "deadline_exceeded",
    effect: "ambiguous",
    message: "create has not ended within 1m, the component's idempotencyClaim",
  });
  await vi.advanceTimersByTimeAsync(60_000);
  await hanging;
  expect(system.calls[0]?.signal.aborted).toBe(true);
  system.invoke = async () => "done";
  expect(await call("x")).toEqual({ text: "done", replayed: false });
});

test("a claim longer than a timer can hold holds as long as that", async () => {
  const { call, system } = await start({
    idempotencyClaim: "1000000h",
    idempotencyWindow: "1000000h",
  });
  expect(system.calls).toHaveLength(0);
  const gate = Promise.withResolvers<string>();
  system.invoke = () => gate.promise;
  const first = call("x");
  await vi.advanceTimersByTimeAsync(86_400_000);
  gate.resolve("done");
  expect(await first).toEqual({ text: "done", replayed: false });
});

test("without a store that works nothing is begun", async () => {
  const { call, system, claims } = await start();
  claims.broken.add("claim");
  await expect(call("x")).rejects.toMatchObject({
    reason: "unavailable",
    effect: "unsent",
    message:
      'create of orders with the idempotency-key "k" was not begun, for nothing can be kept of it: the disk is full',
  });
  expect(system.calls).toHaveLength(0);
  claims.broken.clear();
  expect(await call("x")).toMatchObject({ text: "answer 1" });

  const { runtime } = startRuntime({ bindings: [system.binding("fake")] });
  await runtime.apply([component("fake")]);
  const call2 = {
    ...{ name: "orders", operation: "create", data: undefined, encoding: "bytes" as const },
    metadata: { "idempotency-key": "k" },
    signal: new AbortController().signal,
  };
  for (let time = 0; time < 2; time++) {
    await expect(runtime.invoke(call2)).rejects.toMatchObject({
      reason: "unavailable",
      message: expect.stringContaining("this runtime was given no store"),
    });
  }
  expect(system.calls).toHaveLength(1);
});

test("a result that the store does not take is answered, remembered and offered again", async () => {
  const { call, system, claims, restart } = await start();
  claims.broken.add("complete");
  expect(await call("x")).toEqual({ text: "answer 1", replayed: false });
  expect(await call("x")).toEqual({ text: "answer 1", replayed: true });
  await vi.advanceTimersByTimeAsync(5000);
  expect(claims.kept.get("orders/create k")?.done).toBe(false);
  claims.broken.clear();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(claims.kept.get("orders/create k")?.done).toBe(true);
  await restart();
  expect(await call("x")).toEqual({ text: "answer 1", replayed: true });
  expect(system.calls).toHaveLength(1);
});

test("a claim that cannot be released ends by itself", async () => {
  const { call, system, claims } = await start();
  system.invoke = async () => {
    throw down("rejected");
  };
  claims.broken.add("release");
  await expect(call("x")).rejects.toMatchObject({ message: "no answer" });
  await expect(call("x")).rejects.toMatchObject({ reason: "aborted" });
  await vi.advanceTimersByTimeAsync(300_000);
  system.invoke = async () => "done";
  expect(await call("x")).toEqual({ text: "done", replayed: false });
});

test("of a large answer is kept that it was given", async () => {
  const { call, system } = await start();
  system.invoke = async () => "x".repeat(mostStored);
  expect((await call("x")).text).toHaveLength(mostStored);
  await expect(call("x")).rejects.toMatchObject({
    reason: "already_exists",
    effect: "rejected",
    message: `create of orders with the idempotency-key "k" was done before; its answer of ${mostStored + 5} bytes was not kept, for it is larger than ${mostStored}`,
    metadata: { "idempotency-replayed": "true" },
  });
  expect(system.calls).toHaveLength(1);
});

test("what another version has kept is said to be unreadable", async () => {
  const { call, claims, system } = await start();
  for (const bytes of [[255], [1], [3, 0, 0, 0, 9], []]) {
    await call("x");
    const kept = claims.kept.get("orders/create k");
    if (kept !== undefined) kept.result = Uint8Array.from(bytes);
    await expect(call("x")).rejects.toBeInstanceOf(BindingError);
    claims.kept.clear();
  }
  expect(system.calls).toHaveLength(4);
  const metadata = { ["__proto__"]: "p", é: "ü\u0000" };
  expect(encodeAnswer({ metadata })).toBeInstanceOf(Uint8Array);
});

test.for([0, 257])("a key of %i characters is refused", async (length) => {
  const { call, system } = await start();
  await expect(call("x", { "idempotency-key": "x".repeat(length) })).rejects.toMatchObject({
    reason: "invalid_argument",
    message: expect.stringContaining("1 to 256"),
  });
  expect(system.calls).toHaveLength(0);
});

test("mistakes are told as without a key, and claim nothing", async () => {
  const { call, claims } = await start();
  await expect(call("x", {}, { operation: "" })).rejects.toMatchObject({
    message: "operation field is missing from request",
  });
  await expect(call("x", {}, { operation: "list" })).rejects.toMatchObject({
    reason: "unimplemented",
  });
  expect(claims.kept.size).toBe(0);
});

test("in parts it cannot be asked for", async () => {
  const { runtime } = await start();
  const parts = (async function* () {})();
  const body = Object.assign(parts, { begun: false });
  await expect(
    runtime.invokeStream({
      ...{ name: "orders", operation: "create", body, metadata: { "idempotency-key": "k" } },
      signal: new AbortController().signal,
    }),
  ).rejects.toMatchObject({ reason: "unimplemented" });
});
