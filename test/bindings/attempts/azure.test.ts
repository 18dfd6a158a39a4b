import storageQueues from "../../../src/bindings/azure/azure.storagequeues/index.ts";
import { makeQueue, queueProperties } from "../azure/queue-source.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { testAttempts } from "./suite.ts";

describeWith("azurite-queue", (server) =>
  testAttempts(storageQueues, "create", async () => {
    const queue = await makeQueue(server);
    return {
      ...{ server, operation: "create", connectsByCall: true },
      properties: ({ host, port }) =>
        queueProperties({ url: `http://${host}:${port}` }, queue.queueName),
      request: (data) => ({ data }),
      async done(mark) {
        const { peekedMessageItems } = await queue.peekMessages({ numberOfMessages: 32 });
        return peekedMessageItems.filter(({ messageText }) => messageText === mark).length;
      },
    };
  }),
);
