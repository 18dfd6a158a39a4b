import { Admin, Producer } from "@platformatic/kafka";
import { uniqueName } from "../../servers/unique-name.ts";
import type { Call, Suite } from "../suite.ts";

export const kafka: Suite = {
  name: "kafka",
  servers: ["kafka"],
  async prepare({ servers }) {
    const [topic, events] = [uniqueName("golden-out"), uniqueName("golden-in")];
    const bootstrapBrokers = servers.kafka.split(",");
    const admin = new Admin({ clientId: "golden", bootstrapBrokers });
    await admin.createTopics({ topics: [topic, events], partitions: 1, replicas: 1 });
    await admin.close();
    const one = (
      name: string,
      operation: string,
      metadata: Record<string, string> = {},
      data: unknown = "x",
      binding = "records",
    ): Call => ({ ...{ name, binding, operation, metadata, data } });
    const common = { brokers: servers.kafka, authType: "none" };
    return {
      components: [
        {
          ...{ name: "records", type: "bindings.kafka" },
          metadata: { ...common, publishTopic: topic, direction: "output" },
        },
        {
          ...{ name: "large", type: "bindings.kafka" },
          metadata: {
            ...{ ...common, publishTopic: topic, maxMessageBytes: "3000000" },
            direction: "output",
          },
        },
        {
          ...{ name: "missing", type: "bindings.kafka" },
          metadata: { ...common, publishTopic: "no such topic", direction: "output" },
        },
        {
          ...{ name: "events", type: "bindings.kafka" },
          metadata: {
            ...{ ...common, topics: events, consumerGroup: events, initialOffset: "oldest" },
            direction: "input",
          },
        },
      ],
      names: [
        [topic, "{topic}"],
        [events, "{events}"],
        [/\b1[789]\d{11}\b/g, "{milliseconds}"],
        // Over gRPC daprd writes the call's own headers into the record too.
        [/(?<=MaxMessageBytes: )\d+/g, "{size}"],
      ],
      calls: [
        one("create", "create"),
        one("create with a key", "create", { partitionKey: "k" }),
        one("a partition", "create", { partitionNumber: "0" }),
        one("a partition that is none", "create", { partitionNumber: "x" }),
        one("a negative partition", "create", { partitionNumber: "-1" }),
        one("a partition that is not there", "create", { partitionNumber: "7" }),
        one("a message that is too large", "create", {}, "x".repeat(1_100_000)),
        one("a message that the broker refuses", "create", {}, "x".repeat(1_100_000), "large"),
        one("a topic whose name is none", "create", {}, "x", "missing"),
        one("an operation that is not there", "get"),
        one("an input is no output", "create", {}, "x", "events"),
      ],
      inputs: ["events"],
      events: 4,
      async send() {
        const producer = new Producer({ clientId: "golden", bootstrapBrokers });
        const [key, header] = [Buffer.from("k"), Buffer.from("colour")];
        await producer.send({
          acks: -1,
          messages: [
            {
              topic: events,
              key,
              value: Buffer.from("text"),
              headers: new Map([[header, Buffer.from("blue")]]),
            },
            { topic: events, key },
            { topic: events, key, value: Buffer.alloc(0) },
            { topic: events, value: Buffer.from('{"b":1, "a":2}') },
          ],
        });
        await producer.close();
      },
    };
  },
};
