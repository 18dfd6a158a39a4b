import kubemq from "../../../src/bindings/kubemq/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { kubemqClient } from "../../servers/kubemq-client.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { endAfterTest } from "../contract.ts";
import { testHostileValues } from "./suite.ts";

describeWith("kubemq", (server) => {
  testHostileValues(kubemq, ["the queue for what failed"], async () => {
    const client = kubemqClient(server);
    endAfterTest(() => client.close());
    const channel = uniqueName("orders");
    let sent = "";
    return {
      properties: { address: `${server.host}:${server.port}`, channel },
      places: {
        "the queue for what failed": {
          async send(output, value) {
            sent = value;
            await output.invoke("create", { maxReceiveQueue: value }, { data: "x" });
          },
          // It is a field of its own in the message, and the message is where it belongs.
          arrived: async () => (await client.receive(channel)).map(() => sent),
        },
      },
    };
  });
});
