import { expect, onTestFinished, test, vi } from "vitest";
import queues from "../../../../src/bindings/azure/azure.servicebus.queues/index.ts";
import type { InboundEvent, Settlement } from "../../../../src/binding.ts";
import { uniqueName } from "../../../servers/unique-name.ts";
import type { NamespaceOptions } from "../../../servers/azure-messaging/server.ts";
import { handled, openQueue, textOf, until, type Handle } from "../../opened-queue.ts";
import { startNamespace } from "../namespace.ts";
import { bytes } from "./contract-source.ts";

const directions = { input: true, output: false };
const many = { maxActiveMessages: "100", maxConcurrentHandlers: "0" };
const returned = (fields: object = {}): Settlement => ({
  outcome: "returned",
  reason: "test",
  ...fields,
});

async function started(
  count: number,
  { session, ...options }: NamespaceOptions & { session?: (n: number) => string } = {},
  properties: Record<string, string> = many,
) {
  const namespace = await startNamespace(options);
  const queueName = uniqueName(session === undefined ? "orders" : "sessions");
  const queue = namespace.queue(queueName);
  const put = (n: number): void =>
    queue.put({
      body: bytes(String(n)),
      message_id: String(n),
      ...(session && { group_id: session(n) }),
    });
  for (let n = 0; n < count; n++) put(n);
  const { connectionString } = namespace;
  const opened = await openQueue(
    queues,
    { connectionString, queueName, ...(session && { requireSessions: "true" }), ...properties },
    { directions },
  );
  return { namespace, queue, opened, put };
}

const keep: Handle = () => "keep";

/** Milliseconds pass by the clock, and no timer knows of them. */
function lockTimePasses(time = 61_000): void {
  const now = Date.now();
  vi.useFakeTimers({ toFake: ["Date"], now: now + time });
  onTestFinished(() => void vi.useRealTimers());
}

test("outcomes of one tick go out as they are, each for its own message", async () => {
  const { queue, opened } = await started(60);
  const { events } = await opened.read(keep);
  await until(() => events.length === 60);
  const kinds = ["accepted", "released", "accepted", "modified", "modified", "released"];
  const expected = events.map((event, n) => {
    const kind = kinds[n % kinds.length] ?? "";
    if (kind === "accepted") event.settle(handled);
    else event.settle(returned(kind === "released" ? { unattempted: true } : {}));
    return [textOf(event), kind];
  });
  await until(() => queue.settled.length >= 60);
  const first = queue.settled.slice(0, 60);
  expect(first.toSorted(([a], [b]) => Number(a) - Number(b))).toEqual(expected);
});

test("a message that failed counts, one that was released does not", async () => {
  const { opened } = await started(2);
  const seen: [string, string | undefined][] = [];
  const { events } = await opened.read((event) => {
    seen.push([textOf(event), event.metadata["DeliveryCount"]]);
    if (seen.length > 4) return handled;
    return textOf(event) === "0" ? returned() : returned({ unattempted: true });
  });
  await until(() => events.length === 6);
  expect(seen.filter(([text]) => text === "0").map(([, count]) => count)).toEqual(["1", "2", "3"]);
  expect(seen.filter(([text]) => text === "1").map(([, count]) => count)).toEqual(["1", "1", "1"]);
});

test("deliveries that failed too often are the service's dead letters", async () => {
  const { queue, opened } = await started(1, { maxDeliveryCount: 3 });
  const { events } = await opened.read(() => returned());
  await until(() => queue.deadLetters.length === 1);
  expect(events).toHaveLength(3);
  expect(queue.deadLetters[0]?.application_properties).toMatchObject({
    DeadLetterReason: "MaxDeliveryCountExceeded",
  });
});

test("no more messages are locked than there is room for", async () => {
  const { queue, opened } = await started(50);
  const locked = () => queue.messages.filter((one) => one.locked).length;
  const { events, reader } = await opened.read(keep, { maxInFlight: 10 });
  await until(() => events.length === 10);
  expect(locked()).toBe(10);
  reader.credit?.(15);
  await until(() => events.length === 15);
  for (const event of events.slice(0, 5)) event.settle(handled);
  await until(() => events.length === 20);
  expect(locked()).toBe(15);
});

