import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCertificates, type Certificates } from "../bindings/certificates.ts";
import { until } from "../until.ts";
import type { Entries, Told } from "./asked.ts";
import { expectFailed, expectLate, expectNoneLost, failing } from "./expected.ts";
import { startClient, startServer, type Peer, type PeerServer } from "./peers.ts";
import type { Program } from "./program.ts";
import { Frame, Relay } from "./relay.ts";

const MiB = 1024 * 1024;
const minute = 60_000;

/** All that a client and a server must be able to do with each other, with a relay in between that counts frames. */
export function testPair(clientPeer: Peer, serverPeer: Peer): void {
  const lacks = new Set([...(clientPeer.lacks ?? []), ...(serverPeer.lacks ?? [])]);
  let server: PeerServer & AsyncDisposable;
  let client: Program;
  let relay: Relay;
  beforeAll(async () => {
    server = await startServer(serverPeer);
    relay = await Relay.to(server.port);
    client = await startClient(clientPeer, relay.port);
  }, 20 * minute);
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await relay?.[Symbol.asyncDispose]();
  });

  const said = (event: string): number =>
    server.program.said.filter((one) => one.event === event).length;

  test("each kind of call", async () => {
    const sent = { size: 1000, count: 20 };
    expect(await client.call({ op: "unary", size: 1000 })).toMatchObject(ok(1, 1000));
    expect(await client.call({ op: "unary", size: 0 })).toMatchObject(ok(1, 0));
    expect(await client.call({ op: "chat", ...sent })).toMatchObject(ok(20, 20_000));
    const collected = await client.call({ op: "collect", ...sent });
    expect(collected).toMatchObject({ code: 0, count: 1, first: base64("20 20000") });
    const metadata: Entries = [
      ["count", "20"],
      ["size", "1000"],
    ];
    const expanded = await client.call({ op: "expand", metadata });
    expect(expanded).toMatchObject({ code: 0, count: 20, bytes: 20_000 });
    expect(await client.call({ op: "chat", messages: [] })).toMatchObject(ok(0, 0));
  });

  test("metadata, binary and repeated, there and back", async () => {
    const bytes = Buffer.from([0, 255, 1, 254, 10, 13]).toString("base64");
    const entries = (prefix: string): Entries => [
      [`${prefix}-text`, "one"],
      [`${prefix}-text`, "two"],
      [`${prefix}-bytes-bin`, bytes],
      [`${prefix}-long`, "x".repeat(2500)],
    ];
    const metadata = [...entries("echo"), ...entries("trail")];
    for (const op of ["unary", "chat"] as const) {
      const { code, headers = [], trailers = [] } = await client.call({ op, metadata });
      expect(code).toBe(0);
      expect(sorted(headers, "echo-")).toEqual(sorted(entries("echo"), "echo-"));
      if (lacks.has("trailers of success")) continue;
      expect(sorted(trailers, "trail-")).toEqual(sorted(entries("trail"), "trail-"));
    }
  });

  test("errors with their text, details and trailers", async () => {
    expectFailed(await client.call({ op: "unary", metadata: failing }));
    const late = await client.call({ op: "expand", metadata: [...failing, ["count", "3"]] });
    expectFailed(late);
    expect(late.count).toBe(3);
    const unknown = await client.call({ op: "unary", path: "/cufflink.peers.Peer/Nothing" });
    expect(unknown.code).toBe(12);
  });

  test("a deadline that passes, and a call that is given up", async () => {
    const before = said("cancelled");
    const metadata: Entries = [["do", "hold"]];
    const late = await client.call({ op: "unary", metadata, timeout: 500 });
    expectLate(late, clientPeer, serverPeer);
    await until(() => said("cancelled") > before, { what: "the server to see the deadline" });
    const left = await client.call({ op: "expand", metadata, cancelAfter: 1 });
    expect(left).toMatchObject({ code: 1, count: 1 });
    await until(() => said("cancelled") > before + 1, { what: "the server to see that it left" });
  });

  test("gzip both ways", async () => {
    const before = relay.client.bytes;
    const told = await client.call({ op: "unary", size: 4 * MiB, gzip: true });
    expect(told).toMatchObject(ok(1, 4 * MiB));
    expect(relay.client.bytes - before).toBeLessThan(MiB);
    expect(await client.call({ op: "chat", size: 100_000, count: 10, gzip: true })).toMatchObject(
      ok(10, 1_000_000),
    );
  });

  test("32 × 4 MiB at one time both ways", { timeout: 3 * minute }, async () => {
    const told = await client.many({ count: 32, size: 4 * MiB });
    expect(told).toMatchObject({ codes: { 0: 32 }, bytes: 128 * MiB, same: true, text: [] });
    const chats = Array.from({ length: 8 }, () =>
      client.call({ op: "chat", size: 4 * MiB, count: 4 }),
    );
    for (const chat of await Promise.all(chats)) expect(chat).toMatchObject(ok(4, 16 * MiB));
  });

  test("1,000 calls at one time", { timeout: 2 * minute }, async () => {
    const told = await client.many({ count: 1000, size: 1000 });
    expect(told).toMatchObject({ codes: { 0: 1000 }, bytes: 1_000_000, same: true });
    // As a client, ours keeps to the other side's limit; so many are in fact held by servers without one.
    if (serverPeer.name !== "Cufflink") return;
    const held = client.many({ count: 1000, metadata: [["do", "hold"]] });
    await server.program.heard("1,000 calls", ({ count }) => count === 1000, minute);
    server.program.tell("release");
    expect(await held).toMatchObject({ codes: { 0: 1000 } });
  });

  test("all of it was one connection without a GOAWAY", () => {
    // A client that packs may have a channel for that.
    expect(relay.connections).toBeLessThanOrEqual(clientPeer.name === "grpc-js" ? 2 : 1);
    expect([relay.client.goaways, relay.server.goaways]).toEqual([[], []]);
  });

  test("over TLS", { timeout: 2 * minute }, async () => {
    const made: Certificates = makeCertificates();
    try {
      await using secured = await startServer(serverPeer, made.server);
      await using caller = await startClient(clientPeer, secured.port, { ca: made.caPath });
      expect(await caller.call({ op: "unary", size: 100_000 })).toMatchObject(ok(1, 100_000));
      const chat = await caller.call({ op: "chat", size: 100_000, count: 100 });
      expect(chat).toMatchObject(ok(100, 10_000_000));
      const many = await caller.many({ count: 1000, concurrency: 100, size: 1000 });
      expect(many).toMatchObject({ codes: { 0: 1000 }, same: true });
    } finally {
      made.remove();
    }
  });

  test(
    "a server that shuts down with calls in flight loses none",
    { timeout: 2 * minute },
    async () => {
      await using first = await startServer(serverPeer);
      await using second = await startServer(serverPeer);
      await using between = await Relay.to(first.port);
      await using caller = await startClient(clientPeer, between.port);
      const held = caller.many({ count: 20, metadata: [["do", "hold"]], size: 100 });
      await first.program.heard("20 calls", ({ count }) => count === 20);
      const busy = caller.many({ count: 5000, concurrency: 16, size: 100 });
      const counted = between.client.count(Frame.headers);
      await until(() => between.client.count(Frame.headers) > counted + 500, { what: "calls" });
      between.target = second.port;
      first.program.tell("shutdown");
      expectNoneLost(await busy, clientPeer, serverPeer);
      first.program.tell("release");
      expect(await held).toMatchObject({ codes: { 0: 20 }, same: true });
      await first.program.heard("it has closed", ({ event }) => event === "closed");
      if (serverPeer.name !== "Cufflink") return;
      // In two steps: first that there will be no more, then which were taken.
      const [announced, last = 0] = between.server.goaways;
      expect(announced).toBe(2 ** 31 - 1);
      expect(last).toBeLessThan(2 ** 31 - 1);
    },
  );

  test("a server that dies is found again", { timeout: 2 * minute }, async () => {
    await using second = await startServer(serverPeer);
    const first = await startServer(serverPeer);
    await using between = await Relay.to(first.port);
    await using caller = await startClient(clientPeer, between.port);
    expect(await caller.call({ op: "unary" })).toMatchObject({ code: 0 });
    const lost = caller.call({ op: "expand", metadata: [["do", "hold"]] });
    await first.program.heard("a call", ({ event }) => event === "holding");
    between.target = second.port;
    await first[Symbol.asyncDispose]();
    expect((await lost).code).not.toBe(0);
    let told: Told | undefined;
    if (lacks.has("waiting for a connection")) {
      const again = async (): Promise<boolean> => {
        told = await caller.call({ op: "unary", timeout: 5000 });
        return told.code === 0;
      };
      await until(again, { what: "a call to succeed again" });
    } else told = await caller.call({ op: "unary", timeout: 20_000 });
    expect(told).toMatchObject({ code: 0 });
  });
}

