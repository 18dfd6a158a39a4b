import { createServer as createHttpsServer } from "node:https";
import { once } from "node:events";
import { connect, type AddressInfo, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import {
  afterAll,
  beforeEach,
  afterEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from "vitest";
import { createWebSocketStream, WebSocketServer } from "ws";
import gremlin from "../../src/bindings/azure/azure.cosmosdb.gremlinapi/index.ts";
import eventhubs from "../../src/bindings/azure/azure.eventhubs/index.ts";
import queues from "../../src/bindings/azure/azure.servicebus.queues/index.ts";
import pubsub from "../../src/bindings/gcp/gcp.pubsub/index.ts";
import websocket from "../../src/bindings/websocket/index.ts";
import { query, startGremlin } from "../bindings/azure/azure.cosmosdb.gremlinapi/stand-in.ts";
import { startNamespace } from "../bindings/azure/namespace.ts";
import { makeCertificates } from "../bindings/certificates.ts";
import { pubsubPeer } from "../bindings/gcp/gcp.pubsub/peer.ts";
import { listen } from "../bindings/http/loopback-server.ts";
import { openInput } from "../bindings/opened-input.ts";
import { openOutput, textOf } from "../bindings/opened-output.ts";
import { handled, openQueue, until } from "../bindings/opened-queue.ts";
import { accountFields } from "../identity/gcp/key.ts";
import { startConnectProxy } from "../servers/connect-proxy.ts";
import { describeWith } from "../servers/describe-with.ts";

const host = "service.cloud.example";
const certificates = makeCertificates([host]);
afterAll(() => certificates.remove());
const { cert, key } = certificates.server;
const caCert = certificates.caPath;
const proxy = await startConnectProxy();
afterAll(() => proxy[Symbol.asyncDispose]());

beforeEach(() => {
  for (const name of ["HTTPS_PROXY", "NO_PROXY"]) vi.stubEnv(name.toLowerCase(), "");
  vi.stubEnv("NO_PROXY", "");
  vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${proxy.port}`);
  proxy.asked.length = 0;
});
afterEach(() => vi.unstubAllEnvs());

/** Speaks TLS in front of a server of this machine. */
async function behindTls(port: number): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTlsServer({ cert, key, ALPNProtocols: ["h2"] }, (socket) => {
    const upstream = connect(port, "127.0.0.1");
    for (const one of [socket, upstream]) {
      sockets.add(one);
      one.on("error", () => undefined);
    }
    socket.on("close", () => upstream.destroy());
    upstream.on("close", () => socket.destroy());
    upstream.pipe(socket).pipe(upstream);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return listen(server);
}

/** Speaks AMQP over WebSockets in front of a namespace, as Azure's does. */
async function overWebSockets(port: number): Promise<number> {
  const server = createHttpsServer({ cert, key });
  const sockets = new WebSocketServer({
    ...{ server, path: "/$servicebus/websocket" },
    handleProtocols: (protocols) => (protocols.has("AMQPWSB10") ? "AMQPWSB10" : false),
  });
  sockets.on("connection", (socket) => {
    const stream = createWebSocketStream(socket);
    const upstream = connect(port, "127.0.0.1");
    stream.on("error", () => upstream.destroy());
    upstream.on("error", () => stream.destroy());
    upstream.pipe(stream).pipe(upstream);
  });
  onTestFinished(() => {
    for (const client of sockets.clients) client.terminate();
    server.close();
  });
  return listen(server);
}

/** What each connection asked the proxy for. */
const targets = (): Set<string> => new Set(proxy.asked.map(({ target }) => target));

describe.each([
  ["AMQP over TLS", behindTls, {}],
  ["AMQP over WebSockets", overWebSockets, { transport: "websockets" }],
])("%s", (_, front, more) => {
  test("azure.servicebus.queues sends, reads and settles messages", async () => {
    const namespace = await startNamespace();
    const port = await front(namespace.port);
    const { keyName, key: value } = namespace.access;
    const queue = await openQueue(queues, {
      connectionString: `Endpoint=sb://${host}:${port}/;SharedAccessKeyName=${keyName};SharedAccessKey=${value}`,
      ...{ queueName: "orders", disableEntityManagement: "true", caCert, ...more },
    });
    const { events } = await queue.read(() => handled);
    const large = "x".repeat(200_000);
    for (const text of ["one", large]) await queue.create(text);
    await until(() => events.length === 2);
    expect(events.map(({ data }) => Buffer.from(data ?? "").toString())).toEqual(["one", large]);
    expect(targets()).toEqual(new Set([`${host}:${port}`]));
    expect(namespace.claims).toEqual([`sb://${host}/orders`]);
  });

  test("azure.eventhubs sends, and says that a connection was lost, and by which proxy", async () => {
    const namespace = await startNamespace();
    const port = await front(namespace.port);
    const { keyName, key: value } = namespace.access;
    const connectionString = `Endpoint=sb://${host}:${port}/;SharedAccessKeyName=${keyName};SharedAccessKey=${value}`;
    await using output = await openOutput(eventhubs, {
      ...{ connectionString, eventHub: "hub-1", caCert, ...more },
    });
    await output.invoke("create", {}, { data: "x" });
    void namespace.faults.arm({ frame: "disposition", from: "server", strike: "cut" });
    await expect(output.invoke("create", {}, { data: "y" })).rejects.toMatchObject({
      ...{ reason: "unavailable", effect: "ambiguous" },
      message: expect.stringContaining(`, by the proxy http://127.0.0.1:${proxy.port}`) as string,
    });
  });
});

test("azure.cosmosdb.gremlinapi asks queries", async () => {
  const server = await startGremlin();
  const port = await behindTls(server.port);
  const url = `wss://${host}:${port}/`;
  await using output = await openOutput(gremlin, { ...server.properties, url, caCert });
  expect(textOf(await output.invoke("query", {}, query("g.V()")))).toBe("[1]");
  expect(server.asked).toHaveLength(1);
  expect(targets()).toEqual(new Set([`${host}:${port}`]));
});

test("websocket sends", async () => {
  const sockets = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => sockets.close());
  await once(sockets, "listening");
  const port = await behindTls((sockets.address() as AddressInfo).port);
  const received = new Promise<string>((resolve) => {
    sockets.on("connection", (socket) => {
      socket.on("message", (data: Buffer) => resolve(data.toString()));
    });
  });
  const url = `wss://${host}:${port}/`;
  await using output = await openOutput(websocket, { url, caCert: certificates.ca });
  await output.invoke("send", {}, { data: "hello" });
  expect(await received).toBe("hello");
  expect(targets()).toEqual(new Set([`${host}:${port}`]));
});

describeWith("pstest", (server) => {
  test("gcp.pubsub publishes, reads by a stream and acknowledges", async () => {
    const peer = pubsubPeer(server);
    const topic = await peer.makeTopic();
    const subscription = await peer.makeSubscription(topic);
    const port = await behindTls(server.port);
    const endpoint = `https://${host}:${port}`;
    const login = { ...accountFields, projectID: "shop", endpoint, caCert };
    await using output = await openOutput(pubsub, { ...login, topic });
    await output.invoke("create", {}, { data: "hello" });
    await using input = await openInput(pubsub, { ...login, subscription, ackDeadline: "10s" });
    await vi.waitFor(() => expect(input.events).toHaveLength(1), { timeout: 20_000, interval: 5 });
    expect(Buffer.from(input.events[0]?.data ?? "").toString()).toBe("hello");
    expect(targets()).toEqual(new Set([`${host}:${port}`]));
  });
});