test("by default one message is locked at a time, as with Dapr", async () => {
  const { queue, opened } = await started(3, {}, {});
  const { events } = await opened.read(keep);
  await until(() => events.length === 1);
  expect(queue.messages.filter((one) => one.locked)).toHaveLength(1);
  events[0]?.settle(handled);
  await until(() => events.length === 2);
});

test("locks are renewed, and one that is lost is refused for good", async () => {
  const { namespace, queue, opened } = await started(2);
  const { events } = await opened.read(keep);
  await until(() => events.length === 2);
  const [one, other] = events as [InboundEvent, InboundEvent];
  expect(one.lease?.duration).toBeGreaterThan(50_000);
  await one.lease?.extend?.();
  await other.lease?.extend?.();
  expect(namespace.requests).toEqual(["com.microsoft:renew-lock", "com.microsoft:renew-lock"]);
  queue.expireLocks();
  await expect(one.lease?.extend?.()).rejects.toMatchObject({
    effect: "rejected",
    systemCode: "com.microsoft:message-lock-lost",
  });
});

test("a settlement after the lock was lost is told, and the message comes again, to the app unless that handled it", async () => {
  const { queue, opened } = await started(2);
  const { events, reader } = await opened.read(keep);
  await until(() => events.length === 2);
  queue.expireLocks();
  events[0]?.settle(handled);
  events[1]?.settle(returned());
  await reader.flush();
  await until(() => events.length === 3 && queue.messages.length === 1);
  expect(events.map(textOf)).toEqual(["0", "1", "1"]);
  expect(opened.log.map(({ message }) => message)).toEqual([
    expect.stringContaining("the message comes again"),
    expect.stringContaining("the message comes again"),
  ]);
  expect(events[2]?.metadata["DeliveryCount"]).toBe("2");
  expect(opened.losses).toEqual([]);
});

test("flush resolves once the service has confirmed each settlement", async () => {
  const { namespace, queue, opened } = await started(20);
  const { events, reader } = await opened.read(keep);
  await until(() => events.length === 20);
  const delayed = namespace.faults.arm({
    ...{ frame: "disposition", from: "client", strike: { delay: 300 }, times: 1 },
  });
  for (const event of events) event.settle(handled);
  await reader.flush();
  await delayed;
  expect(queue.messages).toEqual([]);
});

test("at a drain all that is held is given back at once, unattempted messages without a count", async () => {
  const { queue, opened } = await started(30);
  const { events, reader } = await opened.read(keep, { maxInFlight: 20 });
  await until(() => events.length === 20);
  await reader.stop();
  for (const event of events.slice(0, 10)) event.settle(returned({ unattempted: true }));
  for (const event of events.slice(10)) event.settle(returned({ after: 60_000 }));
  await reader.flush();
  expect(queue.messages.filter((one) => one.locked)).toHaveLength(0);
  expect(queue.messages.map(({ deliveries }) => deliveries)).toEqual([
    ...Array.from({ length: 10 }, () => 0),
    ...Array.from({ length: 10 }, () => 1),
    ...Array.from({ length: 10 }, () => 0),
  ]);
  await reader.close();
  expect(queue.links).toEqual([]);
});

test("what comes after the stop is released", async () => {
  const { namespace, queue, opened, put } = await started(0);
  const { events, reader } = await opened.read(keep);
  await until(() => queue.links.length === 1);
  const held = namespace.faults.arm({
    ...{ frame: "flow", from: "client", strike: { delay: 200 } },
    where: ({ drain }) => drain === true,
  });
  await reader.stop();
  put(1);
  await reader.flush();
  await held;
  expect(events).toEqual([]);
  expect(queue.messages).toMatchObject([{ locked: false, deliveries: 0 }]);
});

test("a returned message waits for its pause, and no longer than half of its lock", async () => {
  const { queue, opened } = await started(1, { lockDuration: 60_000 });
  let first = true;
  const began = performance.now();
  const { events } = await opened.read(() => {
    if (!first) return handled;
    first = false;
    return returned({ after: 300 });
  });
  await until(() => queue.messages.length === 0);
  expect(events).toHaveLength(2);
  expect(performance.now() - began).toBeGreaterThan(290);
});

