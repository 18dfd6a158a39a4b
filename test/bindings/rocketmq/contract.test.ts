import { describe } from "vitest";
import { withClouds } from "../../clouds.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { testRestart, testSource } from "../contract.ts";
import { rocketmqSource } from "./contract-source.ts";

describeWith("rocketmq-proxy", (server) => testSource("rocketmq", rocketmqSource(server)));
describeWith("rocketmq-proxy", { own: true }, (server) =>
  testRestart("rocketmq", rocketmqSource(server), server),
);

describe.runIf(withClouds)("Apache RocketMQ", () => {
  describeWith("rocketmq", { own: true }, (server) => {
    const real = rocketmqSource({
      ...{ host: server.host, port: server.port },
      async prepare(topic, group) {
        await server.createTopic(topic, "FIFO", 2);
        await server.createGroup(group, { orderly: true });
      },
    });
    testSource("rocketmq", real);
    // It ends in half a minute, and a proxy that has missed a topic at its start looks for it again a minute later.
    testRestart("rocketmq", real, { restart: () => server.restart(), recovery: 150_000 });
  });
});
