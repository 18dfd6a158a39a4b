import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { abortable, abortFailure, orAborted } from "../src/abortable.ts";
import { BindingError } from "../src/errors.ts";

test("the work's outcome, or the failure once the signal is aborted; no listener stays", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  expect(await abortable(Promise.resolve(1), signal)).toBe(1);
  await expect(abortable(Promise.reject(new Error("no")), signal)).rejects.toThrow("no");
  const never = new Promise<never>(() => {});
  const given = abortable(never, signal, () => new Error("too late"));
  const usual = abortable(never, signal);
  expect(getEventListeners(signal, "abort")).toHaveLength(2);
  controller.abort(new Error("gone"));
  await expect(given).rejects.toThrow("too late");
  await expect(usual).rejects.toThrow("gone");
  await expect(abortable(never, signal)).rejects.toThrow("gone");
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("work that fails once nobody waits for it any more disturbs nobody", async () => {
  const work = Promise.withResolvers<void>();
  await expect(abortable(work.promise, AbortSignal.abort())).rejects.toThrow("aborted");
  work.reject(new Error("late"));
  await new Promise(setImmediate);
});

test("the work's outcome, or nothing once the signal is aborted; no listener stays", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  expect(await orAborted(Promise.resolve(1), signal)).toBe(1);
  await expect(orAborted(Promise.reject(new Error("no")), signal)).rejects.toThrow("no");
  expect(getEventListeners(signal, "abort")).toEqual([]);
  const work = Promise.withResolvers<number>();
  const waiting = orAborted(work.promise, signal);
  controller.abort();
  expect(await waiting).toBeUndefined();
  expect(await orAborted(work.promise, signal)).toBeUndefined();
  expect(getEventListeners(signal, "abort")).toEqual([]);
  work.reject(new Error("late"));
  await new Promise(setImmediate);
});

test.each([
  [new DOMException("", "TimeoutError"), "deadline_exceeded", "sending: context deadline exceeded"],
  [new Error("gone"), "cancelled", "sending: context canceled"],
  ["gone", "cancelled", "sending: context canceled"],
  [new BindingError("unavailable", "it was closed"), "unavailable", "sending: it was closed"],
])("the failure tells of %s by its reason", (cause, reason, message) => {
  expect(abortFailure("sending", cause, "ambiguous")).toMatchObject({
    ...{ reason, message, effect: "ambiguous" },
  });
});