test("sessions are read each in order, and several at one time", async () => {
  const { opened } = await started(30, { session: (n) => `s-${n % 3}` });
  const order = new Map<string, number[]>();
  const { events } = await opened.read((event) => {
    const key = String(event.key);
    order.set(key, [...(order.get(key) ?? []), Number(textOf(event))]);
    return handled;
  });
  await until(() => events.length === 30);
  expect([...order.keys()].toSorted()).toEqual(["s-0", "s-1", "s-2"]);
  for (const seen of order.values()) expect(seen).toEqual(seen.toSorted((a, b) => a - b));
});

test("a session's lock is renewed once for all of its messages", async () => {
  const { namespace, queue, opened } = await started(4, { session: () => "one" });
  const { events } = await opened.read(keep);
  await until(() => events.length === 4);
  await Promise.all(events.map(async (event) => event.lease?.extend?.()));
  expect(namespace.requests).toEqual(["com.microsoft:renew-session-lock"]);
  queue.expireLocks();
  await expect(events[0]?.lease?.extend?.()).rejects.toMatchObject({ effect: "rejected" });
});

test("a session's lock is renewed between its messages, too", async () => {
  const { namespace, queue, opened } = await started(
    1,
    { session: () => "one" },
    { ...many, lockRenewalInSec: "1" },
  );
  const { events } = await opened.read(() => handled);
  await until(() => queue.messages.length === 0);
  await until(() => namespace.requests.includes("com.microsoft:renew-session-lock"));
  expect(events.map(({ key }) => key)).toEqual(["one"]);
});

test("a session whose lock is lost is accepted again, and the connection stays", async () => {
  const { queue, opened } = await started(2, { session: () => "one", lockDuration: 400 });
  const { events } = await opened.read(keep);
  await until(() => events.length >= 4);
  expect(events.slice(0, 4).map(textOf)).toEqual(["0", "1", "0", "1"]);
  expect(opened.losses).toEqual([]);
  // The link before hears of its end on its own.
  await until(() => queue.links.length === 1);
});

test("a session whose lock has ended is accepted again from its first message on", async () => {
  const { opened, put } = await started(2, { session: () => "one" });
  const { events } = await opened.read(keep);
  await until(() => events.length === 2);
  // Its end is not noticed by the service until somebody asks for the session.
  lockTimePasses();
  put(2);
  await until(() => events.length === 5);
  expect(events.map(textOf)).toEqual(["0", "1", "0", "1", "2"]);
  expect(events.map(({ revoked }) => revoked?.aborted)).toEqual([true, true, false, false, false]);
});

test("what was handled of a session whose lock is lost does not go to the app again", async () => {
  const { queue, opened } = await started(3, { session: () => "one" });
  const { events } = await opened.read(keep);
  await until(() => events.length === 3);
  events[0]?.settle(handled);
  // Before the service hears of it.
  queue.expireLocks();
  await until(() => events.length === 5 && queue.messages.length === 2);
  expect(events.map(textOf)).toEqual(["0", "1", "2", "1", "2"]);
  expect(events.map(({ revoked }) => revoked?.aborted)).toEqual([true, true, true, false, false]);
  expect(opened.losses).toEqual([]);
});

test("a session of which the service does not take a settlement is given up and accepted again", async () => {
  const { queue, opened } = await started(3, { session: () => "one" });
  const { events } = await opened.read(keep);
  await until(() => events.length === 3);
  lockTimePasses();
  events[0]?.settle(handled);
  await until(() => events.length === 5 && queue.messages.length === 2);
  expect(events.map(textOf)).toEqual(["0", "1", "2", "1", "2"]);
  expect(events.map(({ revoked }) => revoked?.aborted)).toEqual([true, true, true, false, false]);
  expect(opened.log.map(({ message }) => message)).toEqual([
    expect.stringContaining("the message comes again"),
  ]);
});