/** Keep-alive, and bodies so large that they take a while. */
export function testLongCalls(clientPeer: Peer, serverPeer: Peer): void {
  test("keep-alive pings while a call says nothing", { timeout: 3 * minute }, async () => {
    await using server = await startServer(serverPeer);
    await using relay = await Relay.to(server.port);
    const keepAlive = clientPeer.shortestPing ?? 1000;
    await using client = await startClient(clientPeer, relay.port, { keepAlive });
    const held = client.call({ op: "unary", metadata: [["do", "hold"]] });
    await server.program.heard("a call", ({ event }) => event === "holding");
    const pinged = relay.client.pings.asked;
    await until(() => relay.client.pings.asked >= pinged + 3, {
      ...{ what: () => `pings: ${JSON.stringify(relay.client.pings)}`, within: 2 * minute },
    });
    const { asked } = relay.client.pings;
    await until(() => relay.server.pings.answered >= asked, { what: "answers to all" });
    server.program.tell("release");
    expect(await held).toMatchObject({ code: 0 });
    expect([relay.client.goaways, relay.server.goaways, relay.connections]).toEqual([[], [], 1]);
  });

  test("1 GiB each way, without a GOAWAY", { timeout: 10 * minute }, async () => {
    await using server = await startServer(serverPeer);
    await using relay = await Relay.to(server.port);
    await using client = await startClient(clientPeer, relay.port);
    const metadata: Entries = [
      ["count", "1024"],
      ["size", String(MiB)],
    ];
    const expanded = await client.call({ op: "expand", metadata });
    expect(expanded).toMatchObject({ code: 0, count: 1024, bytes: 1024 * MiB });
    const collected = await client.call({ op: "collect", size: MiB, count: 1024 });
    expect(collected).toMatchObject({ code: 0, first: base64(`1024 ${1024 * MiB}`) });
    const chat = await client.call({ op: "chat", size: MiB, count: 1024 });
    expect(chat).toMatchObject(ok(1024, 1024 * MiB));
    expect([relay.client.goaways, relay.server.goaways, relay.connections]).toEqual([[], [], 1]);
    for (const side of [relay.client, relay.server]) expect(side.count(Frame.reset)).toBe(0);
  });
}

function ok(count: number, bytes: number): Partial<Told> {
  return { code: 0, count, bytes, same: true };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** Those with the prefix. Implementations differ in the order of names, and some join the values of a name. */
function sorted(entries: Entries, prefix: string): readonly string[] {
  return entries
    .filter(([name]) => name.startsWith(prefix))
    .flatMap(([name, value]) => value.split(", ").map((one) => `${name}: ${one}`))
    .toSorted();
}
