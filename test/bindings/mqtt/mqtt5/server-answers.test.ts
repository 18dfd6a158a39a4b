// What a server may say that Mosquitto 2.0 does not, or not when asked to.
import { generate, type IConnectPacket, type ISubscribePacket, type Packet } from "mqtt-packet";
import { expect, test, vi } from "vitest";
import mqtt5 from "../../../../src/bindings/mqtt/mqtt5/index.ts";
import { read } from "../../contract.ts";
import { errorOf, handled, openQueue, until } from "../../opened-queue.ts";
import { identifierOf, scriptedServer, type ScriptedServer } from "./scripted-server.ts";

const connack = { cmd: "connack", sessionPresent: false, reasonCode: 0 } as const;
const output = { directions: { input: false, output: true } };

const open = (
  { url }: ScriptedServer,
  properties: Record<string, string> = {},
  options?: Parameters<typeof openQueue>[2],
) => openQueue(mqtt5, { url, topic: "orders", consumerID: "shop", ...properties }, options);

const publish = (payload: string, more: Partial<Packet> = {}): Packet =>
  ({
    ...{ cmd: "publish", topic: "orders", payload, qos: 1, dup: false, retain: false },
    ...more,
  }) as Packet;

test.each([
  [0x80, "internal", "Unspecified error"],
  [0x86, "unauthenticated", "Bad User Name or Password"],
  [0x87, "permission_denied", "Not authorized"],
  [0x88, "unavailable", "Server unavailable"],
  [0x89, "unavailable", "Server busy"],
  [0x8a, "permission_denied", "Banned"],
  [0x8c, "unauthenticated", "Bad authentication method"],
  [0x9c, "unavailable", "Use another server"],
  [0x9d, "unavailable", "Server moved"],
  [0x9f, "resource_exhausted", "Connection rate exceeded"],
])("CONNACK %s is %s, by its name", async (reasonCode, reason, name) => {
  const properties = { reasonString: "because", serverReference: "other:1883" };
  const server = await scriptedServer({ connect: () => ({ ...connack, reasonCode, properties }) });
  const error = await errorOf(open(server));
  const code = `0x${reasonCode.toString(16).toUpperCase()}`;
  expect(error).toMatchObject({ reason, effect: "unsent", systemCode: code });
  expect(String(error)).toContain(`${name} (${code}): because; the server refers to other:1883`);
});

test("a name for the probe that is not accepted, and a probe that is denied, are answers", async () => {
  const server = await scriptedServer({
    connect: (packet, count) => ({
      ...connack,
      reasonCode: count === 1 && "clientId" in packet ? 0x85 : count === 2 ? 0x87 : 0x88,
    }),
  });
  const queue = await open(server);
  await queue.ping();
  expect(await errorOf(queue.ping())).toMatchObject({ reason: "unavailable" });
});

test("a server of MQTT 3.1.1 alone: which type to use", async () => {
  const server = await scriptedServer({ connect: () => Buffer.from("20020001", "hex") });
  const error = await errorOf(open(server));
  expect(error).toMatchObject({ reason: "unimplemented" });
  expect(String(error)).toContain("bindings.mqtt3");
});

test("SUBACK 0x87 is the state's reason, for the topic that is refused", async () => {
  const server = await scriptedServer({
    subscribe: (packet) => ({
      ...{ cmd: "suback", messageId: identifierOf(packet) },
      granted: [(packet as ISubscribePacket).subscriptions[0]?.topic === "secret" ? 0x87 : 1],
    }),
  });
  const properties = { url: server.url, topic: "orders,secret", consumerID: "shop" };
  const { status } = await read({ binding: mqtt5 }, { properties });
  const reason = "the server refuses the subscription to secret: Not authorized (0x87)";
  await vi.waitFor(() => expect(status().reason).toContain(reason));
  expect(status().state).not.toBe("running");
});

test.each([
  [0x8f, "Topic Filter invalid"],
  [0x9e, "Shared Subscriptions not supported"],
  [0xa2, "Wildcard Subscriptions not supported"],
])("SUBACK %s: the component is failed as it is written", async (code, name) => {
  const server = await scriptedServer({
    subscribe: (packet) => ({ cmd: "suback", messageId: identifierOf(packet), granted: [code] }),
  });
  const properties = { url: server.url, topic: "a/#", consumerID: "shop" };
  const { status } = await read({ binding: mqtt5 }, { properties });
  await vi.waitFor(() => expect(status().state).toBe("failed"));
  expect(status().reason).toContain(name);
});