test("what was handled before a connection was lost does not go to the app again", async () => {
  const { namespace, queue, opened } = await started(3, { session: () => "one" });
  const { events } = await opened.read(keep);
  await until(() => events.length === 3);
  const unheard = namespace.faults.arm({
    ...{ frame: "disposition", from: "client", strike: "swallow" },
  });
  events[0]?.settle(handled);
  events[1]?.settle(handled);
  await unheard;
  namespace.cut();
  await until(() => opened.losses.length === 1);
  const again = await openQueue(
    queues,
    {
      ...{ connectionString: namespace.connectionString, queueName: queue.name },
      ...{ requireSessions: "true", ...many },
    },
    { directions },
  );
  const { events: later } = await again.read(() => handled);
  await until(() => queue.messages.length === 0);
  expect(later.map(textOf)).toEqual(["2"]);
});

test("a session's message may be settled as long as the session's lock is renewed", async () => {
  const { queue, opened } = await started(2, { session: () => "one" });
  const { events } = await opened.read(keep);
  await until(() => events.length === 2);
  lockTimePasses(40_000);
  await events[0]?.lease?.extend?.();
  lockTimePasses(40_000);
  for (const event of events) event.settle(handled);
  await until(() => queue.messages.length === 0);
  expect(events).toHaveLength(2);
  expect(opened.log).toEqual([]);
});

test("a session without messages makes room for another", async () => {
  const { queue, opened, put } = await started(
    1,
    { session: (n) => `s-${n}` },
    { ...many, maxConcurrentSessions: "1", sessionIdleTimeoutInSec: "1" },
  );
  const { events } = await opened.read(() => handled);
  await until(() => events.length === 1);
  put(2);
  await until(() => events.length === 2);
  expect(events.map(({ key }) => key)).toEqual(["s-0", "s-2"]);
  await until(() => queue.links.length === 1);
});

test("where no session is free it is asked again, and not in a hot loop", async () => {
  const { namespace, opened } = await started(
    0,
    { session: () => "none" },
    { ...many, timeoutInSec: "1" },
  );
  let attaches = 0;
  const count = namespace.faults.arm({
    ...{ frame: "attach", from: "client", strike: { delay: 0 }, times: 1_000_000 },
    where: ({ role }) => {
      if (role === true) attaches++;
      return false;
    },
  });
  void count;
  const { reader } = await opened.read(keep);
  await vi.waitFor(() => expect(attaches).toBeGreaterThan(8), { timeout: 5000 });
  expect(attaches).toBeLessThan(40);
  await reader.stop();
  await reader.close();
  expect(opened.losses).toEqual([]);
});

test("a queue with sessions that is read without them says so", async () => {
  const namespace = await startNamespace();
  const { connectionString } = namespace;
  const opened = await openQueue(
    queues,
    { connectionString, queueName: uniqueName("sessions") },
    { directions },
  );
  await expect(opened.read(keep)).rejects.toMatchObject({
    reason: "permission_denied",
    message: expect.stringContaining("requires sessions"),
  });
});

test.each([
  ["the attach", { frame: "attach", from: "client" as const }],
  ["the first transfer", { frame: "transfer", from: "server" as const }],
  ["a settlement", { frame: "disposition", from: "client" as const }],
  ["the answer to a settlement", { frame: "disposition", from: "server" as const }],
])("a connection that is cut at %s is told as lost, and nothing is lost", async (_, fault) => {
  const { namespace, queue, opened } = await started(3, { lockDuration: 300 });
  const where = ({ handle, settled, name }: Readonly<Record<string, unknown>>): boolean =>
    fault.frame === "attach"
      ? !String(name).includes("-answers") && !String(name).includes("-requests")
      : fault.from === "client" || handle !== undefined || settled === true;
  const cut = namespace.faults.arm({ ...fault, strike: "cut", where });
  const failed = await opened
    .read(() => handled)
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  await cut;
  if (failed === undefined) await until(() => opened.losses.length === 1);
  const again = await openQueue(
    queues,
    { connectionString: namespace.connectionString, queueName: queue.name, ...many },
    { directions },
  );
  await again.read(() => handled);
  await until(() => queue.messages.length === 0);
});

test("a message that is no AMQP comes as its bytes", async () => {
  const { contentOf } =
    await import("../../../../src/bindings/azure/azure.servicebus.queues/events.ts");
  expect(contentOf(Buffer.from("no AMQP"), 0)).toMatchObject({
    data: Buffer.from("no AMQP"),
    metadata: { undecodable: expect.any(String) },
  });
  expect(contentOf(Buffer.of(1), 7).metadata["undecodable"]).toContain("format 7");
});
