import { expect, test, vi } from "vitest";
import sqs from "../../../../src/bindings/aws/aws.sqs/index.ts";
import { handled, refused } from "../../../runtime/fake-app.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { openInput } from "../../opened-input.ts";
import { emulatorLogin } from "../emulator-client.ts";
import { scriptedService } from "../scripted-service.ts";
import { makeQueue } from "./contract-source.ts";

const soon = { timeout: 20_000, interval: 5 };
const denied = "AccessDeniedException";

function message(id: string, receipt: string, more: object = {}): object {
  return { MessageId: id, ReceiptHandle: receipt, Body: id, ...more };
}

/** A queue that gives these messages in turn, and then none. */
function giving(...batches: readonly (readonly object[])[]) {
  return (_input: object, call: number): object | Promise<object> => {
    const Messages = batches[call - 1];
    return Messages === undefined
      ? new Promise((resolve) => setTimeout(() => resolve({}), 50))
      : { Messages };
  };
}

const all = (input: Readonly<Record<string, unknown>>): object => ({
  Successful: (input["Entries"] as { Id: string }[]).map(({ Id }) => ({ Id })),
});

const queueUrl = () => ({ QueueUrl: "http://queue/orders" });

function place(service: { readonly url: string }, more: Record<string, string> = {}) {
  const properties = { ...emulatorLogin(service.url), queueName: "orders", ...more };
  return { properties };
}

describeWith("moto", (server) => {
  test("messages come ten at a time, and are deleted in batches", async () => {
    const queue = await makeQueue(server);
    for (let n = 0; n < 30; n++) await queue.send(String(n));
    const { app, runtime } = await read({ binding: sqs }, queue);
    await vi.waitFor(() => expect(new Set(app.texts).size).toBe(30), soon);
    await runtime.close();
    expect(app.texts).toHaveLength(30);
    expect(await queue.counts()).toEqual({ waiting: 0, hidden: 0 });
  });

  test("a group of a FIFO queue is handled in order, also where one is tried again", async () => {
    const queue = await makeQueue(server, { fifo: true });
    for (let n = 0; n < 6; n++) await queue.send(`a${n}`, "a");
    let tries = 0;
    const done: string[] = [];
    await read({ binding: sqs }, queue, (text) => {
      if (text === "a2" && ++tries < 4) return refused();
      done.push(text);
      return handled;
    });
    await vi.waitFor(() => expect(done).toEqual(["a0", "a1", "a2", "a3", "a4", "a5"]), soon);
  });

  test("at a drain what is held is visible at once", async () => {
    const queue = await makeQueue(server);
    for (let n = 0; n < 5; n++) await queue.send(String(n));
    const { app, runtime } = await read({ binding: sqs }, queue, () => refused(), {
      visibilityTimeout: "5m",
      backOffInitialInterval: "1h",
      backOffMaxInterval: "1h",
    });
    await vi.waitFor(() => expect(app.texts).toHaveLength(5), soon);
    expect(await queue.counts()).toEqual({ waiting: 0, hidden: 5 });
    await runtime.close();
    expect(await queue.counts()).toEqual({ waiting: 5, hidden: 0 });
  });

  test("a message is hidden for as long as the app has it", async () => {
    const queue = await makeQueue(server);
    await queue.send("slow");
    const finish = Promise.withResolvers<void>();
    const started = Date.now();
    const { app, status } = await read(
      { binding: sqs },
      queue,
      async () => {
        await finish.promise;
        return handled;
      },
      { visibilityTimeout: "1s" },
    );
    await vi.waitFor(() => expect(app.texts).toHaveLength(1), soon);
    await vi.waitFor(() => expect(Date.now() - started).toBeGreaterThan(2_200), soon);
    expect((await queue.counts()).waiting).toBe(0);
    finish.resolve();
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(app.texts).toEqual(["slow"]);
  });

  test("the backlog is what waits", async () => {
    const queue = await makeQueue(server);
    for (let n = 0; n < 3; n++) await queue.send(String(n));
    const hold = new Promise<never>(() => undefined);
    const input = await openInput(sqs, queue.properties, { room: () => hold });
    await input.next();
    const left = await sqs.backlog?.(input.connection as never, AbortSignal.timeout(5_000));
    expect(left).toBe(0);
    await queue.send("more");
    expect(await sqs.backlog?.(input.connection as never, AbortSignal.timeout(5_000))).toBe(1);
  });
});