test("a lower QoS than asked for is said", async () => {
  const server = await scriptedServer({
    subscribe: (packet) => ({ cmd: "suback", messageId: identifierOf(packet), granted: [0] }),
  });
  const queue = await open(server);
  await queue.read();
  expect(queue.notices).toEqual([
    "the server grants QoS 0 in place of 1, with which messages are lost while nobody reads",
  ]);
});

test.each([
  [0x8e, "Session taken over", "; another client uses the same client id"],
  [0x9d, "Server moved", "; the server refers to other:1883"],
  [0x8b, "Server shutting down", ""],
  [0x98, "Administrative action", ""],
])("DISCONNECT %s is the reason of the end", async (reasonCode, name, more) => {
  const server = await scriptedServer();
  const queue = await open(server);
  const reading = await queue.read();
  server.send({
    ...{ cmd: "disconnect", reasonCode },
    ...(reasonCode === 0x9d ? { properties: { serverReference: "other:1883" } } : {}),
  });
  await until(() => reading.losses.length === 1);
  const code = `0x${reasonCode.toString(16).toUpperCase()}`;
  expect(reading.losses[0]).toMatchObject({ reason: "unavailable", systemCode: code });
  expect(String(reading.losses[0])).toContain(`it has ended it: ${name} (${code})${more}`);
});

test("enhanced authentication that a server asks for is refused by its name", async () => {
  const server = await scriptedServer({
    connect: () => generate({ cmd: "auth", reasonCode: 0x18 }, { protocolVersion: 5 }),
  });
  expect(String(await errorOf(open(server)))).toContain("enhanced authentication (AUTH)");
});

test("topic aliases stand for their topics; one beyond the maximum ends the connection", async () => {
  const server = await scriptedServer();
  const queue = await open(server, { topicAliasMaximum: "2" });
  const reading = await queue.read();
  const connects = server.of("connect").map((packet) => (packet as IConnectPacket).properties);
  expect(connects.at(-1)).toMatchObject({ topicAliasMaximum: 2 });
  server.send(publish("one", { messageId: 1, topic: "orders/a", properties: { topicAlias: 2 } }));
  server.send(publish("two", { messageId: 2, topic: "", properties: { topicAlias: 2 } }));
  await until(() => reading.events.length === 2);
  expect(reading.events.map(({ metadata }) => metadata["topic"])).toEqual(["orders/a", "orders/a"]);
  server.send(publish("x", { messageId: 3, topic: "orders/a", properties: { topicAlias: 3 } }));
  await until(() => reading.losses.length === 1);
  expect(String(reading.losses[0])).toContain("topic alias 3, and topicAliasMaximum is 2");
});

test("CONNECT says what the component asks for", async () => {
  const server = await scriptedServer();
  const said = async (properties: Record<string, string>, maxInFlight: number) => {
    const queue = await open(server, properties);
    await (await queue.read(undefined, { maxInFlight })).close();
    return (server.of("connect").at(-1) as IConnectPacket).properties;
  };
  expect(await said({}, 64)).toEqual({
    ...{ sessionExpiryInterval: 168 * 3600, receiveMaximum: 128, topicAliasMaximum: 16 },
  });
  const more = { sessionExpiryInterval: "2000000h", receiveMaximum: "7", maximumPacketSize: "1Gi" };
  expect(await said(more, 64)).toEqual({
    ...{ sessionExpiryInterval: 0xffff_ffff, receiveMaximum: 7, topicAliasMaximum: 16 },
    // Half of the memory budget.
    maximumPacketSize: 128 * 1024 * 1024,
  });
});

test("a packet larger than it may be ends the connection", async () => {
  const server = await scriptedServer();
  const reading = await (await open(server, { maximumPacketSize: "1Ki" })).read();
  server.send(publish("x".repeat(2000), { messageId: 1 }));
  await until(() => reading.losses.length === 1);
  expect(String(reading.losses[0])).toContain("more than maximumPacketSize");
});

