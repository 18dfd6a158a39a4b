import { expect, test, vi } from "vitest";
import amqp from "../../../src/bindings/amqp/index.ts";
import type { BindingError } from "../../../src/errors.ts";
import { openOutput } from "../opened-output.ts";
import { endAfterTest } from "../contract.ts";
import { startStandIn, type Answer, type StandInOptions } from "./stand-in.ts";

async function place(options: StandInOptions = {}, properties: Record<string, string> = {}) {
  const server = await startStandIn(options);
  const output = await openOutput(amqp, { url: server.url, address: "orders", ...properties });
  endAfterTest(async () => output[Symbol.asyncDispose]());
  const create = (metadata: Record<string, string> = {}, options = {}) =>
    output.invoke("create", metadata, { data: "x", ...options }).then(
      () => "accepted",
      (error: BindingError) => error,
    );
  return { server, output, create };
}

const rejected =
  (condition: string, description: string): Answer =>
  ({ delivery }) =>
    delivery?.reject({ condition, description });

const outcomes: readonly [string, Answer, Partial<BindingError>][] = [
  [
    "rejected for good",
    rejected("amqp:not-allowed", "no such colour"),
    { reason: "permission_denied", effect: "rejected", systemCode: "amqp:not-allowed" },
  ],
  [
    "rejected because it is full",
    rejected("amqp:resource-limit-exceeded", "full"),
    { reason: "resource_exhausted", effect: "unsent", systemCode: "amqp:resource-limit-exceeded" },
  ],
  [
    "rejected without a word",
    ({ delivery }) => delivery?.reject(),
    { reason: "failed_precondition", effect: "rejected", systemCode: "rejected" },
  ],
  [
    "released",
    ({ delivery }) => delivery?.release(),
    { reason: "unavailable", effect: "unsent", systemCode: "released" },
  ],
  [
    "modified, not delivered",
    ({ delivery }) => delivery?.modified({ delivery_failed: false, undeliverable_here: false }),
    { reason: "unavailable", effect: "unsent", systemCode: "modified" },
  ],
  [
    "modified, delivery failed",
    ({ delivery }) => delivery?.modified({ delivery_failed: true, undeliverable_here: false }),
    { reason: "unavailable", effect: "ambiguous", systemCode: "modified" },
  ],
  [
    "modified, undeliverable here",
    ({ delivery }) => delivery?.modified({ delivery_failed: true, undeliverable_here: true }),
    { reason: "failed_precondition", effect: "rejected", systemCode: "modified" },
  ],
  [
    "settled without an outcome",
    ({ delivery }) => delivery?.update(true, undefined),
    { reason: "unavailable", effect: "ambiguous", systemCode: "settled" },
  ],
  [
    "cut before the answer",
    (_, server) => server.cut(),
    { reason: "unavailable", effect: "ambiguous" },
  ],
  [
    "link closed before the answer",
    ({ receiver }) =>
      receiver?.close({ condition: "amqp:resource-deleted", description: "it was deleted" }),
    { reason: "not_found", effect: "ambiguous", systemCode: "amqp:resource-deleted" },
  ],
  [
    "session ended before the answer",
    ({ session }) => session?.close({ condition: "amqp:internal-error", description: "oops" }),
    { reason: "internal", effect: "ambiguous", systemCode: "amqp:internal-error" },
  ],
  [
    "connection closed before the answer",
    ({ connection }) =>
      connection.close({ condition: "amqp:connection:forced", description: "shut down" }),
    { reason: "unavailable", effect: "ambiguous", systemCode: "amqp:connection:forced" },
  ],
];

test.each(outcomes)("%s: said once, the message sent once", async (_, answer, expected) => {
  const { server, create } = await place({ answer });
  expect(await create()).toMatchObject({ name: "BindingError", ...expected });
  expect(server.received).toHaveLength(1);
});

test("a server that does not accept connections: unsent", async () => {
  const server = await startStandIn();
  const opening = openOutput(amqp, { url: "amqp://127.0.0.1:1", address: "orders" });
  await expect(opening).rejects.toMatchObject({
    ...{ reason: "unavailable", effect: "unsent", systemCode: "ECONNREFUSED" },
    message: expect.stringContaining("127.0.0.1:1 cannot be used"),
  });
  expect(server.received).toHaveLength(0);
});

