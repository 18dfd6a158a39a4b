import pubsub from "../../../src/bindings/gcp/gcp.pubsub/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { pubsubPeer } from "../gcp/gcp.pubsub/peer.ts";
import { testAttempts } from "./suite.ts";

describeWith("pstest", (server) => {
  testAttempts(pubsub, "create", async () => {
    const peer = pubsubPeer(server);
    const topic = await peer.makeTopic();
    const subscription = await peer.makeSubscription(topic);
    let times = 0;
    return {
      server,
      properties: ({ host, port }) => ({
        ...{ projectID: "shop", topic, endpoint: `http://${host}:${port}` },
      }),
      operation: "create",
      request: (data) => ({ data }),
      noticesByCall: true,
      async done(mark) {
        // What was pulled does not come again meanwhile.
        const messages = await peer.pull(subscription);
        times += messages.filter(({ data }) => Buffer.from(data).toString() === mark).length;
        return times;
      },
    };
  });
});
