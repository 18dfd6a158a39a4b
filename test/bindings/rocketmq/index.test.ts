import { createHmac } from "node:crypto";
import { onTestFinished, expect, test, vi } from "vitest";
import rocketmq from "../../../src/bindings/rocketmq/index.ts";
import { signatureOf } from "../../../src/bindings/rocketmq/client.ts";
import { ownReceipt } from "../../../src/bindings/rocketmq/confirmations.ts";
import { FakeApp, handled, refused } from "../../runtime/fake-app.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { uniqueName } from "../../servers/describe-with.ts";
import { RocketmqProxy, type ProxyOptions } from "../../servers/rocketmq-proxy/proxy.ts";
import { read } from "../contract.ts";
import { openOutput } from "../opened-output.ts";
import { rocketmqPeer } from "./peer.ts";

const soon = { timeout: 20_000, interval: 5 };
const login = { accessKey: "shop", secretKey: "a secret" };

async function begin(options: ProxyOptions = {}) {
  const proxy = await new RocketmqProxy(options).listen();
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const topic = uniqueName("orders");
  const properties = { proxyEndpoint: proxy.address, topics: topic };
  const input = { ...properties, consumerGroup: "shop", invisibleDuration: "10s" };
  const peer = rocketmqPeer({ host: "127.0.0.1", port: proxy.port }, options.login);
  return { proxy, topic, properties, input, peer };
}

test("a message has the topic, tag, keys and properties that the call names, and the data as they are", async () => {
  const { proxy, properties } = await begin();
  await using output = await openOutput(rocketmq, properties);
  const data = Buffer.from([0, 255, 10, 34]);
  const answer = await output.invoke(
    "create",
    {
      "rocketmq-topic": "others",
      "rocketmq-tag": "paid",
      "rocketmq-key": "order-17 eu",
      "property:region": "grün",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
    { data },
  );
  const [message] = proxy.messages.of("others");
  expect(message).toMatchObject({
    ...{ tag: "paid", keys: ["order-17", "eu"], properties: { region: "grün" }, group: "" },
    body: data.toString("base64"),
    trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  });
  expect(answer).toEqual({ metadata: { "rocketmq-message-id": message?.id } });
  expect(message?.id).toMatch(/^01[0-9A-F]{32}$/);
});

test("without a topic it is sent to each of the component's, with what stands behind it as its tag", async () => {
  const { proxy, properties } = await begin();
  const topics = "one||paid, two, three||*";
  await using output = await openOutput(rocketmq, { ...properties, topics });
  const answer = await output.invoke("create", { "rocketmq-tag": "other" }, { data: "x" });
  const tagOf = (topic: string) => proxy.messages.of(topic).map(({ tag }) => tag);
  expect([tagOf("one"), tagOf("two"), tagOf("three")]).toEqual([["paid"], [""], [""]]);
  expect(answer?.metadata?.["rocketmq-message-id"]?.split(",")).toHaveLength(3);
});

test("what was sent to one of several topics is not sent again, whatever becomes of the others", async () => {
  const { proxy, properties } = await begin();
  proxy.absent.add("two");
  await using output = await openOutput(rocketmq, { ...properties, topics: "one,two" });
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    effect: "ambiguous",
    systemCode: "TOPIC_NOT_FOUND",
    message: expect.stringContaining("after it was sent to 1 of 2 topics"),
  });
});

test("a message of a group stays in its queue, and a delayed one comes later", async () => {
  const { proxy, properties } = await begin();
  await using output = await openOutput(rocketmq, properties);
  for (let n = 0; n < 4; n++) {
    const metadata = { "rocketmq-topic": "fifo-x", "rocketmq-message-group": "a" };
    await output.invoke("create", metadata, { data: "x" });
  }
  expect(new Set(proxy.messages.of("fifo-x").map(({ queue }) => queue)).size).toBe(1);
  const before = Date.now();
  const metadata = { "rocketmq-topic": "later", "rocketmq-deliver-after": "10m" };
  await output.invoke("create", metadata, { data: "x" });
  const [delayed] = proxy.messages.of("later");
  expect(delayed?.visibleAt).toBeGreaterThanOrEqual(before + 600_000);
});

