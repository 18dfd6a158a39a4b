import kubemq from "../../../src/bindings/kubemq/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { kubemqClient } from "../../servers/kubemq-client.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { endAfterTest } from "../contract.ts";
import { testAttempts } from "./suite.ts";

describeWith("kubemq", (server) => {
  testAttempts(kubemq, "create", async () => {
    const client = kubemqClient(server);
    endAfterTest(() => client.close());
    const channel = uniqueName("orders");
    let times = 0;
    return {
      server,
      properties: ({ host, port }) => ({ address: `${host}:${port}`, channel }),
      operation: "create",
      request: (data) => ({ data }),
      noticesByCall: true,
      async done(mark) {
        const bodies = await client.receive(channel);
        times += bodies.filter((body) => body.toString() === mark).length;
        return times;
      },
    };
  });
});
