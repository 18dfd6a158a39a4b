import { expect, test } from "vitest";
import type { Intake } from "../../src/runtime/app.ts";
import { emitTo } from "../../src/runtime/emission.ts";
import { FakeApp } from "./fake-app.ts";

const from = { name: "orders", type: "bindings.test", route: "orders", nullAs: "empty" } as const;
const event = { data: Buffer.from("x"), metadata: {}, headers: [] };

/** An app that has no credit left until it says otherwise. */
class FullApp extends FakeApp {
  isFull = true;
  readonly #listeners = new Set<() => void>();
  readonly intake: Intake = {
    takes: () => (this.isFull ? "full" : "now"),
    onRoom: (listener) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    },
    maxInFlight: undefined,
  };

  makeRoom(): void {
    this.isFull = false;
    for (const listener of this.#listeners) listener();
  }

  get waiting(): number {
    return this.#listeners.size;
  }
}

test("a test event waits until the app takes one more", async () => {
  const app = new FullApp();
  const emitted = emitTo(app, from, event, new AbortController().signal, undefined);
  expect([app.deliveries.length, app.waiting]).toEqual([0, 1]);
  app.makeRoom();
  expect(await emitted).toMatchObject({ kind: "handled" });
  expect([app.deliveries.length, app.waiting]).toEqual([1, 0]);
});

test("one that goes away meanwhile is not waited for", async () => {
  const app = new FullApp();
  const emitted = emitTo(app, from, event, new AbortController().signal, undefined);
  app.available = false;
  expect(await emitted).toMatchObject({ kind: "unsent" });
  expect([app.deliveries.length, app.waiting]).toEqual([0, 0]);
});

test("nor by a caller that has gone", async () => {
  const app = new FullApp();
  const caller = new AbortController();
  const emitted = emitTo(app, from, event, caller.signal, undefined);
  caller.abort();
  await emitted;
  expect(app.waiting).toBe(0);
});
