import mqtt5 from "../../../src/bindings/mqtt/mqtt5/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { rawClient } from "../mqtt/mqtt3/raw-client.ts";
import { testAttempts } from "./suite.ts";

// With QoS 2 Mosquitto passes on nothing before the third packet: test/bindings/mqtt/mqtt5/sending.test.ts has it.
describeWith("mosquitto", (server) => {
  testAttempts(mqtt5, "create", async () => {
    const topic = uniqueName("orders");
    const { received } = await rawClient(server.url, topic);
    return {
      server,
      properties: ({ host, port }) => ({
        ...{ url: `mqtt://${host}:${port}`, topic, consumerID: uniqueName("shop") },
      }),
      ...{ operation: "create", connectsByCall: true },
      request: (data) => ({ data }),
      done: async (mark) => received.filter(({ payload }) => String(payload) === mark).length,
    };
  });
});
