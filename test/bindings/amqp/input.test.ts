import { expect, test } from "vitest";
import type { Sender } from "rhea";
import amqp from "../../../src/bindings/amqp/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { handled, openQueue, textOf, until, type Handle } from "../opened-queue.ts";
import { bytes, connectPeer } from "./peer.ts";
import { sendNamed, sendTexts, startStandIn, type StandInOptions } from "./stand-in.ts";
import { startProxy } from "../../servers/proxy.ts";

const directions = { input: true, output: false };
const texts = (count: number) => Array.from({ length: count }, (_, n) => String(n));

async function standIn(options: StandInOptions = {}, properties: Record<string, string> = {}) {
  const server = await startStandIn(options);
  const queue = await openQueue(
    amqp,
    { url: server.url, address: "orders", ...properties },
    { directions },
  );
  return { server, queue };
}

test("outcomes of one tick go out as they are, each for its own message", async () => {
  const { server, queue } = await standIn({
    attached: (sender) => sendTexts(sender, ...texts(60)),
  });
  const reading = await queue.read(() => "keep");
  await until(() => reading.events.length === 60);
  const expected = reading.events.map((event, n) => {
    const kind = ["accepted", "released", "modified"][[0, 1, 0, 2, 2, 1, 1, 0][n % 8] ?? 0];
    if (kind === "accepted") event.settle(handled);
    else
      event.settle({
        outcome: "returned",
        reason: "test",
        ...(kind === "released" ? { unattempted: true } : {}),
      });
    return [textOf(event), kind];
  });
  await until(() => server.outcomes.length === 60);
  const byNumber = (one: unknown[], other: unknown[]) => Number(one[0]) - Number(other[0]);
  expect(server.outcomes.toSorted(byNumber)).toEqual(expected);
});

test("a reading that is to end before it has begun connects no more", async () => {
  const { server, queue } = await standIn();
  const signal = AbortSignal.abort(new Error("the component is closed"));
  const failure = queue.read(() => "keep", { signal });
  await expect(failure).rejects.toMatchObject({ reason: "cancelled", effect: "unsent" });
  expect(server.senders).toEqual([]);
});

test("credit is given for what there is room for, and no more", async () => {
  const all = texts(100);
  const { server, queue } = await standIn();
  const reading = await queue.read(() => "keep", { maxInFlight: 10 });
  const sender = await linkOf(server.senders);
  await until(() => creditOf(sender) === 10);
  sendTexts(sender, ...all);
  await until(() => reading.events.length === 10);
  expect(creditOf(sender)).toBe(0);
  reading.reader.credit?.(25);
  await until(() => reading.events.length === 25);
  for (const event of reading.events.slice(0, 20)) event.settle(handled);
  await until(() => reading.events.length === 45);
  // Less room: nothing comes until that much is settled.
  reading.reader.credit?.(5);
  for (const event of reading.events.slice(20, 40)) event.settle(handled);
  await until(() => server.outcomes.length === 40);
  expect(reading.events).toHaveLength(45);
  for (const event of reading.events.slice(40)) event.settle(handled);
  await until(() => reading.events.length === 50);
});

test("one that stays unsettled keeps nothing else from coming", async () => {
  const { queue } = await standIn({
    // Of the stand-in's own memory of unsettled messages.
    listen: { session_buffer_size: { outgoing: 10_000 } },
    attached: (sender) => sendTexts(sender, ...texts(5000)),
  });
  const reading = await queue.read((event) => (textOf(event) === "0" ? "keep" : handled));
  await until(() => reading.events.length === 5000);
});

test("a pause before a return, which the end does not wait for", async () => {
  const { server, queue } = await standIn({ attached: (sender) => sendTexts(sender, "1", "2") });
  await queue.read((event) => ({
    outcome: "returned",
    reason: "test",
    after: textOf(event) === "1" ? 20 : 3_600_000,
  }));
  await until(() => server.outcomes.length === 1);
  expect(server.outcomes).toEqual([["1", "modified"]]);
  expect(server.senders[0]?.is_open()).toBe(true);
});