test("what could not be deleted comes again, and is deleted without the app", async () => {
  let again = 0;
  const service = await scriptedService({
    GetQueueUrl: queueUrl,
    ReceiveMessage: (input, call) => {
      const isOut = call > 1 && service.of("DeleteMessageBatch").length > 0 && again++ === 0;
      if (isOut) return { Messages: [message("m", "second")] };
      return giving([message("m", "first")])(input, call);
    },
    DeleteMessageBatch: (input, call) =>
      call === 1
        ? { Failed: [{ Id: "0", Code: "ReceiptHandleIsInvalid", SenderFault: true }] }
        : all(input),
    ChangeMessageVisibilityBatch: all,
  });
  const { app } = await read({ binding: sqs }, place(service));
  await vi.waitFor(() => expect(service.of("DeleteMessageBatch")).toHaveLength(2), soon);
  expect(app.texts).toEqual(["m"]);
  expect(service.of("DeleteMessageBatch")[1]?.input["Entries"]).toEqual([
    { Id: "0", ReceiptHandle: "second" },
  ]);
});

test("of a batch only what failed is deleted again", async () => {
  const service = await scriptedService({
    GetQueueUrl: queueUrl,
    ReceiveMessage: giving([message("a", "ra"), message("b", "rb"), message("c", "rc")]),
    DeleteMessageBatch: (input, call) => {
      const entries = input["Entries"] as { Id: string; ReceiptHandle: string }[];
      const isBad = (one: { ReceiptHandle: string }): boolean =>
        call === 1 && one.ReceiptHandle === "rb";
      return {
        Successful: entries.filter((one) => !isBad(one)).map(({ Id }) => ({ Id })),
        Failed: entries
          .filter(isBad)
          .map(({ Id }) => ({ Id, Code: "InternalError", SenderFault: false })),
      };
    },
  });
  await read({ binding: sqs }, place(service));
  await vi.waitFor(() => expect(service.of("DeleteMessageBatch")).toHaveLength(2), soon);
  const receipts = service
    .of("DeleteMessageBatch")
    .map(({ input }) =>
      (input["Entries"] as { ReceiptHandle: string }[]).map((one) => one.ReceiptHandle),
    );
  expect(receipts).toEqual([["ra", "rb", "rc"], ["rb"]]);
});

test("what comes again while the app has it is not handled twice at once", async () => {
  const finish = Promise.withResolvers<void>();
  const service = await scriptedService({
    GetQueueUrl: queueUrl,
    ReceiveMessage: giving([message("m", "first")], [], [message("m", "second")]),
    DeleteMessageBatch: all,
    ChangeMessageVisibilityBatch: all,
  });
  const { app } = await read(
    { binding: sqs },
    place(service, { visibilityTimeout: "1s" }),
    async () => {
      await finish.promise;
      return handled;
    },
  );
  await vi.waitFor(() => expect(service.of("ReceiveMessage").length).toBeGreaterThan(3), soon);
  // The reader renews the later receipt itself.
  await vi.waitFor(
    () => expect(JSON.stringify(service.of("ChangeMessageVisibilityBatch"))).toContain('"second"'),
    soon,
  );
  finish.resolve();
  await vi.waitFor(() => expect(service.of("DeleteMessageBatch")).toHaveLength(1), soon);
  expect(app.texts).toEqual(["m"]);
  expect(JSON.stringify(service.of("DeleteMessageBatch"))).toContain('"second"');
});

test("twelve hours after a message came it is renewed no more", async () => {
  const service = await scriptedService({
    GetQueueUrl: queueUrl,
    ReceiveMessage: giving([message("m", "first")]),
    ChangeMessageVisibilityBatch: all,
  });
  const input = await openInput(sqs, place(service).properties);
  const { lease, settle } = await input.next();
  await lease?.extend?.();
  const later = performance.now() + 12 * 3_600_000 - 20_000;
  const clock = vi.spyOn(performance, "now").mockReturnValue(later);
  await expect(lease?.extend?.()).rejects.toMatchObject({ effect: "rejected" });
  clock.mockRestore();
  settle({ outcome: "returned", reason: "over", unattempted: true });
  await vi.waitFor(() => expect(service.of("ChangeMessageVisibilityBatch")).toHaveLength(2), soon);
});

