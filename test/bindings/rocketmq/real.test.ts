// What only RocketMQ itself can show; slow to start.
import { describe, expect, test, vi } from "vitest";
import rocketmq from "../../../src/bindings/rocketmq/index.ts";
import { withClouds } from "../../clouds.ts";
import { handled } from "../../runtime/fake-app.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { read } from "../contract.ts";
import { openOutput } from "../opened-output.ts";
import { rocketmqPeer } from "./peer.ts";

const soon = { timeout: 30_000, interval: 20 };
const login = { accessKey: "shop", secretKey: "a-secret-of-the-shop" };

describe.runIf(withClouds)("Apache RocketMQ", () => {
  describeWith("rocketmq", { own: true }, (server) => {
    async function place(type: "NORMAL" | "FIFO" | "DELAY", queues = 1) {
      const topic = uniqueName("orders");
      await server.createTopic(topic, type, queues);
      const properties = { proxyEndpoint: `${server.host}:${server.port}`, topics: topic };
      const group = uniqueName("shop");
      const input = {
        ...properties,
        consumerGroup: group,
        invisibleDuration: "10s",
        waitTime: "1s",
      };
      return { topic, properties, group, input, peer: rocketmqPeer(server) };
    }

    test("what create sends comes whole to another client", async () => {
      const { topic, properties, group, peer } = await place("NORMAL");
      await using output = await openOutput(rocketmq, properties);
      const answer = await output.invoke(
        "create",
        {
          ...{ "rocketmq-topic": topic, "rocketmq-tag": "paid", "rocketmq-key": "order-17 eu" },
          "property:region": "grün",
        },
        { data: "the data" },
      );
      const [message] = await peer.receive(topic, group);
      expect(message).toMatchObject({
        ...{ text: "the data", tag: "paid", keys: ["order-17", "eu"] },
        messageId: answer?.metadata?.["rocketmq-message-id"],
      });
      expect(message?.userProperties).toMatchObject({ region: "grün" });
    });

    test("a delayed message comes later", async () => {
      const { topic, properties, input } = await place("DELAY");
      await using output = await openOutput(rocketmq, properties);
      const begun = Date.now();
      const metadata = { "rocketmq-topic": topic, "rocketmq-deliver-after": "3s" };
      await output.invoke("create", metadata, { data: "later" });
      const { status } = await read({ binding: rocketmq }, { properties: input });
      await vi.waitFor(() => expect(status().handled).toBe(1), soon);
      expect(Date.now() - begun).toBeGreaterThan(2_500);
    });

    test("a topic of another type refuses a message, and nothing is repeated", async () => {
      const { topic, properties } = await place("NORMAL");
      await using output = await openOutput(rocketmq, properties);
      const metadata = { "rocketmq-topic": topic, "rocketmq-deliver-after": "3s" };
      await expect(output.invoke("create", metadata, { data: "x" })).rejects.toMatchObject({
        effect: "rejected",
        systemCode: "MESSAGE_PROPERTY_CONFLICT_WITH_TYPE",
      });
    });

    test("a topic that is not there is told", async () => {
      const { properties } = await place("NORMAL");
      await using output = await openOutput(rocketmq, properties);
      await expect(
        output.invoke("create", { "rocketmq-topic": "nothing" }, { data: "x" }),
      ).rejects.toMatchObject({ effect: "rejected", systemCode: "TOPIC_NOT_FOUND" });
    });

    test(
      "messages of one batch that were renewed and acknowledged do not come again",
      { timeout: 90_000 },
      async () => {
        const { topic, input, peer } = await place("NORMAL");
        for (const text of ["0", "1", "2", "3"]) await peer.send(topic, text);
        const released = Promise.withResolvers<void>();
        const first = await read({ binding: rocketmq }, { properties: input }, async () => {
          await released.promise;
          return handled;
        });
        await vi.waitFor(() => expect(first.app.texts).toHaveLength(4), soon);
        // Longer than the time that they were hidden for at first.
        await new Promise((resolve) => setTimeout(resolve, 15_000));
        expect(first.app.texts).toHaveLength(4);
        released.resolve();
        await vi.waitFor(() => expect(first.status().handled).toBe(4), soon);
        await first.runtime.close();
        const second = await read({ binding: rocketmq }, { properties: input });
        await new Promise((resolve) => setTimeout(resolve, 25_000));
        expect(second.app.texts).toEqual([]);
      },
    );
  });

  describeWith("rocketmq", { own: true, login }, (server) => {
    const properties = { proxyEndpoint: `${server.host}:${server.port}`, topics: "orders" };

    test("takes what is signed, and refuses another key", async () => {
      await using output = await openOutput(rocketmq, { ...properties, ...login });
      // It knows no such topic, which it tells those alone that it knows.
      await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
        systemCode: "TOPIC_NOT_FOUND",
      });
      const wrong = { ...login, secretKey: "another-secret" };
      await using stranger = await openOutput(rocketmq, { ...properties, ...wrong });
      await expect(stranger.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
        reason: "unauthenticated",
        effect: "rejected",
      });
    });
  });
});
