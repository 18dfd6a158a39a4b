import pubsub from "../../../src/bindings/gcp/gcp.pubsub/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { pubsubPeer } from "../gcp/gcp.pubsub/peer.ts";
import { testHostileValues } from "./suite.ts";

describeWith("pstest", (server) => {
  const places = ["the topic", "the ordering key", "an attribute", "the name of an attribute"];
  testHostileValues(pubsub, places, async () => {
    const peer = pubsubPeer(server);
    const topic = await peer.makeTopic();
    const subscription = await peer.makeSubscription(topic);
    const own = topic.replace("projects/shop/topics/", "");
    const arrived = async () => {
      const messages = await peer.pull(subscription);
      await peer.purge(subscription);
      return messages;
    };
    return {
      properties: { projectID: "shop", endpoint: server.url, topic },
      places: {
        "the topic": {
          send: (output, value) => output.invoke("create", { topic: value }),
          arrived: async () => (await arrived()).map(() => own),
          harmless: own,
        },
        "the ordering key": {
          send: (output, orderingKey) => output.invoke("create", { orderingKey }),
          arrived: async () => (await arrived()).map(({ orderingKey }) => orderingKey),
        },
        "an attribute": {
          send: (output, value) => output.invoke("create", { "attribute:mark": value }),
          arrived: async () => (await arrived()).map(({ attributes }) => attributes["mark"] ?? ""),
        },
        "the name of an attribute": {
          send: (output, value) => output.invoke("create", { [`attribute:${value}`]: "x" }),
          arrived: async () =>
            (await arrived()).flatMap(({ attributes }) => Object.keys(attributes)),
        },
      },
    };
  });
});