test.each([
  [{ "rocketmq-topic": "a b" }, "x", "a topic's name has"],
  [{ "rocketmq-message-group": "g" }, "x", "is not of the type FIFO"],
  [{ "rocketmq-message-group": "g", "rocketmq-deliver-after": "1s" }, "x", "not both"],
  [{}, "", "no messages without a body"],
  [{ "property:KEYS": "x" }, "x", '"KEYS" is no name of a property'],
  [{ "property:a": "x".repeat(20_000) }, "x", "the value of a property has"],
])("a call that cannot be sent is refused: %j", async (metadata, data, why) => {
  const { properties } = await begin();
  await using output = await openOutput(rocketmq, properties);
  await expect(output.invoke("create", metadata, { data })).rejects.toMatchObject({
    effect: "rejected",
    reason: "invalid_argument",
    message: expect.stringContaining(why),
  });
});

test.each([
  [42_900, "TOO_MANY_REQUESTS", "resource_exhausted", "unsent"],
  [41_301, "MESSAGE_BODY_TOO_LARGE", "invalid_argument", "rejected"],
  [40_300, "FORBIDDEN", "permission_denied", "rejected"],
  [50_001, "INTERNAL_SERVER_ERROR", "internal", "ambiguous"],
  [50_401, "MASTER_PERSISTENCE_TIMEOUT", "deadline_exceeded", "ambiguous"],
])("a status of RocketMQ's is a failure: %s", async (code, systemCode, reason, effect) => {
  const { proxy, properties } = await begin();
  await using output = await openOutput(rocketmq, properties);
  proxy.refusals.set("SendMessage", { code, message: "because" });
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    ...{ systemCode, reason, effect },
    message: expect.stringMatching(/send to .* failed: .*: because/),
  });
});

test("requests are signed as RocketMQ's reference says", async () => {
  const { proxy, properties } = await begin({ login });
  await using output = await openOutput(rocketmq, { ...properties, ...login });
  await output.invoke("create", {}, { data: "x" });
  const headers = proxy.headers.at(-1);
  expect(headers?.get("authorization")).toMatch(
    /^MQv2-HMAC-SHA1 Credential=shop, SignedHeaders=x-mq-date-time, Signature=[0-9A-F]{40}$/,
  );
  const time = "20210309T195445Z";
  expect(signatureOf("a secret", time)).toBe(
    createHmac("sha1", "a secret").update(time).digest("hex").toUpperCase(),
  );
});

test("another key is refused, and told as such", async () => {
  const { properties } = await begin({ login });
  const wrong = { ...login, secretKey: "another" };
  await using output = await openOutput(rocketmq, { ...properties, ...wrong });
  await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
    ...{ reason: "unauthenticated", effect: "rejected", systemCode: "UNAUTHENTICATED" },
  });
});

test("opening needs no permission: a proxy that refuses all is there", async () => {
  const { proxy, properties } = await begin({ login });
  await using output = await openOutput(rocketmq, properties);
  await output.ping();
  expect(proxy.calls).toEqual([]);
});

test.each([
  [{ topics: "a", nameServer: "mq:9876" }, "the metadata has no proxyEndpoint"],
  [{ proxyEndpoint: "mq", topics: "a" }, "proxyEndpoint is not of the form"],
  [{ proxyEndpoint: "mq:1", topics: "a", accessKey: "x" }, "one of accessKey and secretKey"],
  [{ proxyEndpoint: "mq:1", topics: "a||b||c" }, "must topicName||Expression(optional)"],
  [{ proxyEndpoint: "mq:1", topics: "a" }, "no consumerGroup"],
  [{ proxyEndpoint: "mq:1", consumerGroup: "x" }, "no topics"],
  [{ proxyEndpoint: "mq:1", topics: "a", consumerGroup: "x", waitTime: "1m" }, "waitTime"],
  [
    { proxyEndpoint: "mq:1", topics: "a", consumerGroup: "x", invisibleDuration: "1s" },
    "invisibleDuration must be from 10s",
  ],
])("a component that cannot read fails, and says why: %j", async (values: object, why) => {
  const resolve = async () => ({ values: { ...values, direction: "input" }, secrets: [] });
  const app = new FakeApp(() => handled);
  const { runtime, status } = startRuntime({ bindings: [rocketmq], app });
  await runtime.apply([component("rocketmq", {}, { resolve })]);
  await vi.waitFor(() => expect(status().state).toBe("failed"), soon);
  expect(status().reason).toContain(why);
});