test("QoS 2 in: noted after it was handled, completed when the server releases it", async () => {
  const server = await scriptedServer();
  const queue = await open(server, { qos: "2" });
  const reading = await queue.read(() => "keep");
  server.send(publish("one", { qos: 2, messageId: 9 }));
  await until(() => reading.events.length === 1);
  await reading.reader.flush();
  expect(server.of("pubrec")).toEqual([]);
  reading.events[0]?.settle(handled);
  await until(() => server.of("pubrec").length === 1);
  // The server has not heard it: it sends the message again, which is known, and noted again.
  server.send(publish("one", { qos: 2, messageId: 9, dup: true }));
  await until(() => server.of("pubrec").length === 2);
  expect(reading.events.length).toBe(1);
  server.send({ cmd: "pubrel", messageId: 9, reasonCode: 0 });
  await until(() => server.of("pubcomp").length === 1);
  // The identifier is free for another message; one that nobody knows is completed, too.
  server.send(publish("one", { qos: 2, messageId: 9 }));
  await until(() => reading.events.length === 2);
  server.send({ cmd: "pubrel", messageId: 55, reasonCode: 0 });
  await until(() => server.of("pubcomp").length === 2);
  const codes = server.of("pubcomp").map((packet) => "reasonCode" in packet && packet.reasonCode);
  expect(codes).toEqual([0, 0x92]);
});

test("the server has kept no session any more: it is said that events do not come", async () => {
  let present = false;
  const server = await scriptedServer({
    connect: () => ({ ...connack, sessionPresent: present }),
  });
  const queue = await open(server, { consumerID: "shop-forgotten" });
  const begin = async () => (await queue.read()).close();
  await begin();
  expect(JSON.stringify(queue.log)).toContain("the server begins a session");
  present = true;
  await begin();
  expect(queue.notices).toEqual([]);
  present = false;
  await begin();
  expect(queue.notices.join()).toContain(
    "the server had no session of shop-forgotten-consumer any more",
  );
});

test("a shorter session than asked for is said", async () => {
  const properties = { sessionExpiryInterval: 60 };
  const server = await scriptedServer({ connect: () => ({ ...connack, properties }) });
  const queue = await open(server);
  await queue.read();
  expect(JSON.stringify(queue.log)).toContain('"given":"60s"');
});

test("what the server has said it does not take is not sent", async () => {
  const properties = { maximumQoS: 1, retainAvailable: false, maximumPacketSize: 200 };
  const server = await scriptedServer({ connect: () => ({ ...connack, properties }) });
  const queue = await open(server, {}, output);
  const why = async (data: string, metadata: Record<string, string>) => {
    const error = await errorOf(queue.create(data, metadata));
    expect(error).toMatchObject({ reason: "invalid_argument", effect: "rejected" });
    return String(error);
  };
  expect(await why("x", { qos: "2" })).toContain("up to QoS 1");
  expect(await why("x", { retain: "true" })).toContain("retains no messages");
  expect(await why("x".repeat(200), {})).toContain("up to 200");
  await queue.create("x".repeat(100));
  expect(server.of("publish").length).toBe(1);
});

test("no more are sent at a time than the server takes, and those that wait are sent in turn", async () => {
  const server = await scriptedServer({
    connect: () => ({ ...connack, properties: { receiveMaximum: 2 } }),
    publish: () => "nothing",
  });
  const queue = await open(server, {}, output);
  const cancelling = new AbortController();
  const sending = ["a", "b", "c"].map((text) => queue.create(text));
  const cancelled = errorOf(queue.create("d", {}, cancelling.signal));
  const last = queue.create("e");
  await until(() => server.of("publish").length === 2);
  cancelling.abort();
  expect(await cancelled).toMatchObject({ reason: "cancelled" });
  const texts = () =>
    server.of("publish").map((packet) => ("payload" in packet ? String(packet.payload) : ""));
  for (let n = 0; n < 4; n++) {
    await until(() => server.of("publish").length > n);
    server.send({
      cmd: "puback",
      messageId: identifierOf(server.of("publish")[n]!),
      reasonCode: 0,
    });
  }
  await Promise.all([...sending, last]);
  expect(texts()).toEqual(["a", "b", "c", "e"]);
});

test("the server's keep-alive is kept", async () => {
  const server = await scriptedServer({
    connect: () => ({ ...connack, properties: { serverKeepAlive: 1 } }),
  });
  await (await open(server, { keepAlive: "1h" })).read();
  await until(() => server.of("pingreq").length > 0);
});

test("a broken packet ends the connection and says so", async () => {
  const server = await scriptedServer();
  const reading = await (await open(server)).read();
  server.send(Buffer.from([0x32, 0x03, 0x00, 0x09, 0x41]));
  await until(() => reading.losses.length === 1);
  expect(String(reading.losses[0])).toContain("is not MQTT (a packet that ends too early)");
});
