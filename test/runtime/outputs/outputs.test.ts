import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BindingError } from "../../../src/errors.ts";
import { silentObserver, type Observer } from "../../../src/runtime/observer.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function start(values: Record<string, string> = {}, secrets: string[] = []) {
  const system = new FakeSystem();
  const invoked: unknown[][] = [];
  const observer: Observer = {
    ...silentObserver,
    invoked: (name, operation, error) => void invoked.push([name, operation, error?.reason]),
  };
  const started = startRuntime({ bindings: [system.binding("fake")], observer });
  await started.runtime.apply([component("fake", values, { secrets })]);
  return { ...started, system, invoked };
}

test("an operation gets what was sent and answers what it answers", async () => {
  const { system, invoke, invoked } = await start();
  expect(await invoke("orders")).toBeUndefined();
  system.invoke = async ({ data }) => `got ${Buffer.from(data ?? []).toString()}`;
  const metadata = { key: "k", traceparent: "00-…" };
  expect(await invoke("orders", "set", "x", { metadata })).toBe("got x");
  expect(system.calls[0]?.data).toBeUndefined();
  expect(system.calls[1]).toMatchObject({
    operation: "set",
    encoding: "bytes",
    properties: metadata,
    metadata: { host: "here" },
  });
  expect(invoked).toEqual([
    ["orders", "create", undefined],
    ["orders", "set", undefined],
  ]);
});

test("an answer whose data is no bytes is the binding's mistake", async () => {
  const wrong = { data: "text" } as unknown as { data: Uint8Array };
  const create = { description: "Answers.", request: {}, invoke: async () => wrong };
  const binding = { ...new FakeSystem().binding("fake"), operations: { create } };
  const { runtime, invoke } = startRuntime({ bindings: [binding] });
  await runtime.apply([component("fake")]);
  await expect(invoke("orders")).rejects.toMatchObject({
    ...{ reason: "internal", effect: "ambiguous" },
    message:
      "the binding's operation create has answered with data that is no Uint8Array, but a string",
  });
});

test("what cannot be found is said in Dapr's words", async () => {
  const { invoke } = await start();
  await expect(invoke("order")).rejects.toMatchObject({
    reason: "not_found",
    message: "couldn't find output binding order",
  });
  await expect(invoke("orders", "")).rejects.toMatchObject({
    reason: "invalid_argument",
    message: "operation field is missing from request",
  });
  for (const operation of ["list", "constructor", "toString"]) {
    await expect(invoke("orders", operation)).rejects.toMatchObject({
      reason: "unimplemented",
      message: `binding orders does not support operation ${operation}. supported operations:create set put`,
    });
  }
});

test("a component whose direction is input is no output", async () => {
  const { invoke } = await start({ direction: "input" });
  await expect(invoke("orders")).rejects.toThrow("couldn't find output binding orders");
});

test.each([
  ["create", "unsent", 3],
  ["create", "ambiguous", 1],
  ["create", "rejected", 1],
  ["set", "unsent", 3],
  ["set", "ambiguous", 3],
  ["set", "rejected", 1],
] as const)("%s that failed %s is tried %i times in all", async (operation, effect, times) => {
  const { system, invoke, invoked } = await start();
  system.invoke = () => Promise.reject(new BindingError("unavailable", "down", { effect }));
  const answer = expect(invoke("orders", operation)).rejects.toMatchObject({ effect });
  await vi.advanceTimersByTimeAsync(5000);
  await answer;
  expect(system.calls).toHaveLength(times);
  expect(invoked).toEqual([["orders", operation, "unavailable"]]);
});

test.each([
  ["set", 3],
  ["add", 1],
])("where the request decides what may be repeated: %s %i times", async (mode, times) => {
  const { system, invoke } = await start();
  system.invoke = () =>
    Promise.reject(new BindingError("unavailable", "down", { effect: "ambiguous" }));
  const answer = expect(invoke("orders", "put", "", { metadata: { mode } })).rejects.toThrow();
  await vi.advanceTimersByTimeAsync(5000);
  await answer;
  expect(system.calls).toHaveLength(times);
});

test("a stray exception is internal and never repeated", async () => {
  const { system, invoke } = await start();
  system.invoke = () => Promise.reject(new TypeError("boom"));
  await expect(invoke("orders", "set")).rejects.toMatchObject({
    reason: "internal",
    effect: "ambiguous",
    message: "boom",
  });
  expect(system.calls).toHaveLength(1);
});

test("a repeat takes the connection that is there by then", async () => {
  const { system, invoke } = await start();
  system.invoke = async () => {
    if (system.calls.length > 1) return "ok";
    system.opening.lost(new Error("reset"));
    throw new BindingError("unavailable", "reset", { effect: "unsent" });
  };
  const answer = invoke("orders");
  await vi.advanceTimersByTimeAsync(2000);
  expect(await answer).toBe("ok");
  expect(system.log).toEqual(["open 1", "dispose 1", "open 2"]);
});

test("a caller who cancels ends the retries", async () => {
  const { system, invoke } = await start();
  const caller = new AbortController();
  system.invoke = async () => {
    caller.abort();
    throw new BindingError("unavailable", "down", { effect: "unsent" });
  };
  await expect(invoke("orders", "create", "", { signal: caller.signal })).rejects.toThrow("down");
  expect(system.calls).toHaveLength(1);
});

test("waits for a component that is being opened, up to its initTimeout", async () => {
  const system = new FakeSystem();
  const { promise, resolve } = Promise.withResolvers<void>();
  system.open = () => promise;
  const { runtime, invoke } = startRuntime({ bindings: [system.binding("fake", "output")] });
  void runtime.apply([component("fake", {}, { initTimeout: 1000 })]);
  await settled();
  const late = expect(invoke("orders")).rejects.toMatchObject({
    reason: "unavailable",
    effect: "unsent",
    message: "component orders is not connected (starting)",
  });
  await vi.advanceTimersByTimeAsync(1000);
  await late;
  const caller = new AbortController();
  const gone = expect(invoke("orders", "create", "", { signal: caller.signal })).rejects.toThrow(
    "not connected",
  );
  caller.abort();
  await gone;
  await expect(invoke("orders", "create", "", { signal: AbortSignal.abort() })).rejects.toThrow(
    "not connected",
  );
  const answer = invoke("orders");
  await settled();
  expect(system.calls).toHaveLength(0);
  resolve();
  await answer;
  expect(system.calls).toHaveLength(1);
});

test("a component that failed is not waited for, and says why", async () => {
  const { invoke } = await start({ size: "many" });
  await expect(invoke("orders")).rejects.toThrow(
    'component orders is not connected (failed: metadata size "many" is not an integer)',
  );
});

test("a secret in an error is hidden; the rest of the error stays", async () => {
  const { system, invoke } = await start({}, ["hunter2"]);
  system.invoke = () =>
    Promise.reject(
      new BindingError("not_found", "https://x/?token=hunter2 answered 404", {
        systemCode: "404",
        metadata: { statusCode: "404" },
        cause: new Error("hunter2"),
      }),
    );
  const error: unknown = await invoke("orders").catch((one: unknown) => one);
  expect(error).toMatchObject({
    reason: "not_found",
    message: "https://x/?token=*** answered 404",
    systemCode: "404",
    metadata: { statusCode: "404" },
  });
  expect((error as Error).cause).toBeUndefined();
});
