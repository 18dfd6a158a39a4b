import type { EventContext } from "rhea";
import azureEventhubs from "../../../src/bindings/azure/azure.eventhubs/index.ts";
import azureServicebusQueues from "../../../src/bindings/azure/azure.servicebus.queues/index.ts";
import { bodyOf } from "../amqp/peer.ts";
import { startNamespace } from "../azure/namespace.ts";
import { testAttempts } from "./suite.ts";

testAttempts(azureEventhubs, "create", async () => {
  const namespace = await startNamespace();
  return {
    server: { host: "127.0.0.1", port: namespace.port },
    properties: ({ port }) => ({
      connectionString: namespace.connectionString.replace(/:\d+;/, `:${port};`),
      eventHub: "hub-1",
    }),
    operation: "create",
    request: (data) => ({ data }),
    async done(mark) {
      const events = namespace.hub("hub-1").eventsOf("0");
      return events.filter(({ message }) => String(bodyOf({ message } as EventContext)) === mark)
        .length;
    },
  };
});

testAttempts(azureServicebusQueues, "create", async () => {
  const namespace = await startNamespace();
  return {
    server: { host: "127.0.0.1", port: namespace.port },
    properties: ({ port }) => ({
      connectionString: namespace.connectionString.replace(/:\d+;/, `:${port};`),
      queueName: "orders",
    }),
    operation: "create",
    request: (data) => ({ data }),
    async done(mark) {
      const { messages } = namespace.queue("orders");
      return messages.filter(({ message }) => String(bodyOf({ message } as EventContext)) === mark)
        .length;
    },
  };
});
