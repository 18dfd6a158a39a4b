// One test for each cell of the row in docs/positions.md.
import { expect, test, vi } from "vitest";
import pubsub from "../../../../src/bindings/gcp/gcp.pubsub/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { read } from "../../contract.ts";
import { pubsubPeer } from "./peer.ts";

const soon = { timeout: 20_000, interval: 5 };

describeWith("pstest", (server) => {
  async function place() {
    const peer = pubsubPeer(server);
    const topic = await peer.makeTopic();
    const send = async (...texts: string[]): Promise<void> => {
      for (const data of texts) await peer.publish(topic, { data });
    };
    const subscription = await peer.makeSubscription(topic);
    const properties = { projectID: "shop", subscription, endpoint: server.url };
    const begin = () => read({ binding: pubsub }, { properties });
    return { peer, topic, subscription, send, begin };
  }

  test("gcp.pubsub: Without a position", async () => {
    const { send, begin } = await place();
    await send("1", "2");
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts.toSorted()).toEqual(["1", "2"]), soon);
  });

  test("gcp.pubsub: After a gap", async () => {
    const { peer, subscription, send, begin } = await place();
    await send("1", "2");
    await peer.purge(subscription);
    await send("3");
    const { app, status } = await begin();
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    expect(app.texts).toEqual(["3"]);
  });

  test("gcp.pubsub: Grows", async () => {
    const { send, begin } = await place();
    await send("1");
    const { app } = await begin();
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await send("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("gcp.pubsub: Shrinks", async () => {
    const { peer, subscription, send, begin } = await place();
    const { app } = await begin();
    await send("1");
    await vi.waitFor(() => expect(app.texts).toEqual(["1"]), soon);
    await peer.purge(subscription);
    await send("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });

  test("gcp.pubsub: Made anew", async () => {
    const { peer, topic, subscription, send, begin } = await place();
    const { app, status } = await begin();
    await send("1");
    await vi.waitFor(() => expect(status().handled).toBe(1), soon);
    await peer.remove(subscription);
    await vi.waitFor(() => expect(status().reason).toContain("NotFound"), soon);
    await send("missed");
    await peer.makeSubscription(topic);
    await send("2");
    await vi.waitFor(() => expect(app.texts).toEqual(["1", "2"]), soon);
  });
});
