import blobStorage from "../../../src/bindings/azure/azure.blobstorage/index.ts";
import storageQueues from "../../../src/bindings/azure/azure.storagequeues/index.ts";
import { makeContainer } from "../azure/blob-container.ts";
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

describeWith("azurite-blob", (server) => {
  for (const [name, more] of [
    ["create", {}],
    ["create with a name", { blobName: "named" }],
  ] as const)
    testAttempts(blobStorage, name, async () => {
      const { container, properties } = await makeContainer(server);
      return {
        ...{ server, operation: "create", connectsByCall: true },
        idempotent: "blobName" in more,
        properties: ({ host, port }) => ({ ...properties, endpoint: `http://${host}:${port}` }),
        request: (data) => ({ data, metadata: more }),
        async done() {
          let count = 0;
          for await (const _ of container.listBlobsFlat()) count++;
          return count;
        },
      };
    });
});
