import storageQueues from "../../../src/bindings/azure/azure.storagequeues/index.ts";
import { makeQueue } from "../azure/queue-source.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { parseXml, textAt } from "../../../src/text/xml.ts";
import { testHostileValues } from "./suite.ts";

describeWith("azurite-queue", (server) =>
  testHostileValues(storageQueues, ["the message", "the ttl"], async () => {
    const queue = await makeQueue(server);
    const arrived = async (): Promise<string[]> => {
      const { receivedMessageItems, _response } = await queue.receiveMessages({
        numberOfMessages: 32,
      });
      await queue.clearMessages();
      // Microsoft's client leaves some of XML's references as they are.
      const list = parseXml(_response.bodyAsText ?? "");
      return receivedMessageItems.map((_, n) => textAt(list?.children[n], "MessageText") ?? "");
    };
    return {
      properties: queue.properties,
      places: {
        "the message": {
          send: (output, data) => output.invoke("create", {}, { data }),
          arrived,
        },
        "the ttl": {
          send: (output, ttl) => output.invoke("create", { ttl }, { data: "x" }),
          arrived,
          expected: () => "x",
          harmless: "60",
        },
      },
    };
  }),
);
