import { expect, test } from "vitest";
import { BindingError } from "../../src/errors.ts";
import { createFunctionApp } from "../../src/app/function.ts";
import { DeadLetter, Drop, Retry } from "../../src/handler/errors.ts";
import type { BindingEvent } from "../../src/handler/event.ts";
import { delivery, never } from "./delivery.ts";

const input = { name: "orders", route: "orders" };

test("is always available and wants the inputs that it has a handler for", async () => {
  const app = createFunctionApp({ bindings: { orders: () => {} } });
  expect(app.available).toBe(true);
  expect(await app.wants(input, never)).toBe(true);
  expect(await app.wants({ name: "toString", route: "" }, never)).toBe(false);
  const all = createFunctionApp({ onBindingEvent: () => {} });
  expect(await all.wants(input, never)).toBe(true);
});

test("the handler gets the event whole, as an app beside the runtime does, and its answer is the reply", async () => {
  const value = Buffer.from([0xff]);
  let heard: BindingEvent | undefined;
  const app = createFunctionApp({
    onBindingEvent(event) {
      heard = event;
      return { data: "text", contentType: "text/plain", to: ["audit"] };
    },
  });
  const headers = [
    { name: "H", value: Buffer.from("first") },
    { name: "h", value: Buffer.from("last") },
    { name: "raw", value },
  ];
  const outcome = await app.deliver(
    delivery({
      ...{ metadata: { topic: "t" }, headers, key: "k", id: "orders[0]@7" },
      ...{ data: Buffer.from('{"n":1}'), attempt: 2, attempts: 5, lastError: "no" },
    }),
    never,
  );
  expect(outcome).toMatchObject({
    kind: "handled",
    reply: { ...{ source: "function", to: ["audit"] }, contentType: "text/plain" },
  });
  expect(outcome.kind === "handled" && String(outcome.reply?.data)).toBe("text");
  expect(heard).toMatchObject({
    ...{ name: "orders", metadata: { topic: "t" }, headers, id: "orders[0]@7" },
    ...{ key: Buffer.from("k"), attempt: 2, attempts: 5, lastError: "no" },
  });
  expect([heard?.text(), heard?.json(), heard?.header("H")]).toEqual(['{"n":1}', { n: 1 }, "last"]);
});

test("an event without an identity, a key and a payload says so", async () => {
  let heard: BindingEvent | undefined;
  const app = createFunctionApp({ onBindingEvent: (event) => void (heard = event) });
  await app.deliver(delivery({ data: undefined, key: undefined, id: undefined }), never);
  expect([heard?.id, heard?.key, heard?.data, heard?.text()]).toEqual([
    "",
    undefined,
    undefined,
    "",
  ]);
  expect(() => heard?.json()).toThrow(SyntaxError);
});

test("an answer that is no reply is a failed attempt", async () => {
  const app = createFunctionApp({ onBindingEvent: () => Buffer.from("bare") as object });
  expect(await app.deliver(delivery(), never)).toMatchObject({
    kind: "refused",
    reason: expect.stringContaining("answer { data }") as string,
  });
});

test("nothing returned is handled without a reply", async () => {
  const app = createFunctionApp({ bindings: { orders: async () => {} } });
  expect(await app.deliver(delivery(), never)).toEqual({ kind: "handled", reply: undefined });
});

test.each([
  ["an error thrown", () => Promise.reject(new Error("boom")), "boom"],
  [
    "a thrown string",
    () => {
      // oxlint-disable-next-line typescript/only-throw-error -- people do
      throw "text";
    },
    "text",
  ],
])("%s is a refusal", async (_name, onBindingEvent, reason) => {
  const app = createFunctionApp({ onBindingEvent });
  expect(await app.deliver(delivery(), never)).toEqual({ kind: "refused", reason });
});

test("the reason of a BindingError is the status of a refusal", async () => {
  const onBindingEvent = () => Promise.reject(new BindingError("unavailable", "later"));
  expect(await createFunctionApp({ onBindingEvent }).deliver(delivery(), never)).toEqual({
    ...{ kind: "refused", reason: "later", codes: { grpc: 14, http: undefined } },
  });
});

test.each([
  [new DeadLetter("never"), { kind: "refused", reason: "never", final: true }],
  [new Drop("a duplicate"), { kind: "dropped", reason: "a duplicate" }],
  [new Retry("busy", { after: 5000 }), { kind: "refused", reason: "busy", after: 5000 }],
  [new Retry("busy"), { kind: "refused", reason: "busy" }],
  [new Retry("busy", { after: Number.NaN }), { kind: "refused", reason: "busy" }],
  [new Retry("busy", { after: -1 }), { kind: "refused", reason: "busy" }],
])("a thrown %s says what becomes of the event", async (thrown, outcome) => {
  const app = createFunctionApp({
    onBindingEvent: () => {
      throw thrown;
    },
  });
  expect(await app.deliver(delivery(), never)).toEqual(outcome);
});

test("an event without a handler is a refusal", async () => {
  const app = createFunctionApp({ bindings: {} });
  expect(await app.deliver(delivery(), never)).toEqual({
    kind: "refused",
    reason: "the app has no handler for binding orders",
  });
});

test("an aborted signal cancels the event; what the handler does afterwards changes nothing", async () => {
  const abort = new AbortController();
  const app = createFunctionApp({
    onBindingEvent: async ({ signal }) => {
      abort.abort();
      expect(signal.aborted).toBe(true);
      throw new Error("late");
    },
  });
  expect(await app.deliver(delivery(), abort.signal)).toEqual({
    kind: "refused",
    reason: "cancelled",
  });
  expect(await app.deliver(delivery(), abort.signal)).toMatchObject({ kind: "unsent" });
});
