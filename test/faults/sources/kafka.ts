import { Producer, stringSerializers } from "@platformatic/kafka";
import { uniqueName } from "../../servers/unique-name.ts";
import { unreachableAddress, sender, type OpenedSource, type Source } from "../opened-source.ts";

/** One topic of four partitions, read by a consumer group. */
export const kafka: Source = {
  name: "kafka",
  // What the app has, and 50 events a second between two commits. What was handled the process knows while it lives.
  bounds: { app: 64, runtime: 64 + 2 * 50, server: 0, serverAtEnd: 64 + 2 * 50 },
  async opened(kit) {
    const { server, slots } = await kit.servers.kafka(kit.ownServer);
    const slot = slots[kit.slot];
    if (slot === undefined) throw new RangeError(`no slot ${kit.slot}`);
    const topic = uniqueName("faults");
    await server.createTopic(topic, 4);
    const { send, close } = sender(async () => {
      const producer = new Producer({
        ...{ clientId: "faults", bootstrapBrokers: server.brokers.split(",") },
        ...{ serializers: stringSerializers, retries: 0, timeout: 4_000 },
      });
      producer.on("error", () => {});
      return {
        async send(event) {
          const message = { topic, key: event.key, value: JSON.stringify(event) };
          await producer.send({ messages: [message], acks: -1 });
        },
        close: () => producer.close(true),
      };
    });
    return {
      component: componentOf(slot.brokers, topic),
      ordered: true,
      unreachable: { brokers: unreachableAddress },
      ...{ server, send, proxy: slot.proxy },
      async [Symbol.asyncDispose]() {
        slot.proxy.heal();
        await close();
      },
    } satisfies OpenedSource;
  },
};

function componentOf(brokers: string, topic: string): OpenedSource["component"] {
  return {
    ...{ name: "orders", type: "bindings.kafka" },
    metadata: {
      ...{ brokers, topics: topic, consumerGroup: topic, authType: "none" },
      ...{ initialOffset: "oldest", direction: "input" },
      // The usual 10 s would only make each cell longer.
      ...{ sessionTimeout: "4s", heartbeatInterval: "500ms" },
    },
  };
}
