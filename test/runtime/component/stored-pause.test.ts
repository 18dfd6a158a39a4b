import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ComponentSpec } from "../../../src/component.ts";
import type { StoredPause } from "../../../src/store/records.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { FakeApp } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled, sourceEvent } from "../source-event.ts";

const noon = Date.parse("2026-11-26T12:00:00Z");
beforeEach(() => void vi.useFakeTimers({ now: noon }));
afterEach(() => void vi.useRealTimers());

const kept: StoredPause = { by: "ada", reason: "the shop is closed", since: noon - 60_000 };

/** A process with this store, which an earlier one may have left. */
async function begin(
  store: MemoryStore,
  { app = new FakeApp(), values = {} }: { app?: FakeApp; values?: Record<string, string> } = {},
) {
  const system = new FakeSystem();
  const started = startRuntime({ bindings: [system.binding("fake")], app, store });
  const apply = (...specs: ComponentSpec[]) => started.runtime.apply(specs);
  const names = Object.keys(values).map((name) => ({ name, origin: undefined }));
  const spec = component("fake", values, { fingerprint: "1", properties: names });
  return { ...started, system, apply, spec };
}

async function running(store: MemoryStore, options?: Parameters<typeof begin>[1]) {
  const process = await begin(store, options);
  await process.apply(process.spec);
  await settled();
  return process;
}

test("a pause outlasts the process, with who, why and since when, until it is resumed", async () => {
  const store = new MemoryStore();
  const first = await running(store);
  await first.runtime.pause("orders", "the shop is closed", "ada");
  await vi.advanceTimersByTimeAsync(60_000);
  await first.runtime.close();

  const second = await running(store);
  expect(second.status()).toMatchObject({
    state: "paused",
    reason: "paused by ada: the shop is closed",
    since: new Date(noon),
    paused: { by: "ada", reason: "the shop is closed", since: new Date(noon) },
  });
  expect(second.system.log).toEqual(["open 1"]);
  expect(second.lines).toContainEqual({
    level: "info",
    fields: { by: "ada", reason: "the shop is closed", since: new Date(noon) },
    message: "input is paused as it was before",
  });
  await second.invoke("orders");
  await second.runtime.resume("orders");
  await settled();
  expect(second.system.log).toEqual(["open 1", "read 1"]);
  await second.runtime.close();

  const third = await running(store);
  expect(third.status()).toMatchObject({ state: "running", reason: "", paused: undefined });
  expect(third.system.readings).toHaveLength(1);
});

test("the caller hears of the pause once it is stored", async () => {
  const store = new MemoryStore();
  const { runtime, status } = await running(store);
  const { promise, resolve } = Promise.withResolvers<void>();
  store.gate = promise;
  let told = false;
  const paused = runtime.pause("orders", "").then(() => (told = true));
  await settled();
  expect(status().state).toBe("paused");
  expect([told, store.paused.size]).toEqual([false, 0]);
  resolve();
  await paused;
  expect(store.paused.size).toBe(1);
});

test("draining is for the end of a process, so the next one reads; a pause after it stays", async () => {
  const store = new MemoryStore();
  const { runtime } = await running(store);
  await runtime.drainComponent("orders", 1000);
  expect(store.paused.size).toBe(0);
  await runtime.pause("orders", "and stays so", "ada");
  expect(store.paused.get("orders")).toMatchObject({ by: "an operator", reason: "drained" });
});

test("what onExhausted has halted stays halted", async () => {
  const store = new MemoryStore();
  const app = new FakeApp(() => ({ kind: "refused", reason: "never", final: true }));
  const values = { onExhausted: "halt" };
  const first = await running(store, { app, values });
  await first.system.reading.deliver([sourceEvent("1")]);
  await vi.advanceTimersByTimeAsync(10_000);
  await first.runtime.close();
  const second = await running(store, { app, values });
  expect(second.status()).toMatchObject({ state: "paused", paused: { by: "the runtime" } });
  expect(second.status().reason).toContain("never");
});

test("resumed before its system is there, or before the store has answered, it reads", async () => {
  const store = new MemoryStore();
  store.paused.set("orders", kept);
  const first = await begin(store);
  first.system.open = () => {
    throw new Error("away");
  };
  await first.apply(first.spec);
  await first.runtime.resume("orders");
  first.system.open = () => undefined;
  await vi.advanceTimersByTimeAsync(1000);
  expect(first.system.readings).toHaveLength(1);
  await first.runtime.close();

  const { promise, resolve } = Promise.withResolvers<StoredPause>();
  store.pauses.load = () => promise;
  const second = await running(store);
  expect(second.system.readings).toHaveLength(0);
  await second.runtime.resume("orders");
  await settled();
  expect(second.system.readings).toHaveLength(1);
  resolve(kept);
  await settled();
  expect(second.status()).toMatchObject({ state: "running", paused: undefined });
  expect(second.system.log).toEqual(["open 1", "read 1"]);
});

test("paused before the store has answered: that pause stands, and resuming ends it", async () => {
  const store = new MemoryStore();
  const { promise, resolve } = Promise.withResolvers<StoredPause>();
  store.pauses.load = () => promise;
  const { runtime, status, system } = await running(store);
  await runtime.pause("orders", "now", "bob");
  resolve(kept);
  await settled();
  expect(status()).toMatchObject({ state: "paused", paused: { by: "bob", reason: "now" } });
  expect(system.readings).toHaveLength(0);
  await runtime.resume("orders");
  await settled();
  expect(system.readings).toHaveLength(1);
});

test("a store that hangs or fails holds up neither reading nor pausing, and the log tells", async () => {
  const store = new MemoryStore();
  store.pauses.load = () => new Promise(() => undefined);
  const hanging = await running(store);
  await vi.advanceTimersByTimeAsync(4999);
  expect(hanging.system.readings).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(hanging.system.readings).toHaveLength(1);
  expect(hanging.lines).toContainEqual({
    level: "warn",
    fields: { reason: "the store gave no answer within 5 s" },
    message: "whether it was paused before cannot be read; it is not paused now",
  });

  const failing = new MemoryStore();
  const { runtime, status, lines, system } = await running(failing);
  failing.trouble = "the disk is full";
  await runtime.pause("orders", "");
  expect(status().state).toBe("paused");
  await runtime.resume("orders");
  await settled();
  expect(system.readings).toHaveLength(2);
  const facts = { level: "warn", fields: { reason: "the disk is full" } };
  expect(lines).toContainEqual({
    ...facts,
    message: "the pause cannot be stored; it ends with the process",
  });
  expect(lines).toContainEqual({
    ...facts,
    message: "the end of the pause cannot be stored; the next process may pause it again",
  });
});

test("a changed component is paused still; one that was deleted is forgotten", async () => {
  const store = new MemoryStore();
  store.paused.set("orders", kept);
  const { apply, spec, runtime, status, system } = await running(store);
  const changed = component("fake", { size: "2" }, { fingerprint: "2" });
  expect(await apply(changed)).toMatchObject({ outcome: "applied" });
  expect(status()).toMatchObject({ state: "paused", paused: { by: "ada" } });
  expect(system.readings).toHaveLength(0);
  await apply();
  expect(store.paused.size).toBe(0);
  await apply(spec);
  await settled();
  expect(status().state).toBe("running");
  await runtime.close();
  expect(store.log).toEqual(["resume orders"]);
});