test("leases are renewed in batches; one that is gone is told from the others", async () => {
  const service = await scriptedService({
    GetQueueUrl: queueUrl,
    ReceiveMessage: giving([message("a", "ra"), message("b", "rb")]),
    ChangeMessageVisibilityBatch: () => ({
      Successful: [{ Id: "0" }],
      Failed: [{ Id: "1", Code: "InvalidParameterValue", SenderFault: true }],
    }),
  });
  const input = await openInput(sqs, place(service).properties);
  const events = [await input.next(), await input.next()];
  const results = await Promise.allSettled(events.map(({ lease }) => lease?.extend?.()));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  expect(service.of("ChangeMessageVisibilityBatch")).toHaveLength(1);
});

test("who may neither renew nor count reads all the same", async () => {
  const service = await scriptedService({
    GetQueueUrl: () => denied,
    ReceiveMessage: giving([message("a", "ra")], [message("b", "rb")]),
    DeleteMessageBatch: all,
    ChangeMessageVisibilityBatch: () => denied,
    GetQueueAttributes: () => denied,
  });
  const more = { queueOwnerAccountId: "123456789012" };
  const input = await openInput(sqs, place(service, more).properties);
  const { lease, settle } = await input.next();
  await expect(lease?.extend?.()).rejects.toMatchObject({ effect: "ambiguous" });
  settle({ outcome: "returned", reason: "later" });
  const asked = async (): Promise<unknown> =>
    sqs.backlog?.(input.connection as never, AbortSignal.timeout(5_000));
  await expect(asked()).rejects.toMatchObject({ reason: "permission_denied" });
  await expect(asked()).rejects.toMatchObject({ reason: "permission_denied" });
  expect(service.of("GetQueueAttributes")).toHaveLength(1);
  (await input.next()).settle({ outcome: "handled" });
  await input.reader.flush();
  expect(service.of("DeleteMessageBatch")).toHaveLength(1);
});

test("a service that fails is asked again after a pause; one that denies ends the reading", async () => {
  const service = await scriptedService({
    GetQueueUrl: queueUrl,
    ReceiveMessage: (_input, call) => {
      if (call === 1) return undefined;
      return call === 2 ? "ThrottlingException" : denied;
    },
  });
  const input = await openInput(sqs, place(service).properties);
  await expect(input.lost).resolves.toMatchObject({ reason: "permission_denied" });
  const [first, second, third, ...more] = service.of("ReceiveMessage");
  expect(more).toEqual([]);
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(700);
  expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThan(1_400);
});

test("a FIFO queue is asked again for the messages of an answer that was lost", async () => {
  const service = await scriptedService({
    GetQueueUrl: queueUrl,
    ReceiveMessage: (input, call) =>
      call === 1 ? undefined : giving([], [message("m", "r")])(input, call),
    DeleteMessageBatch: all,
    ChangeMessageVisibilityBatch: all,
  });
  const { properties } = place(service, { queueName: "orders.fifo" });
  const input = await openInput(sqs, properties);
  await input.next();
  const attempts = service.of("ReceiveMessage").map((one) => one.input["ReceiveRequestAttemptId"]);
  expect(attempts[0]).toBeTruthy();
  expect(attempts[1]).toBe(attempts[0]);
});

test("a flush rejects while what was handled cannot be deleted, and keeps it", async () => {
  let isAway = true;
  const service = await scriptedService({
    GetQueueUrl: queueUrl,
    ReceiveMessage: giving([message("m", "r")]),
    DeleteMessageBatch: (input) => (isAway ? "InternalFailure" : all(input)),
  });
  const input = await openInput(sqs, place(service).properties);
  (await input.next()).settle({ outcome: "handled" });
  await expect(input.reader.flush()).rejects.toMatchObject({ systemCode: "InternalFailure" });
  isAway = false;
  await input.reader.flush();
});
