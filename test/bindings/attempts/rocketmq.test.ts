import rocketmq from "../../../src/bindings/rocketmq/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { rocketmqPeer } from "../rocketmq/peer.ts";
import { testAttempts } from "./suite.ts";

describeWith("rocketmq-proxy", (server) => {
  testAttempts(rocketmq, "create", async () => {
    const topics = uniqueName("orders");
    const peer = rocketmqPeer(server);
    let times = 0;
    return {
      server,
      properties: ({ host, port }) => ({ proxyEndpoint: `${host}:${port}`, topics }),
      operation: "create",
      request: (data) => ({ data }),
      noticesByCall: true,
      async done(mark) {
        const messages = await peer.receive(topics, "counting");
        times += messages.filter(({ text }) => text === mark).length;
        return times;
      },
    };
  });
});
