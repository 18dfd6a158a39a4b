import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MemoryStore } from "../../store/memory-store.ts";
import { delivering, deliveringAgain, policy } from "../delivering.ts";
import { handled, ManualApp, refused } from "../fake-app.ts";
import { component, FakeSystem, startRuntime } from "../fake-binding.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("an event with the app, one that waits for its retry, and those behind it are told apart", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app);
  const find = (id: string) => delivery.unfinished.find(id);
  const key = Buffer.from("k");
  await delivery.deliver([sourceEvent("1", { key }), sourceEvent("2", { key })], "t/0");
  const receivedAt = Date.now();
  expect(find("1")).toEqual([
    {
      ...{ component: "orders", eventId: "1", source: "t/0", receivedAt, key },
      ...{ attempts: [], renewals: [], failedRenewals: [] },
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      ...{ where: "with the app", reason: "", attempt: 1, attemptsAllowed: 3 },
      ...{ lastError: "", nextAt: undefined, deadLetter: undefined },
    },
  ]);
  expect(delivery.unfinished.oldestFailed).toBeUndefined();
  await vi.advanceTimersByTimeAsync(20);
  app.answer("1", refused("HTTP 500"));
  await settled();
  expect(find("1")).toMatchObject([
    {
      ...{ where: "waiting for a retry", attempt: 2, lastError: "HTTP 500" },
      attempts: [{ outcome: "refused", answer: "HTTP 500" }],
      nextAt: receivedAt + 120,
    },
  ]);
  expect(find("2")).toMatchObject([
    { where: "queued", reason: "it comes after 1, which has the same key", attempt: 1 },
  ]);
  expect(delivery.unfinished.oldestFailed).toEqual(find("1")[0]);
  const [{ traceId } = { traceId: "" }] = find("1");
  expect(find(traceId)).toEqual(find("1"));
  await vi.advanceTimersByTimeAsync(100);
  expect(find("1")).toMatchObject([{ where: "with the app", attempt: 2 }]);
  app.answer("1");
  await settled();
  app.answer("2");
  await settled();
  expect([find("1"), find("2")]).toEqual([[], []]);
});

test("while the app is away the events wait for it", async () => {
  const app = new ManualApp();
  app.available = false;
  const { delivery } = delivering(app);
  await delivery.deliver([sourceEvent("1")]);
  expect(delivery.unfinished.find("1")).toMatchObject([
    { where: "queued", reason: "the app is away", nextAt: undefined },
  ]);
});

test("what the store holds up says so, and when it is tried again", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const { delivery } = delivering(app, { store, retry: { ...policy, attempts: 2 } });
  const find = () => delivery.unfinished.find("1");
  await delivery.deliver([sourceEvent("1")]);
  app.answer("1", refused());
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  await vi.advanceTimersByTimeAsync(100);
  expect(find()).toMatchObject([{ where: "held", reason: /notes its next attempt/, attempt: 2 }]);
  gate.resolve();
  await settled();
  store.trouble = "disk full";
  app.answer("1", refused());
  await settled();
  const reason = "event 1 cannot be put into the dead letters: disk full";
  expect(find()).toMatchObject([{ where: "held", reason, nextAt: Date.now() + 1000 }]);
  expect(delivery.unfinished.oldestFailed).toMatchObject({ where: "held", reason });
});

test("an exhausted event on its way says where to", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app, {
    retry: { ...policy, attempts: 1 },
    onExhausted: { kind: "output", output: "parking" },
    invokeOutput: () => new Promise(() => undefined),
  });
  await delivery.deliver([sourceEvent("1")]);
  app.answer("1", refused());
  await settled();
  expect(delivery.unfinished.find("1")).toMatchObject([
    { where: "held", reason: "no attempt is left, and it is on its way to parking" },
  ]);
});

test("a kept reply that waits says that the app has done its part", async () => {
  const app = new ManualApp();
  const { delivery } = delivering(app, {
    fanOut: () => ({
      steps: [{ target: "notes", run: () => Promise.reject(new Error("down")) }],
      concurrency: undefined,
    }),
  });
  await delivery.deliver([sourceEvent("1")]);
  app.answer("1", handled);
  await settled();
  expect(delivery.unfinished.find("1")).toMatchObject([
    {
      ...{ where: "waiting for a retry", lastError: "reply to notes: down" },
      reason: "the app has handled it; what its reply asks for is not done yet",
    },
  ]);
});

test("after a restart the attempts of before count, and the last failure is known", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const first = delivering(app, { store });
  await first.delivery.deliver([sourceEvent("1")]);
  app.answer("1", refused("no"));
  await vi.advanceTimersByTimeAsync(100);
  app.available = false;
  const { delivery } = await deliveringAgain(app, { store });
  await delivery.deliver([sourceEvent("1")]);
  expect(delivery.unfinished.find("1")).toMatchObject([
    { where: "queued", attempt: 3, lastError: "no", attempts: [] },
  ]);
});

test("a runtime finds them in all components, or in one, redriven ones too", async () => {
  const store = new MemoryStore();
  const app = new ManualApp();
  const system = new FakeSystem();
  const { runtime, status } = startRuntime({ bindings: [system.binding("fake")], app, store });
  await runtime.apply([component("fake", { backOffMaxRetries: "0" })]);
  await settled();
  await system.reading.deliver([sourceEvent("1")]);
  await settled();
  expect(runtime.unfinished("1")).toHaveLength(1);
  expect(runtime.unfinished("1", "orders")).toMatchObject([{ where: "with the app" }]);
  expect(runtime.unfinished("1", "others")).toEqual([]);
  app.answer("1", refused());
  await settled();
  expect([runtime.unfinished("1"), status().oldestFailed]).toEqual([[], undefined]);
  const [deadLetter] = await store.deadLetters.list({}, { limit: 1 });
  if (deadLetter === undefined) throw new Error("there is no dead letter");
  void runtime.redrive(deadLetter);
  await settled();
  expect(runtime.unfinished("1")).toMatchObject([{ deadLetter: deadLetter.id }]);
});