test("returnAs released: nothing is modified", async () => {
  const { server, queue } = await standIn(
    { attached: (sender) => sendTexts(sender, "1") },
    { returnAs: "released" },
  );
  await queue.read(() => ({ outcome: "returned", reason: "test" }));
  await until(() => server.outcomes.length === 1);
  expect(server.outcomes).toEqual([["1", "released"]]);
});

test("a message in many frames, and one that is aborted", async () => {
  const { queue } = await standIn({
    attached: (sender) => {
      sender.send({ body: bytes(Buffer.alloc(3_000_000, 7)) });
      sendTexts(sender, "after");
    },
  });
  const reading = await queue.read();
  await until(() => reading.events.length === 2);
  expect(reading.events.map(({ data }) => data?.length)).toEqual([3_000_000, 5]);
});

test("a poisonous message comes as it is, and those behind it, too", async () => {
  const poison = Buffer.from([0, 0x53, 0x77, 0xf0, 0, 0, 0, 5, 255, 255, 255, 255, 0x40]);
  const { server, queue } = await standIn({
    attached: (sender) => {
      sender.send(poison, undefined, 0);
      sendTexts(sender, "after");
    },
  });
  const reading = await queue.read();
  await until(() => reading.events.length === 2);
  expect(Buffer.from(reading.events[0]?.data ?? []).equals(poison)).toBe(true);
  expect(reading.events[0]?.metadata["undecodable"]).toContain("more than");
  await until(() => server.outcomes.length === 1);
  expect(reading.losses).toEqual([]);
});

test.each([
  ["link", "amqp:resource-deleted", "it was deleted", "not_found"],
  ["link", "amqp:link:stolen", "another has it", "failed_precondition"],
  ["session", "amqp:internal-error", "oops", "internal"],
  ["connection", "amqp:connection:forced", "shut down", "unavailable"],
] as const)("the server closes the %s: %s", async (what, condition, description, reason) => {
  const { server, queue } = await standIn();
  const reading = await queue.read();
  const sender = await linkOf(server.senders);
  const owner = { link: sender, session: sender.session, connection: sender.connection }[what];
  owner.close({ condition, description });
  await until(() => reading.losses.length === 1);
  expect(reading.losses[0]).toMatchObject({
    ...{ name: "BindingError", reason, systemCode: condition },
    message: expect.stringContaining(description),
  });
});

test("a server that falls silent is left after the idle time", async () => {
  const { server, queue } = await standIn({}, { idleTimeout: "1s" });
  const reading = await queue.read();
  await linkOf(server.senders);
  // While it sends its heartbeats the connection stays.
  await until(() => server.sockets.size === 2);
  for (const connection of server.connections)
    (connection as unknown as { _write_frame(): void })._write_frame = () => {};
  await until(() => reading.losses.length === 1);
  expect(reading.losses[0]).toMatchObject({
    message: expect.stringContaining("it no longer answers"),
  });
  await until(() => queue.losses.length === 1);
});

test("what was accepted on a connection that was lost comes again: it is accepted, and not handled again", async () => {
  let header = {};
  let sent = texts(3);
  const server = await startStandIn({ attached: (sender) => sendNamed(sender, sent, header) });
  const at = { url: server.url, address: uniqueName("orders") };
  const read = async () => {
    const queue = await openQueue(amqp, at, { directions });
    return { queue, reading: await queue.read() };
  };
  const first = await read();
  await until(() => server.outcomes.length === 3);
  server.cut();
  await until(() => first.reading.losses.length === 1);
  sent = ["1", "2", "3"];
  const second = await read();
  await until(() => server.outcomes.length === 6);
  expect(second.reading.texts).toEqual(["3"]);
  expect(server.outcomes.map(([, outcome]) => outcome)).toEqual(Array(6).fill("accepted"));
  server.cut();
  await until(() => second.reading.losses.length === 1);
  // Another message of that id, which its server gives out for the first time.
  header = { first_acquirer: true };
  sent = ["3"];
  const third = await read();
  await until(() => server.outcomes.length === 7);
  expect(third.reading.texts).toEqual(["3"]);
  // What the server has heard of is forgotten.
  await third.queue.close();
  header = {};
  const fourth = await read();
  await until(() => server.outcomes.length === 8);
  expect(fourth.reading.texts).toEqual(["3"]);
});

