import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { compilePolicies } from "../../../src/policy/policies.ts";
import { loadResources } from "../../../src/resources/load.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { FakeApp, refused } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function policies(spec: string) {
  const text = `apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: shop}\nspec:\n${spec.replaceAll(/^/gm, "  ")}\n`;
  const { resiliency } = await loadResources({ paths: [], texts: [{ file: "r.yaml", text }] });
  return compilePolicies(resiliency!);
}

async function start(app: FakeApp, spec: string, values: Record<string, string> = {}) {
  const system = new FakeSystem();
  const store = new MemoryStore();
  const { runtime, status } = startRuntime({
    bindings: [system.binding("fake", "input")],
    app,
    store,
  });
  runtime.applyPolicies(await policies(spec));
  await runtime.apply([component("fake", values)]);
  await settled();
  const apply = async (next: string): Promise<void> => runtime.applyPolicies(await policies(next));
  const deliver = (...texts: string[]): void =>
    void system.reading.deliver(texts.map((text) => sourceEvent(text)));
  return { apply, deliver, store, status };
}

const target = (names: string): string => `targets:\n  components: {orders: {inbound: {${names}}}}`;

test.each([0, 1, 3])("maxRetries: %i is one more attempt than that", async (maxRetries) => {
  const app = new FakeApp(() => refused());
  const retry = `policies:\n  retries: {r: {duration: 1s, maxRetries: ${maxRetries}}}\n`;
  const { deliver, store } = await start(app, retry + target("retry: r"), {
    backOffMaxRetries: "7",
  });
  deliver("a");
  await vi.advanceTimersByTimeAsync(600_000);
  expect(app.deliveries).toHaveLength(maxRetries + 1);
  expect(app.deliveries.map(({ attempt, attempts }) => [attempt, attempts])).toEqual(
    Array.from({ length: maxRetries + 1 }, (_, index) => [index + 1, maxRetries + 1]),
  );
  expect(store.stored.size).toBe(1);
});

test("without a retry in Resiliency the component's own fields count", async () => {
  const app = new FakeApp(() => refused());
  const { deliver } = await start(app, "policies: {timeouts: {DefaultTimeoutPolicy: 1s}}", {
    backOffMaxRetries: "2",
  });
  deliver("a");
  await vi.advanceTimersByTimeAsync(600_000);
  expect(app.deliveries).toHaveLength(3);
});

test("a changed Resiliency counts for an event that waits", async () => {
  const app = new FakeApp(() => refused());
  const { apply, deliver, store } = await start(
    app,
    "policies: {retries: {DefaultRetryPolicy: {duration: 1s}}}",
  );
  deliver("a");
  await vi.advanceTimersByTimeAsync(4500);
  expect(app.deliveries).toHaveLength(5);
  await apply("policies: {retries: {DefaultRetryPolicy: {duration: 1s, maxRetries: 6}}}");
  await vi.advanceTimersByTimeAsync(600_000);
  expect(app.deliveries).toHaveLength(7);
  expect(store.stored.size).toBe(1);
});

test("each attempt has the timeout, and one that takes longer has failed", async () => {
  const app = new FakeApp(
    (_, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(refused("cancelled")));
      }),
  );
  const { deliver, store } = await start(
    app,
    `policies:\n  timeouts: {t: 2s}\n  retries: {r: {duration: 1s, maxRetries: 1}}\n${target("timeout: t, retry: r")}`,
  );
  deliver("a");
  await vi.advanceTimersByTimeAsync(4999);
  expect([app.deliveries.length, store.stored.size]).toEqual([2, 0]);
  await vi.advanceTimersByTimeAsync(1);
  expect(store.stored.size).toBe(1);
});

test("an open breaker holds events back without using up attempts, and tries one after its time", async () => {
  const app = new FakeApp(() => refused());
  const { deliver, store } = await start(
    app,
    `policies:\n  retries: {r: {duration: 1s, maxRetries: 9}}\n  circuitBreakers: {c: {timeout: 30s, trip: consecutiveFailures >= 3}}\n${target("retry: r, circuitBreaker: c")}`,
  );
  deliver("a");
  await vi.advanceTimersByTimeAsync(2000);
  expect(app.deliveries).toHaveLength(3);
  await vi.advanceTimersByTimeAsync(29_000);
  expect(app.deliveries).toHaveLength(3);
  await vi.advanceTimersByTimeAsync(2000);
  expect(app.deliveries).toHaveLength(4);
  app.handle = () => ({ kind: "handled", reply: undefined });
  await vi.advanceTimersByTimeAsync(31_000);
  expect(app.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5]);
  expect(store.stored.size).toBe(0);
});
