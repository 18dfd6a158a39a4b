// nginx, HAProxy and nghttpx between clients and servers, in cleartext and with TLS on both sides.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeCertificates, type Certificates } from "../bindings/certificates.ts";
import { until } from "../until.ts";
import type { Entries } from "./asked.ts";
import { expectFailed, expectLate, expectNoneLost, failing } from "./expected.ts";
import { missingTools, ours, peers, startClient, startServer, type Peer } from "./peers.ts";
import type { PeerServer } from "./peers.ts";
import type { Program } from "./program.ts";
import { proxyKinds, startProxy, type Proxy, type ProxyKind } from "./proxies.ts";
import { Relay } from "./relay.ts";

const MiB = 1024 * 1024;
const minute = 60_000;
const pairs: [Peer, Peer][] = [[ours, ours]];
for (const peer of peers)
  if (missingTools(peer).length === 0 && ["grpc-go", "grpc-java", "tonic"].includes(peer.name))
    pairs.push([peer, ours], [ours, peer]);

for (const kind of proxyKinds)
  for (const secure of [false, true])
    for (const [client, server] of pairs)
      describe(`${client.name} by ${kind.name} to ${server.name}${secure ? ", TLS" : ""}`, () => {
        testThrough(kind, client, server, secure);
      });

function testThrough(kind: ProxyKind, clientPeer: Peer, serverPeer: Peer, secure: boolean): void {
  let made: Certificates;
  let server: PeerServer & AsyncDisposable;
  let proxy: Proxy;
  let client: Program;
  // Only in cleartext can it be seen what the proxy says to its client.
  let relay: Relay | undefined;
  beforeAll(async () => {
    made = makeCertificates();
    server = await startServer(serverPeer, secure ? made.server : undefined);
    const files = { ...made.server, caPath: made.caPath };
    proxy = await startProxy(kind, { port: server.port, secure }, files);
    relay = secure ? undefined : await Relay.to(proxy.plain);
    client =
      relay === undefined
        ? await startClient(clientPeer, proxy.secure, { ca: made.caPath })
        : await startClient(clientPeer, relay.port);
  }, 20 * minute);
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await relay?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    made?.remove();
  });

  test("each kind of call, metadata, errors, deadlines, cancellation", async () => {
    const metadata: Entries = [
      ["echo-text", "one"],
      ["echo-bytes-bin", Buffer.from([0, 255, 10]).toString("base64")],
    ];
    const unary = await client.call({ op: "unary", size: 1000, metadata });
    expect(unary).toMatchObject({ code: 0, bytes: 1000, same: true });
    for (const entry of metadata) expect(unary.headers).toContainEqual(entry);
    const chat = await client.call({ op: "chat", size: 10_000, count: 100 });
    expect(chat).toMatchObject({ code: 0, count: 100, bytes: 1_000_000, same: true });
    const collected = await client.call({ op: "collect", size: 10_000, count: 100 });
    expect(collected).toMatchObject({ code: 0, count: 1 });
    const expanded = await client.call({ op: "expand", metadata: sized(100, 10_000) });
    expect(expanded).toMatchObject({ code: 0, count: 100, bytes: 1_000_000 });
    expectFailed(await client.call({ op: "unary", metadata: failing }));
    const hold: Entries = [["do", "hold"]];
    const late = await client.call({ op: "unary", metadata: hold, timeout: 500 });
    expectLate(late, clientPeer, serverPeer);
    const left = await client.call({ op: "expand", metadata: hold, cancelAfter: 1 });
    expect(left).toMatchObject({ code: 1, count: 1 });
    const cancelled = (): number =>
      server.program.said.filter(({ event }) => event === "cancelled").length;
    await until(() => cancelled() === 2, { what: "the server to see both" });
  });

  test("large messages both ways, 1,000 calls", { timeout: 2 * minute }, async () => {
    const large = await client.many({ count: 32, size: 4 * MiB });
    expect(large).toMatchObject({ codes: { 0: 32 }, bytes: 128 * MiB, same: true, text: [] });
    const many = await client.many({ count: 1000, size: 1000 });
    expect(many).toMatchObject({ codes: { 0: 1000 }, same: true });
  });

  test("a reload of the proxy while calls run", { timeout: 2 * minute }, async () => {
    const held = client.many({ count: 10, metadata: [["do", "hold"]], size: 100 });
    await server.program.heard("10 calls", ({ count }) => count === 10);
    const calls = { count: 5000, concurrency: 16, size: 100 };
    const busy = client.many(calls);
    proxy.reload();
    expectNoneLost(await busy, clientPeer);
    // It sends its clients away, with the held calls on the connection of before.
    while (relay?.server.goaways.length === 0) expectNoneLost(await client.many(calls), clientPeer);
    server.program.tell("release");
    expect(await held).toMatchObject({ codes: { 0: 10 }, same: true });
  });
}

function sized(count: number, size: number): Entries {
  return [
    ["count", String(count)],
    ["size", String(size)],
  ];
}
