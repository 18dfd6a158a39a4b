import { expect, test, vi } from "vitest";
import amqp from "../../../src/bindings/amqp/index.ts";
import type { Outcome } from "../../../src/runtime/app.ts";
import { handled } from "../../runtime/fake-app.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { read } from "../contract.ts";
import { bytes, connectPeer, manage } from "./peer.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("artemis", (server) => {
  async function place(properties: Record<string, string> = {}) {
    const peer = await connectPeer(server.url);
    const address = uniqueName("position");
    const capability = properties["capability"] ?? "queue";
    const all = { url: server.url, address, capability, ...properties };
    const send = async (...texts: string[]) => {
      for (const text of texts) await peer.send(address, { body: bytes(text) }, capability);
    };
    const begin = async (
      answer?: (text: string) => Outcome | Promise<Outcome>,
      more: Record<string, string> = {},
    ) => {
      const started = await read({ binding: amqp }, { properties: { ...all, ...more } }, answer);
      await vi.waitFor(() => expect(started.status().state).toBe("running"), soon);
      return started;
    };
    return { peer, address, send, begin };
  }
  const subscription = () => ({
    ...{ capability: "topic", subscriptionName: "orders", containerId: uniqueName("shop") },
  });

  test("amqp: Without a position", async () => {
    const queue = await place();
    await queue.send("1", "2");
    const { app } = await queue.begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
    const topic = await place(subscription());
    await topic.send("before");
    const second = await topic.begin();
    await topic.send("after");
    await vi.waitFor(() => expect(second.app.texts).toEqual(["after"]), soon);
  });

  test("amqp: After a gap", async () => {
    const { peer, address, send, begin } = await place();
    await peer.send(address, { body: bytes("expires"), ttl: 1 });
    await vi.waitFor(async () => expect(await peer.count(address)).toBe(0), soon);
    await send("kept");
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["kept"]), soon);
  });

  test("amqp: Grows", async () => {
    const { send, begin } = await place();
    const { app } = await begin();
    const texts = Array.from({ length: 300 }, (_, n) => String(n));
    await send(...texts);
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(texts.toSorted()), soon);
  });

  test("amqp: Shrinks", async () => {
    const { peer, address, send, begin } = await place();
    const answer = Promise.withResolvers<Outcome>();
    const { app, status } = await begin(() => answer.promise, { linkCredit: "1" });
    await send("1", "2", "3");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await peer.receive(address, 2);
    await send("4");
    answer.resolve(handled);
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "4"]), soon);
    expect(status().state).toBe("running");
  });

  test("amqp: Made anew", async () => {
    const { peer, address, send, begin } = await place();
    const { app, status, lines } = await begin();
    await send("1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await manage(peer, "destroyQueue", [address, true]);
    await vi.waitFor(() => expect(JSON.stringify(lines)).toContain("cannot be read"), soon);
    await vi.waitFor(() => expect(status().state).toBe("running"), soon);
    const other = await connectPeer(server.url);
    await other.send(address, { body: bytes("2") });
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });
});
