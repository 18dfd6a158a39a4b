// One test for each cell of the row in docs/positions.md.
import { expect, onTestFinished, test, vi } from "vitest";
import rocketmq from "../../../src/bindings/rocketmq/index.ts";
import { uniqueName } from "../../servers/describe-with.ts";
import { RocketmqProxy } from "../../servers/rocketmq-proxy/proxy.ts";
import { read } from "../contract.ts";
import { rocketmqPeer } from "./peer.ts";

const soon = { timeout: 20_000, interval: 5 };

async function place() {
  const proxy = await new RocketmqProxy().listen();
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const topic = uniqueName("orders");
  const peer = rocketmqPeer({ host: "127.0.0.1", port: proxy.port });
  const properties = {
    ...{ proxyEndpoint: proxy.address, topics: topic, consumerGroup: "shop" },
    ...{ invisibleDuration: "10s", waitTime: "1s" },
  };
  const send = async (...texts: string[]): Promise<void> => {
    for (const text of texts) await peer.send(topic, text);
  };
  return { proxy, topic, send, begin: () => read({ binding: rocketmq }, { properties }) };
}

test("rocketmq: Without a position", async () => {
  const { send, begin } = await place();
  await send("1", "2");
  const { app } = await begin();
  await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["1", "2"]), soon);
});

test("rocketmq: After a gap", async () => {
  const { proxy, topic, send, begin } = await place();
  await send("1", "2");
  proxy.messages.purge(topic);
  await send("3");
  const { app, status } = await begin();
  await vi.waitFor(() => expect(status().handled).toBe(1), soon);
  expect(app.texts).toEqual(["3"]);
});

test("rocketmq: Grows", async () => {
  const { send, begin } = await place();
  await send("1");
  const { app } = await begin();
  await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
  await send("2");
  await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
});

test("rocketmq: Shrinks", async () => {
  const { proxy, topic, send, begin } = await place();
  const { app } = await begin();
  await send("1");
  await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
  proxy.messages.purge(topic);
  await send("2");
  await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
});

test("rocketmq: Made anew", async () => {
  const { proxy, topic, send, begin } = await place();
  proxy.absent.add(topic);
  const { app, status } = await begin();
  await vi.waitFor(() => expect(status().reason).toContain(`there is no topic ${topic}`), soon);
  expect(status().state).toBe("stalled");
  proxy.absent.delete(topic);
  await send("1");
  await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
  await vi.waitFor(() => expect(status().state).toBe("running"), soon);
});