test("only the messages with the tag are read", async () => {
  const { topic, input, peer } = await begin();
  await peer.send(topic, "no", { tag: "open" });
  await peer.send(topic, "yes", { tag: "paid" });
  const { app, status } = await read(
    { binding: rocketmq },
    { properties: { ...input, topics: `${topic}||paid` } },
  );
  await vi.waitFor(() => expect(status().handled).toBe(1), soon);
  expect(app.texts).toEqual(["yes"]);
  expect(app.deliveries[0]?.metadata["rocketmq-sub-expression"]).toBe("paid");
});

test("a message is held by its lease, and acknowledged with the receipt that counts then", async () => {
  const { proxy, topic, input, peer } = await begin();
  // Of one answer, so that the receipts tell of the first.
  for (const text of ["0", "1", "2", "3"]) await peer.send(topic, text);
  const released = Promise.withResolvers<void>();
  const { app, status } = await read({ binding: rocketmq }, { properties: input }, async () => {
    await released.promise;
    return handled;
  });
  await vi.waitFor(() => expect(app.texts).toHaveLength(4), soon);
  const changes = () => proxy.calls.filter((name) => name === "ChangeInvisibleDuration").length;
  await vi.waitFor(() => expect(changes()).toBe(4), soon);
  released.resolve();
  await vi.waitFor(() => expect(status().handled).toBe(4), soon);
  const isDone = () => proxy.messages.of(topic).map((one) => proxy.messages.isDone("shop", one));
  await vi.waitFor(() => expect(isDone()).toEqual([true, true, true, true]), soon);
});

test("the receipt of a changed message is its own", () => {
  expect(ownReceipt("6 17 2 1 0 broker-a 0 8 0 43")).toBe("8 17 2 1 0 broker-a 0 8 0 43");
  expect(ownReceipt("8 17 2 1 0 broker-a 0 8 43")).toBe("8 17 2 1 0 broker-a 0 8 43");
  expect(ownReceipt("something else")).toBe("something else");
});

test("a message that is damaged is moved to the group's dead letters", async () => {
  const { proxy, topic, input, peer } = await begin();
  proxy.messages.send({
    ...{ topic, id: "01AB", body: "AAAA", properties: {}, tag: "", keys: [], group: "" },
    ...{ trace: "", bornHost: "", bornAt: 0, visibleAt: 0, isDamaged: true },
  });
  await peer.send(topic, "good");
  const { app, status } = await read({ binding: rocketmq }, { properties: input });
  await vi.waitFor(() => expect(status().handled).toBe(1), soon);
  await vi.waitFor(() => expect(proxy.messages.of("%DLQ%shop")).toHaveLength(1), soon);
  expect(app.texts).toEqual(["good"]);
});

test("what was handled is not handled again where its acknowledgement was lost", async () => {
  const { proxy, topic, input, peer } = await begin();
  proxy.refusals.set("AckMessage", { code: 50_001, message: "lost" });
  await peer.send(topic, "1");
  const { app, status } = await read({ binding: rocketmq }, { properties: input });
  await vi.waitFor(() => expect(status().handled).toBe(1), soon);
  await vi.waitFor(() => expect(proxy.calls).toContain("AckMessage"), soon);
  proxy.cut();
  proxy.refusals.delete("AckMessage");
  const [message] = proxy.messages.of(topic);
  const isDone = () => message !== undefined && proxy.messages.isDone("shop", message);
  await vi.waitFor(() => expect(isDone()).toBe(true), soon);
  expect(app.texts).toEqual(["1"]);
});

test("an event that is returned comes again, and is counted", async () => {
  const { topic, input, peer } = await begin();
  await peer.send(topic, "1");
  let times = 0;
  const { app, status } = await read(
    { binding: rocketmq },
    { properties: { ...input, onExhausted: "return", backOffMaxRetries: "0" } },
    () => (++times === 1 ? refused() : handled),
  );
  await vi.waitFor(() => expect(status().handled).toBe(1), soon);
  expect(app.texts).toEqual(["1", "1"]);
});
