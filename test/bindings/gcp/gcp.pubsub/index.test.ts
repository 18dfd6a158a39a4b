import { generateKeyPairSync } from "node:crypto";
import { expect, onTestFinished, test, vi } from "vitest";
import pubsub from "../../../../src/bindings/gcp/gcp.pubsub/index.ts";
import { PubsubClient } from "../../../../src/bindings/gcp/pubsub-client.ts";
import { encodeAcknowledge } from "../../../../src/bindings/gcp/pubsub-messages.ts";
import { MemoryBudget } from "../../../../src/memory/budget.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { startLoopback } from "../../http/loopback-server.ts";
import { openInput } from "../../opened-input.ts";
import { openOutput } from "../../opened-output.ts";
import { pubsubPeer, type Sent, type SubscriptionSettings } from "./peer.ts";

const soon = { timeout: 20_000, interval: 5 };
const textOf = (data: Uint8Array | string | undefined): string =>
  Buffer.from(data ?? "").toString();

type Server = { readonly host: string; readonly port: number; readonly url: string };

async function place(server: Server, settings: SubscriptionSettings = {}) {
  const peer = pubsubPeer(server);
  const topic = await peer.makeTopic();
  const subscription = await peer.makeSubscription(topic, settings);
  const properties = { projectID: "shop", subscription, endpoint: server.url, ackDeadline: "10s" };
  return {
    ...{ peer, topic, subscription, properties },
    publish: async (...sent: readonly (string | Sent)[]) => {
      for (const one of sent)
        await peer.publish(topic, typeof one === "string" ? { data: one } : one);
    },
    read: (more: Record<string, string> = {}) => openInput(pubsub, { ...properties, ...more }),
  };
}