function creditOf(sender: Sender): number {
  return (sender as unknown as { credit: number }).credit;
}

async function linkOf(senders: readonly Sender[]): Promise<Sender> {
  await until(() => senders.length > 0);
  const [sender] = senders;
  if (sender === undefined) throw new Error("no link");
  return sender;
}

describeWith("artemis", (server) => {
  async function place(properties: Record<string, string> = {}, address = uniqueName("orders")) {
    const peer = await connectPeer(server.url);
    const all = { url: server.url, address, capability: "queue", ...properties };
    const open = () => openQueue(amqp, all, { directions });
    const send = async (...bodies: string[]) => {
      for (const body of bodies) await peer.send(address, { body: bytes(body) });
    };
    return { peer, address, open, send };
  }
  const once = async (
    { open }: Awaited<ReturnType<typeof place>>,
    count: number,
    handle: Handle,
  ) => {
    const queue = await open();
    const reading = await queue.read(handle);
    await until(() => reading.events.length >= count);
    await queue.close();
    return reading;
  };

  test("accepted, released and modified in one tick, as the broker has it", async () => {
    const at = await place();
    await at.send(...texts(9));
    const queue = await at.open();
    const first = await queue.read(() => "keep");
    await until(() => first.events.length === 9);
    for (const [n, event] of first.events.entries()) {
      if (n % 3 === 0) event.settle(handled);
      else event.settle({ outcome: "returned", reason: "test", unattempted: n % 3 === 1 });
    }
    // What comes again at once is kept, and given back by the close.
    await until(() => first.events.length === 15);
    const again = first.events
      .slice(9)
      .toSorted((one, other) => (textOf(one) < textOf(other) ? -1 : 1));
    expect(again.map((event) => [textOf(event), event.attempt])).toEqual([
      ...[
        ["1", 1],
        ["2", 2],
        ["4", 1],
        ["5", 2],
        ["7", 1],
        ["8", 2],
      ],
    ]);
    await queue.close();
    expect(await at.peer.count(at.address)).toBe(6);
  });

  test("the end gives everything back, in its order and without counting it", async () => {
    const at = await place();
    await at.send(...texts(200));
    const reading = await once(at, 64, () => "keep");
    expect(reading.texts.slice(0, 64)).toEqual(texts(64));
    const next = await once(at, 64, () => "keep");
    expect(next.texts.slice(0, 64)).toEqual(texts(64));
    expect(new Set(next.events.map(({ attempt }) => attempt))).toEqual(new Set([1]));
    expect(await at.peer.count(at.address)).toBe(200);
  });

  test("what was handled is gone once flush has resolved", async () => {
    const at = await place();
    await at.send(...texts(50));
    const queue = await at.open();
    const reading = await queue.read(() => handled);
    await until(() => reading.events.length === 50);
    await reading.reader.flush();
    expect(await at.peer.count(at.address)).toBe(0);
    // And reading goes on.
    await at.send("more");
    await until(() => reading.texts.includes("more"));
  });

  test("a connection that is lost with the settlements: the next one settles again, in order", async () => {
    const at = await place();
    await using proxy = await startProxy(server);
    const url = new URL(server.url);
    url.port = String(proxy.port);
    const all = { url: url.href, address: at.address, capability: "queue" };
    for (const text of texts(8)) {
      const message = { message_id: text, group_id: "customer", body: bytes(text) };
      await at.peer.send(at.address, message);
    }
    const queue = await openQueue(amqp, all, { directions });
    const reading = await queue.read(() => "keep");
    await until(() => reading.events.length === 8);
    proxy.stall();
    for (const event of reading.events.slice(0, 5)) event.settle(handled);
    // They are written, and go no further.
    await new Promise(setImmediate);
    proxy.cut();
    await until(() => reading.losses.length === 1);
    await queue.close();
    proxy.heal();
    const healed = await openQueue(amqp, all, { directions });
    const next = await healed.read();
    await until(() => next.events.length === 3);
    expect(next.texts).toEqual(["5", "6", "7"]);
    await healed.close();
    expect(next.texts).toEqual(["5", "6", "7"]);
    expect(await at.peer.count(at.address)).toBe(0);
  });

  test("a queue that allows three deliveries: the broker's dead letters", async () => {
    const at = await place({}, uniqueName("limited.orders"));
    await at.send("poor");
    const queue = await at.open();
    const reading = await queue.read(() => ({ outcome: "returned", reason: "test" }));
    await until(() => reading.events.length === 3);
    expect(reading.events.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    await queue.close();
    expect(await at.peer.count(at.address)).toBe(0);
    const dead = await at.peer.receive("DLQ", 1);
    expect(dead).toHaveLength(1);
  });

  test("a durable subscription keeps what is sent while nobody reads", async () => {
    const properties = {
      capability: "topic",
      subscriptionName: "orders",
      containerId: uniqueName("shop"),
    };
    const at = await place(properties);
    await once(at, 0, () => handled);
    const send = (body: string) => at.peer.send(at.address, { body: bytes(body) }, "topic");
    await send("1");
    await send("2");
    const reading = await once(at, 2, () => handled);
    expect(reading.texts).toEqual(["1", "2"]);
    await send("3");
    expect((await once(at, 1, () => handled)).texts).toEqual(["3"]);
  });

  test("a shared subscription: each message for one of its readers", async () => {
    const at = await place({
      ...{
        capability: "topic",
        subscriptionName: uniqueName("shared"),
        sharedSubscription: "true",
      },
    });
    const readings = await Promise.all(
      [1, 2].map(async () => (await at.open()).read(() => handled, { maxInFlight: 1 })),
    );
    for (const body of texts(20)) await at.peer.send(at.address, { body: bytes(body) }, "topic");
    const all = () => readings.flatMap((one) => one.texts);
    await until(() => all().length === 20);
    expect(new Set(all()).size).toBe(20);
  });

  test("a selector", async () => {
    const at = await place({ selector: "colour = 'red'" });
    const send = (colour: string) =>
      at.peer.send(at.address, { body: bytes(colour), application_properties: { colour } });
    await send("blue");
    await send("red");
    const reading = await once(at, 1, () => handled);
    expect(reading.texts).toEqual(["red"]);
  });

  test("an address that this user may not read; one that he may", async () => {
    const url = server.url.replace("admin:admin", "worker:worker");
    const closed = await place({ url }, uniqueName("closed.orders"));
    await expect((await closed.open()).read()).rejects.toMatchObject({
      reason: "permission_denied",
      message: expect.stringContaining("cannot be read"),
    });
    const jobs = await place({ url }, "jobs");
    await jobs.send("1");
    const queue = await jobs.open();
    await queue.ping();
    const reading = await queue.read();
    await until(() => reading.texts.includes("1"));
  });
});

test.each([
  [{ subscriptionName: "a" }, "needs containerId"],
  [{ sharedSubscription: "true" }, "needs subscriptionName"],
  [{ subscriptionName: "a", containerId: "b", capability: "queue" }, "for a topic"],
  [{ address: "a\r\nb" }, "control characters"],
  [{ url: "http://x" }, "not an AMQP server's"],
  [{ saslMechanism: "external" }, "needs an amqps url"],
  [{ saslMechanism: "plain" }, "needs username"],
])("fields that do not go together: %j", async (properties, text) => {
  const all = { url: "amqp://127.0.0.1:1", address: "orders", ...properties };
  await expect(openQueue(amqp, all, { directions })).rejects.toThrow(text);
});