test("an answer that is swallowed: ambiguous at the deadline", async () => {
  const { server, create } = await place({ answer: () => {} });
  const signal = AbortSignal.timeout(200);
  expect(await create({}, { signal })).toMatchObject({
    ...{ reason: "deadline_exceeded", effect: "ambiguous" },
  });
  expect(server.received).toHaveLength(1);
});

test("no credit: waits until the deadline, then nothing was sent", async () => {
  const { server, create } = await place({ credit: 0 });
  const signal = AbortSignal.timeout(300);
  expect(await create({}, { signal })).toMatchObject({
    ...{ reason: "resource_exhausted", effect: "unsent", systemCode: "credit" },
    message: expect.stringContaining("gives no credit for orders"),
  });
  const cancelled = new AbortController();
  const cancel = create({}, { signal: cancelled.signal });
  cancelled.abort();
  expect(await cancel).toMatchObject({ reason: "cancelled", effect: "unsent" });
  // With credit, only what is still wanted goes out.
  const waiting = [create(), create(), create()];
  await vi.waitFor(() => expect(server.receivers).toHaveLength(1));
  server.receivers[0]?.add_credit(3);
  expect(await Promise.all(waiting)).toEqual(["accepted", "accepted", "accepted"]);
  expect(server.received).toHaveLength(3);
});

test("what waits for credit when the connection is cut was not sent", async () => {
  const { server, create } = await place({ credit: 0 });
  const waiting = create();
  await vi.waitFor(() => expect(server.receivers).toHaveLength(1));
  server.cut();
  expect(await waiting).toMatchObject({ reason: "unavailable", effect: "unsent" });
  expect(await create()).toMatchObject({ reason: "unavailable", effect: "unsent" });
});

test("a message above the link's maximum is refused before it is sent", async () => {
  const { server, create } = await place({ receiverOptions: { max_message_size: 1000 } });
  expect(await create({}, { data: Buffer.alloc(2000) })).toMatchObject({
    ...{ reason: "invalid_argument", effect: "rejected" },
    message: expect.stringContaining("orders takes 1000"),
  });
  expect(await create()).toBe("accepted");
  expect(server.received).toHaveLength(1);
});

test("two messages of one tick have outcomes of their own", async () => {
  let turn = 0;
  const { create } = await place({
    // In separate turns: the stand-in's own driver merges what is settled in one.
    answer: ({ delivery }) => {
      const mine = turn++;
      setTimeout(() => (mine % 2 === 0 ? delivery?.accept() : delivery?.release()), mine * 10);
    },
  });
  const answers = await Promise.all([create(), create(), create(), create()]);
  expect(answers.map((one) => (typeof one === "string" ? one : one.systemCode))).toEqual([
    "accepted",
    "released",
    "accepted",
    "released",
  ]);
});

test("a link that was closed is opened again by the next call", async () => {
  let first = true;
  const { server, create } = await place({
    answer: ({ delivery, receiver }) => {
      if (!first) return delivery?.accept();
      first = false;
      receiver?.close({ condition: "amqp:link:detach-forced", description: "moved" });
    },
  });
  expect(await create()).toMatchObject({ effect: "ambiguous" });
  expect(await create()).toBe("accepted");
  expect(server.receivers).toHaveLength(2);
});

test("a redirect is named, and not followed", async () => {
  const { create } = await place({
    answer: ({ receiver }) =>
      receiver?.close({
        condition: "amqp:link:redirect",
        description: "elsewhere",
        info: { "network-host": "other.example", port: 5673, address: "orders-2" },
      }),
  });
  expect(await create()).toMatchObject({
    reason: "failed_precondition",
    message: expect.stringContaining("other.example:5673, address orders-2"),
  });
});

test("more addresses than links are kept open", async () => {
  const { server, create } = await place();
  for (let n = 0; n < 120; n++) expect(await create({ address: `a-${n}` })).toBe("accepted");
  expect(server.received).toHaveLength(120);
  await vi.waitFor(() =>
    expect(server.receivers.filter((receiver) => receiver.is_open())).toHaveLength(100),
  );
});

test("a peer that is no AMQP 1.0 server", async () => {
  const { createServer } = await import("node:net");
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endAfterTest(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as { port: number };
  const opening = openOutput(amqp, { url: `amqp://127.0.0.1:${port}`, address: "orders" });
  await expect(opening).rejects.toMatchObject({ reason: "unavailable", effect: "unsent" });
});