describeWith("pstest", (server) => {
  test("create: publishes to the topic of the component, or of the call", async () => {
    const peer = pubsubPeer(server);
    const topics = [await peer.makeTopic(), await peer.makeTopic()] as const;
    const subscriptions = [
      await peer.makeSubscription(topics[0]),
      await peer.makeSubscription(topics[1]),
    ] as const;
    const topic = topics[0].replace("projects/shop/topics/", "");
    const properties = { projectID: "shop", topic, endpoint: server.url };
    await using output = await openOutput(pubsub, properties);
    expect(await output.invoke("create", {}, { data: "one" })).toBeUndefined();
    const more = {
      topic: topics[1],
      orderingKey: "k",
      "attribute:text": "grün",
      "attribute:e": "",
    };
    await output.invoke("create", more, { data: Buffer.of(0, 255) });
    await output.invoke("create", { topic: topics[1], "attribute:only": "x" });
    expect(await peer.pull(subscriptions[0])).toEqual([
      { data: Buffer.from("one"), attributes: {}, orderingKey: "" },
    ]);
    const others = await peer.pull(subscriptions[1]);
    expect(others.toSorted((a, b) => b.data.length - a.data.length)).toEqual([
      { data: Buffer.of(0, 255), attributes: { text: "grün", e: "" }, orderingKey: "k" },
      { data: new Uint8Array(), attributes: { only: "x" }, orderingKey: "" },
    ]);
  });

  test("create: what is wrong is told, and nothing is published", async () => {
    const properties = { projectID: "shop", endpoint: server.url };
    await using output = await openOutput(pubsub, properties);
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      reason: "invalid_argument",
      message: '"" is no name of a topic: a letter, then 2 to 254 letters, digits or one of -_.~+%',
    });
    await expect(output.invoke("create", { topic: "../x" })).rejects.toMatchObject({
      ...{ reason: "invalid_argument", effect: "rejected" },
    });
    await expect(output.invoke("create", { topic: "not-there" })).rejects.toMatchObject({
      ...{ reason: "not_found", effect: "rejected", systemCode: "NOT_FOUND" },
      message: expect.stringMatching(/^rpc error: code = NotFound desc = topic /) as string,
    });
  });

  test("what is held at the end is given back at once, in order", async () => {
    const { publish, read } = await place(server, { ordered: true });
    const data = ["1", "2", "3"];
    await publish(...data.map((text) => ({ data: text, orderingKey: "k" })));
    const first = await read();
    expect(textOf((await first.next()).data)).toBe("1");
    await first.close();
    const second = await read();
    const seen: string[] = [];
    for (const _ of data) {
      const event = await second.next();
      seen.push(textOf(event.data));
      event.settle({ outcome: "handled" });
    }
    expect(seen).toEqual(data);
  });

  test("what is returned comes again, after its pause", async () => {
    const { publish, read } = await place(server);
    await publish("now", "later");
    const input = await read();
    const begun = performance.now();
    const pauses = new Map([
      ["now", 0],
      ["later", 900],
    ]);
    for (const _ of pauses) {
      const event = await input.next();
      const after = pauses.get(textOf(event.data)) ?? 0;
      event.settle({ outcome: "returned", reason: "test", ...(after > 0 ? { after } : {}) });
    }
    expect(textOf((await input.next()).data)).toBe("now");
    expect(textOf((await input.next()).data)).toBe("later");
    expect(performance.now() - begun).toBeGreaterThan(850);
  });

  test("no more than there is room for is out; with more room another stream is opened", async () => {
    const { publish, read, peer, subscription } = await place(server);
    await publish(...Array.from({ length: 100 }, (_, n) => String(n)));
    const input = await read();
    await vi.waitFor(() => expect(input.events).toHaveLength(64), soon);
    expect(await peer.pull(subscription, 1)).toHaveLength(1);
    expect(input.events).toHaveLength(64);
    // A stream is replaced by one with more room after a second at the earliest.
    await vi.waitFor(() => {
      input.reader.credit?.(90);
      expect(input.events.length).toBeGreaterThan(64);
    }, soon);
    expect(new Set(input.events.map(({ id }) => id)).size).toBe(input.events.length);
  });

  test("the deliveries are counted where the subscription does", async () => {
    const peer = pubsubPeer(server);
    const deadLetters = [await peer.makeTopic(), 5] as const;
    const { publish, read } = await place(server, { deadLetters });
    await publish("x");
    const input = await read();
    const first = await input.next();
    expect(first).toMatchObject({ attempt: 1, redelivered: false });
    first.settle({ outcome: "returned", reason: "test" });
    const second = await input.next();
    expect(second.attempt).toBe(2);
    expect(second.redelivered).toBeUndefined();
  });

  test("with exactly-once delivery what is refused for good ends the lease", async () => {
    const { publish, read, subscription } = await place(server, { exactlyOnce: true });
    await publish("mine", "other's");
    const input = await read();
    const [one, two] = [await input.next(), await input.next()];
    expect(one.lease?.duration).toBe(60_000);
    await one.lease?.extend?.();
    await using other = new PubsubClient({
      place: { endpoint: server.url, from: "test", credentials: "none" },
      ...{ identity: undefined, memory: new MemoryBudget().share("test") },
    });
    // The fake's id of an acknowledgement is the message's.
    await other.call("Subscriber/Acknowledge", encodeAcknowledge(subscription, [two.id ?? ""]), {
      ...{ what: "test", route: ["subscription", subscription] },
    });
    await expect(two.lease?.extend?.()).rejects.toMatchObject({
      ...{ effect: "rejected", systemCode: "PERMANENT_FAILURE_INVALID_ACK_ID" },
    });
    for (const event of [one, two]) event.settle({ outcome: "handled" });
    await input.reader.flush();
    expect(input.logger.debug).toHaveBeenCalledWith(
      expect.objectContaining({ reason: "PERMANENT_FAILURE_INVALID_ACK_ID" }),
      "a message could not be acknowledged; it comes again",
    );
  });

  test("a subscription that is not there is a reason to be lost", async () => {
    const properties = { projectID: "shop", subscription: "not-there", endpoint: server.url };
    const input = await openInput(pubsub, properties);
    expect(await input.lost).toMatchObject({
      reason: "not_found",
      message: expect.stringMatching(
        /^reading projects\/shop\/subscriptions\/not-there: rpc error: code = NotFound /,
      ) as string,
    });
  });

  test("the emulator's variable is followed, and nobody logs in there", async () => {
    vi.stubEnv("PUBSUB_EMULATOR_HOST", `${server.host}:${server.port}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const key = { privateKeyID: "1", privateKey: "none", clientEmail: "x@y" };
    await using output = await openOutput(pubsub, { projectID: "shop", ...key });
    await expect(output.ping()).resolves.toBeUndefined();
  });
});

describeWith("pstest", { own: true, streamLife: "150ms" }, (server) => {
  test("a stream that the server ends is opened again, and nothing is lost or repeated", async () => {
    const { publish, read } = await place(server);
    const input = await read();
    const data = Array.from({ length: 30 }, (_, n) => String(n));
    for (const text of data) {
      await publish(text);
      const event = await input.next();
      event.settle({ outcome: "handled" });
      await input.reader.flush();
    }
    await vi.waitFor(() => {
      const streams = server.log(1000).match(/StreamingPull/g) ?? [];
      expect(streams.length).toBeGreaterThan(2);
    }, soon);
    expect(input.events.map((event) => textOf(event.data))).toEqual(data);
    // Each lasts 150 ms, and the pause before the next is 100 ms at least.
    const streams = server.log(1000).match(/StreamingPull/g) ?? [];
    expect(streams.length).toBeLessThan(30);
  });
});

describeWith("pstest", { own: true, only: ["Publish", "CreateTopic"] }, (server) => {
  test("needs no permission beyond that to publish", async () => {
    const topic = await pubsubPeer(server).makeTopic();
    await using output = await openOutput(pubsub, {
      projectID: "shop",
      topic,
      endpoint: server.url,
    });
    await output.invoke("create", {}, { data: "x" });
    await expect(output.ping()).resolves.toBeUndefined();
    const input = await openInput(pubsub, {
      ...{ projectID: "shop", subscription: "orders", endpoint: server.url },
    });
    expect(await input.lost).toMatchObject({ reason: "permission_denied", effect: "rejected" });
  });
});

const able = ["StreamingPull", "Acknowledge", "ModifyAckDeadline", "CreateTopic", "Publish"];
describeWith("pstest", { own: true, only: [...able, "CreateSubscription"] }, (server) => {
  test("needs no permission beyond that to read", async () => {
    const { publish, read } = await place(server);
    await publish("x");
    const input = await read();
    const event = await input.next();
    await event.lease?.extend?.();
    event.settle({ outcome: "handled" });
    await expect(input.reader.flush()).resolves.toBeUndefined();
  });
});

describeWith("pstest", { own: true, tokens: ["owner", "right"] }, (server) => {
  test("logs in, and asks for another token where one is refused", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const given = ["wrong", "right"];
    const tokens = await startLoopback((_, response) => {
      response.end(JSON.stringify({ access_token: given.shift() ?? "right", expires_in: 3600 }));
    });
    onTestFinished(() => tokens[Symbol.asyncDispose]());
    const peer = pubsubPeer(server, "owner");
    const topic = await peer.makeTopic();
    await using output = await openOutput(pubsub, {
      ...{ project_id: "shop", topic, endpoint: server.url, type: "service_account" },
      ...{ private_key_id: "1", client_email: "a@b", token_uri: `${tokens.url}/token` },
      private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    });
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      ...{ reason: "unauthenticated", effect: "rejected" },
    });
    await output.invoke("create", {}, { data: "x" });
    expect(tokens.received).toHaveLength(2);
  });
});
